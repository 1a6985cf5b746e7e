/* DEPTHWISE_CONV_2D, int8: every channel of the input under its own kernel.
 *
 * Weights lie in the order rows, columns, output channels, but for the variants that say otherwise.
 * The bias has the input's zero point folded in.
 *
 * Scratch: the input under one kernel. Where that reaches outside the image, or is not dense, it is
 * gathered there, with the zero point for what is outside; so one piece of code serves all pixels.
 */
#ifndef VPR_DEPTHWISE_S8_H
#define VPR_DEPTHWISE_S8_H

#include "vpr_common.h"
#if defined(VPR_MVE)
#include "vpr_mve.h"
#elif defined(VPR_DSP)
#include "vpr_dsp.h"
#elif defined(VPR_AVX2)
#include "vpr_avx2.h"
#endif

struct vpr_depthwise {
    int32_t in_rows, in_columns, in_channels;
    int32_t out_rows, out_columns, multiplier; /* output channels an input channel */
    int32_t kernel_rows, kernel_columns, stride_rows, stride_columns;
    int32_t dilation_rows, dilation_columns, pad_top, pad_left;
    int32_t nine; /* whether vpr_depthwise_nine_mve_s8.h has it on cores with Helium */
    int32_t band; /* output rows at once by vpr_depthwise_planes_dsp_s8.h; 0: not for it */
};

#if defined(VPR_MVE)
#include "vpr_depthwise_nine_mve_s8.h"
#elif defined(VPR_DSP)
#if defined(VPR_PLANES)
#include "vpr_depthwise_planes_dsp_s8.h"
#endif

/* One tap of four channels, in ten instructions.
 * Assembly, as compilers move all loads to the front and spill them. */
VPR_INLINE void vpr_tap_dsp_s8(const int8_t *input, const int8_t *weights,
                               int32_t sums[4])
{
    struct vpr_four {
        int8_t bytes[4];
    };
    uint32_t x, y, u, v;
    __asm__ volatile("ldr %[x], %[input]\n\t"
                     "ldr %[u], %[weights]\n\t"
                     "sxtb16 %[y], %[x], ror #8\n\t"
                     "sxtb16 %[x], %[x]\n\t"
                     "sxtb16 %[v], %[u], ror #8\n\t"
                     "sxtb16 %[u], %[u]\n\t"
                     "smlabb %[a], %[x], %[u], %[a]\n\t"
                     "smlabb %[b], %[y], %[v], %[b]\n\t"
                     "smlatt %[c], %[x], %[u], %[c]\n\t"
                     "smlatt %[d], %[y], %[v], %[d]\n\t"
                     : [a] "+r"(sums[0]), [b] "+r"(sums[1]), [c] "+r"(sums[2]),
                       [d] "+r"(sums[3]), [x] "=&r"(x), [y] "=&r"(y), [u] "=&r"(u),
                       [v] "=&r"(v)
                     : [input] "m"(*(const struct vpr_four *)(const void *)input),
                       [weights] "m"(*(const struct vpr_four *)(const void *)weights));
}
#endif

/* Gathers what lies under the kernel whose first tap is at (row, column). */
VPR_INLINE void vpr_depthwise_patch_s8(const struct vpr_depthwise s, const int8_t *input,
                                       int32_t row, int32_t column, int8_t zero_point,
                                       int8_t *patch)
{
    for (int32_t j = 0; j < s.kernel_rows; ++j) {
        const int32_t y = row + j * s.dilation_rows;
        for (int32_t i = 0; i < s.kernel_columns; ++i) {
            const int32_t x = column + i * s.dilation_columns;
            if (y >= 0 && y < s.in_rows && x >= 0 && x < s.in_columns) {
                memcpy(patch, input + (y * s.in_columns + x) * s.in_channels,
                       (size_t)s.in_channels);
            } else {
                memset(patch, zero_point, (size_t)s.in_channels);
            }
            patch += s.in_channels;
        }
    }
}

#if !defined(VPR_MVE) && !defined(VPR_DSP)
/* Channels at once: as many sums as a small core has registers for, or as fill vectors. */
#if defined(__ARM_ARCH_PROFILE)
#define VPR_DEPTHWISE_BLOCK 4
#else
#define VPR_DEPTHWISE_BLOCK 16
#endif

