/* CONV_2D, int8, with AVX2: two pixels by four output channels, sixteen products at a time. Layers
 * with shifts that are not to the right are for vpr_conv_portable_s8.h.
 *
 * Scratch: two patches, unless the kernel is 1x1 with stride 1, which reads the input itself.
 */
#ifndef VPR_CONV_AVX2_S8_H
#define VPR_CONV_AVX2_S8_H

#include "vpr_avx2.h"

/* Adds the products of a block of one pixel and four channels, whose weights are widened. */
VPR_INLINE void vpr_block_avx2(__m256i x, const __m256i w[4], __m256i sums[4])
{
    for (int k = 0; k < 4; ++k) {
        sums[k] = _mm256_add_epi32(sums[k], _mm256_madd_epi16(x, w[k]));
    }
}

/* Four totals of four vectors. */
VPR_INLINE __m128i vpr_totals_avx2(const __m256i sums[4])
{
    const __m256i total = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]),
                                            _mm256_hadd_epi32(sums[2], sums[3]));
    return _mm_add_epi32(_mm256_castsi256_si128(total), _mm256_extracti128_si256(total, 1));
}

/* All output channels of two pixels; `a` and `b` may be one. */
VPR_INLINE void vpr_conv_pixels_avx2_s8(const struct vpr_conv s, const int8_t *a, const int8_t *b,
                                        const struct vpr_matrix m, const struct vpr_range range,
                                        int8_t *output_a, int8_t *output_b)
{
    /* What fills the last block counts for nothing, in the weights' loads too. */
    const int32_t taps = vpr_conv_taps(s), whole = (taps - 1) / VPR_CONV_BLOCK * VPR_CONV_BLOCK;
    const int32_t rest = s.depth - whole;
    int8_t last_a[VPR_CONV_BLOCK] = {0}, last_b[VPR_CONV_BLOCK] = {0};
    memcpy(last_a, a + whole, (size_t)(taps - whole));
    memcpy(last_b, b + whole, (size_t)(taps - whole));
    const __m256i bytes = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
    for (int32_t o = 0; o < s.out_channels; o += 4) {
        const int8_t *w = vpr_matrix_weights(m, s.depth, o);
        const __m256i zero = _mm256_setzero_si256();
        __m256i sums_a[4] = {zero, zero, zero, zero}, sums_b[4] = {zero, zero, zero, zero};
        for (int32_t at = 0; at <= whole; at += VPR_CONV_BLOCK) {
            const int32_t step = at < whole ? VPR_CONV_BLOCK : rest;
            const __m256i four[4] = {vpr_widened_avx2(w), vpr_widened_avx2(w + step),
                                     vpr_widened_avx2(w + 2 * step),
                                     vpr_widened_avx2(w + 3 * step)};
            vpr_block_avx2(vpr_widened_avx2(at < whole ? a + at : last_a), four, sums_a);
            vpr_block_avx2(vpr_widened_avx2(at < whole ? b + at : last_b), four, sums_b);
            w += 4 * VPR_CONV_BLOCK;
        }
        const __m128i *c = (const __m128i *)(const void *)(m.constants + 3 * o);
        const __m256i bias = _mm256_broadcastsi128_si256(_mm_loadu_si128(c));
        __m256i y = _mm256_set_m128i(vpr_totals_avx2(sums_b), vpr_totals_avx2(sums_a));
        y = vpr_output_avx2(_mm256_add_epi32(y, bias),
                            _mm256_broadcastsi128_si256(_mm_loadu_si128(c + 1)),
                            _mm256_broadcastsi128_si256(_mm_loadu_si128(c + 2)), range);
        y = _mm256_shuffle_epi8(y, bytes);
        const int32_t four_a = _mm256_extract_epi32(y, 0), four_b = _mm256_extract_epi32(y, 4);
        const size_t left = s.out_channels - o < 4 ? (size_t)(s.out_channels - o) : 4;
        memcpy(output_a + o, &four_a, left);
        memcpy(output_b + o, &four_b, left);
    }
}

VPR_INLINE void vpr_conv_avx2_s8(const struct vpr_conv s, const int8_t *input, int8_t zero_point,
                                 const struct vpr_matrix m, const struct vpr_range range,
                                 int8_t *output, void *scratch)
{
    const int32_t pixels = s.out_rows * s.out_columns;
    int8_t *const patches = (int8_t *)scratch;
    int32_t x = 0, y = 0;
    for (int32_t done = 0; done < pixels; done += 2) {
        const int32_t count = pixels - done < 2 ? 1 : 2;
        const int8_t *from = input + done * s.in_channels;
        int32_t step = s.in_channels;
        if (!vpr_conv_is_pointwise(s)) {
            for (int32_t i = 0; i < count; ++i) {
                vpr_conv_patch_s8(s, input, y, x, zero_point, patches + i * s.depth);
                if (++x == s.out_columns) {
                    x = 0;
                    ++y;
                }
            }
            from = patches;
            step = s.depth;
        }
        /* A pixel that is alone is computed twice. */
        vpr_conv_pixels_avx2_s8(s, from, from + (count - 1) * step, m, range, output,
                                output + (count - 1) * s.out_channels);
        output += count * s.out_channels;
    }
}

#endif /* VPR_CONV_AVX2_S8_H */
