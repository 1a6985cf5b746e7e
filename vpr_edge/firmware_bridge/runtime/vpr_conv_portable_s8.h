/* CONV_2D, int8, in portable C: one pixel and four output channels at a time.
 *
 * Scratch: one patch, unless the kernel is 1x1 with stride 1, which reads the input itself.
 */
#ifndef VPR_CONV_PORTABLE_S8_H
#define VPR_CONV_PORTABLE_S8_H

#if defined(VPR_AVX2)
#include "vpr_conv_avx2_s8.h"
#endif

/* Adds `count` products to the sum of each of four channels, whose weights lie `step` apart. */
VPR_INLINE void vpr_dot_four_s8(const int8_t *x, const int8_t *w, int32_t count, int32_t step,
                                int32_t sums[4])
{
    int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
    for (int32_t k = 0; k < count; ++k) {
        a += x[k] * w[k];
        b += x[k] * w[step + k];
        c += x[k] * w[2 * step + k];
        d += x[k] * w[3 * step + k];
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

VPR_INLINE void vpr_conv_s8(const struct vpr_conv s, const int8_t *input, int32_t input_zero_point,
                            const struct vpr_matrix m, const struct vpr_range range,
                            int8_t *output, void *scratch)
{
#if defined(VPR_AVX2)
    if (m.right_only) {
        vpr_conv_avx2_s8(s, input, (int8_t)input_zero_point, m, range, output, scratch);
        return;
    }
#endif
    /* Blocks of which every tap exists: what fills the last one is there in the weights alone. */
    const int32_t whole = vpr_conv_taps(s) / VPR_CONV_BLOCK * VPR_CONV_BLOCK;
    const int32_t rest = s.depth - whole, taps = vpr_conv_taps(s) - whole;
    for (int32_t y = 0; y < s.out_rows; ++y) {
        for (int32_t x = 0; x < s.out_columns; ++x) {
            const int8_t *patch = input + (y * s.in_columns + x) * s.in_channels;
            if (!vpr_conv_is_pointwise(s)) {
                vpr_conv_patch_s8(s, input, y, x, (int8_t)input_zero_point, (int8_t *)scratch);
                patch = (const int8_t *)scratch;
            }
            for (int32_t o = 0; o < s.out_channels; o += 4) {
                const int8_t *w = vpr_matrix_weights(m, s.depth, o);
                int32_t sums[4];
                memcpy(sums, m.constants + 3 * o, sizeof sums);
                for (int32_t k = 0; k < whole; k += VPR_CONV_BLOCK) {
                    vpr_dot_four_s8(patch + k, w, VPR_CONV_BLOCK, VPR_CONV_BLOCK, sums);
                    w += 4 * VPR_CONV_BLOCK;
                }
                vpr_dot_four_s8(patch + whole, w, taps, rest, sums);
                for (int32_t k = 0; k < 4 && o + k < s.out_channels; ++k) {
                    output[o + k] = vpr_matrix_output(sums[k], m, o + k, range);
                }
            }
            output += s.out_channels;
        }
    }
}

#endif /* VPR_CONV_PORTABLE_S8_H */