/* The sum of one channel under a kernel, its taps `step` bytes apart in image and weights. */
#if defined(VPR_SMALL)
static VPR_APART int32_t vpr_depthwise_sum_s8(const int8_t *x, const int8_t *w, int32_t rows,
                                              int32_t columns, int32_t step, int32_t stride,
                                              int32_t sum)
{
    const int32_t end = columns * step;
    for (; rows > 0; --rows) {
        int32_t at = 0;
        do {
            sum += x[at] * w[at];
            at += step;
        } while (at != end);
        x += stride;
        w += end;
    }
    return sum;
}
#endif

#if defined(VPR_AVX2)
/* The same with AVX2: products of sixteen channels fit 16 bits. */
VPR_INLINE void vpr_depthwise_block_avx2_s8(const struct vpr_depthwise s, const int8_t *input,
                                            int32_t stride, const struct vpr_channels c, int32_t o,
                                            const struct vpr_range range, int8_t *output)
{
    const int8_t *w = c.weights + o;
    __m256i sums[2];
    memcpy(sums, c.bias + o, sizeof sums);
    for (int32_t j = 0; j < s.kernel_rows; ++j) {
        const int8_t *x = input + j * stride;
        for (int32_t i = 0; i < s.kernel_columns; ++i) {
            const __m256i p = _mm256_mullo_epi16(vpr_widened_avx2(x), vpr_widened_avx2(w));
            const __m128i low = _mm256_castsi256_si128(p), high = _mm256_extracti128_si256(p, 1);
            sums[0] = _mm256_add_epi32(sums[0], _mm256_cvtepi16_epi32(low));
            sums[1] = _mm256_add_epi32(sums[1], _mm256_cvtepi16_epi32(high));
            x += s.in_channels;
            w += s.in_channels;
        }
    }
    for (int32_t k = 0; k < 2; ++k) {
        __m256i multiplier;
        memcpy(&multiplier, c.multiplier + o + 8 * k, sizeof multiplier);
        const __m128i shift = _mm_loadl_epi64((const __m128i *)(const void *)(c.shift + o + 8 * k));
        sums[k] = vpr_output_avx2(sums[k], multiplier, _mm256_cvtepi8_epi32(shift), range);
    }
    /* Packing goes by halves of the vectors. */
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(sums[0], sums[1]), 0xD8);
    const __m128i bytes =
        _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    memcpy(output, &bytes, sizeof bytes);
}
#endif

/* A block of output channels of one pixel, from `o` on. */
VPR_INLINE void vpr_depthwise_block_s8(const struct vpr_depthwise s, const int8_t *input,
                                       int32_t stride, const struct vpr_channels c, int32_t o,
                                       const struct vpr_range range, int8_t *output)
{
    const int8_t *w = c.weights + o;
#if defined(VPR_AVX2)
    if (c.right_only) {
        vpr_depthwise_block_avx2_s8(s, input, stride, c, o, range, output);
        return;
    }
#endif
    int32_t sums[VPR_DEPTHWISE_BLOCK];
    memcpy(sums, c.bias + o, sizeof sums);
    for (int32_t j = 0; j < s.kernel_rows; ++j) {
        const int8_t *x = input + j * stride;
        for (int32_t i = 0; i < s.kernel_columns; ++i) {
            for (int32_t k = 0; k < VPR_DEPTHWISE_BLOCK; ++k) {
                sums[k] += x[k] * w[k];
            }
            x += s.in_channels;
            w += s.in_channels;
        }
    }
    for (int32_t k = 0; k < VPR_DEPTHWISE_BLOCK; ++k) {
        output[k] = vpr_to_s8(sums[k], c.multiplier[o + k], c.shift[o + k], range);
    }
}
#endif

