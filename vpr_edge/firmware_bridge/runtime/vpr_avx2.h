/* Requantisation of eight sums at a time with AVX2, for evaluation on a PC by the C that is flashed. */
#ifndef VPR_AVX2_H
#define VPR_AVX2_H

#include <immintrin.h>

#include "vpr_common.h"

/* vpr_requantize, lane by lane, for |x| < 2^30 and shift in [-31, -2]; plus the zero point, clamped,
 * as int32. */
VPR_INLINE __m256i vpr_output_avx2(__m256i x, __m256i multiplier, __m256i shift,
                                   const struct vpr_range range)
{
    const __m256i half = _mm256_set1_epi64x((int64_t)1 << 30);
    const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(x, multiplier), half);
    const __m256i odd = _mm256_add_epi64(
        _mm256_mul_epi32(_mm256_srli_epi64(x, 32), _mm256_srli_epi64(multiplier, 32)), half);
    __m256i y = _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xAA);
    /* Half away from zero once 1 is taken off negative numbers. */
    const __m256i one = _mm256_set1_epi32(1);
    const __m256i right = _mm256_sub_epi32(_mm256_setzero_si256(), shift);
    y = _mm256_add_epi32(y, _mm256_srai_epi32(y, 31));
    y = _mm256_add_epi32(y, _mm256_sllv_epi32(one, _mm256_sub_epi32(right, one)));
    y = _mm256_add_epi32(_mm256_srav_epi32(y, right), _mm256_set1_epi32(range.zero_point));
    y = _mm256_max_epi32(y, _mm256_set1_epi32(range.low));
    return _mm256_min_epi32(y, _mm256_set1_epi32(range.high));
}

/* Sixteen bytes as halfwords. */
VPR_INLINE __m256i vpr_widened_avx2(const int8_t *from)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)from));
}

#endif /* VPR_AVX2_H */