/* All output channels of one pixel; `stride` bytes lie between rows of `input`. */
VPR_INLINE void vpr_depthwise_pixel_s8(const struct vpr_depthwise s, const int8_t *input,
                                       int32_t stride, const struct vpr_channels c,
                                       const struct vpr_range range, int8_t *output)
{
    const int32_t channels = s.in_channels * s.multiplier;
    int32_t o = 0;
#if defined(VPR_MVE)
    if (s.multiplier == 1) {
        for (; o < channels; o += 4) {
            const int32_t left = channels % 4 == 0 ? 4 : channels - o;
            const mve_pred16_t lanes = vctp32q((uint32_t)left);
            int32x4_t sums = vdupq_n_s32(0);
            for (int32_t j = 0; j < s.kernel_rows; ++j) {
                for (int32_t i = 0; i < s.kernel_columns; ++i) {
                    const int8_t *from = input + j * stride + i * channels + o;
                    const int8_t *w = c.weights + (j * s.kernel_columns + i) * channels + o;
                    int32x4_t x, y;
                    if (left >= 4) {
                        x = vldrbq_s32(from);
                        y = vldrbq_s32(w);
                    } else {
                        x = vldrbq_z_s32(from, lanes);
                        y = vldrbq_z_s32(w, lanes);
                    }
                    sums = vaddq_s32(sums, vmulq_s32(x, y));
                }
            }
            vpr_output_mve_s8(sums, c, o, left, range, output + o);
        }
    }
#elif defined(VPR_DSP)
    if (s.multiplier == 1) {
        const int32_t fours = channels / 4 * 4;
        for (; o < fours; o += 4) {
            int32_t sums[4] = {c.bias[o], c.bias[o + 1], c.bias[o + 2], c.bias[o + 3]};
            for (int32_t j = 0; j < s.kernel_rows; ++j) {
                for (int32_t i = 0; i < s.kernel_columns; ++i) {
                    vpr_tap_dsp_s8(input + j * stride + i * channels + o,
                                   c.weights + (j * s.kernel_columns + i) * channels + o, sums);
                }
            }
            for (int32_t k = 0; k < 4; ++k) {
                output[o + k] = vpr_output_dsp_s8(sums[k], c, o + k, range);
            }
        }
    }
#elif defined(VPR_SMALL)
    if (s.multiplier == 1) {
        for (; o < channels; ++o) {
            const int32_t sum = vpr_depthwise_sum_s8(input + o, c.weights + o, s.kernel_rows,
                                                     s.kernel_columns, channels, stride, c.bias[o]);
            output[o] = vpr_to_s8(sum, c.multiplier[o], c.shift[o], range);
        }
    }
#else
    if (s.multiplier == 1) {
        const int32_t blocks = channels / VPR_DEPTHWISE_BLOCK * VPR_DEPTHWISE_BLOCK;
        for (; o < blocks; o += VPR_DEPTHWISE_BLOCK) {
            vpr_depthwise_block_s8(s, input + o, stride, c, o, range, output + o);
        }
    }
#endif
    for (; o < channels; ++o) {
        int32_t sum = c.bias[o];
        for (int32_t j = 0; j < s.kernel_rows; ++j) {
            for (int32_t i = 0; i < s.kernel_columns; ++i) {
                const int32_t x = input[j * stride + i * s.in_channels + o / s.multiplier];
                const int32_t w = c.weights[(j * s.kernel_columns + i) * channels + o];
                sum += x * w;
            }
        }
        output[o] = vpr_to_s8(sum, c.multiplier[o], c.shift[o], range);
    }
}

VPR_INLINE void vpr_depthwise_s8(const struct vpr_depthwise s, const int8_t *input,
                                 int32_t zero_point, const struct vpr_channels c,
                                 const struct vpr_range range, int8_t *output, void *scratch)
{
#if defined(VPR_MVE)
    if (s.nine) {
        vpr_depthwise_nine_mve_s8(s, input, (int8_t)zero_point, c.weights, range, output, scratch);
        return;
    }
#elif defined(VPR_PLANES)
    if (s.band > 0) {
        vpr_depthwise_planes_dsp_s8(s, input, (int8_t)zero_point, c.weights, range, output, scratch);
        return;
    }
#endif
    const int dense = s.dilation_rows == 1 && s.dilation_columns == 1;
    int8_t *patch = (int8_t *)scratch;
    for (int32_t y = 0; y < s.out_rows; ++y) {
        const int32_t row = y * s.stride_rows - s.pad_top;
        const int full = dense && row >= 0 && row + s.kernel_rows <= s.in_rows;
        for (int32_t x = 0; x < s.out_columns; ++x) {
            const int32_t column = x * s.stride_columns - s.pad_left;
            const int8_t *from = patch;
            int32_t stride = s.kernel_columns * s.in_channels;
            if (full && column >= 0 && column + s.kernel_columns <= s.in_columns) {
                from = input + (row * s.in_columns + column) * s.in_channels;
                stride = s.in_columns * s.in_channels;
            } else {
                vpr_depthwise_patch_s8(s, input, row, column, (int8_t)zero_point, patch);
            }
            vpr_depthwise_pixel_s8(s, from, stride, c, range, output);
            output += s.in_channels * s.multiplier;
        }
    }
}

#endif /* VPR_DEPTHWISE_S8_H */
