/* CONV_2D, int8, with Helium: one pixel by four output channels, sixteen products at a time.
 *
 * Scratch: one patch, unless the kernel is 1x1 with stride 1, which reads the input itself.
 */
#ifndef VPR_CONV_MVE_S8_H
#define VPR_CONV_MVE_S8_H

#include "vpr_mve.h"

/* All output channels of one pixel from its patch. */
VPR_INLINE void vpr_conv_pixel_mve_s8(const struct vpr_conv s, const int8_t *patch,
                                      const struct vpr_channels c, const struct vpr_range range,
                                      int8_t *output)
{
    const int32_t depth = vpr_conv_depth(s);
    const int8_t *weights = c.weights;
    for (int32_t o = 0; o < s.out_channels; o += 4) {
        const mve_pred16_t lanes = vctp32q((uint32_t)(s.out_channels - o));
        /* Channels past the last read the last one's weights; their sums are not stored. */
        const int32_t last = s.out_channels - 1 - o;
        const int8_t *w0 = weights;
        const int8_t *w1 = w0 + (last < 1 ? 0 : s.weight_stride);
        const int8_t *w2 = w1 + (last < 2 ? 0 : s.weight_stride);
        const int8_t *w3 = w2 + (last < 3 ? 0 : s.weight_stride);
        int32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
        int32_t k = 0;
        for (; k + 16 <= depth; k += 16) {
            const int8x16_t x = vldrbq_s8(patch + k);
            a0 = vmladavaq_s8(a0, x, vldrbq_s8(w0 + k));
            a1 = vmladavaq_s8(a1, x, vldrbq_s8(w1 + k));
            a2 = vmladavaq_s8(a2, x, vldrbq_s8(w2 + k));
            a3 = vmladavaq_s8(a3, x, vldrbq_s8(w3 + k));
        }
        if (k < depth) {
            const mve_pred16_t rest = vctp8q((uint32_t)(depth - k));
            const int8x16_t x = vldrbq_z_s8(patch + k, rest);
            a0 = vmladavaq_s8(a0, x, vldrbq_z_s8(w0 + k, rest));
            a1 = vmladavaq_s8(a1, x, vldrbq_z_s8(w1 + k, rest));
            a2 = vmladavaq_s8(a2, x, vldrbq_z_s8(w2 + k, rest));
            a3 = vmladavaq_s8(a3, x, vldrbq_z_s8(w3 + k, rest));
        }
        int32x4_t sums = vldrwq_z_s32(c.bias + o, lanes);
        int32x4_t products = vdupq_n_s32(a0);
        products = vsetq_lane_s32(a1, products, 1);
        products = vsetq_lane_s32(a2, products, 2);
        products = vsetq_lane_s32(a3, products, 3);
        sums = vaddq_s32(sums, products);
        vpr_output_mve_s8(sums, c, o, lanes, range, output + o);
        weights += 4 * s.weight_stride;
    }
}

VPR_INLINE void vpr_conv_s8(const struct vpr_conv s, const int8_t *input, int32_t input_zero_point,
                            const struct vpr_channels c, const struct vpr_range range,
                            int8_t *output, void *scratch)
{
    for (int32_t y = 0; y < s.out_rows; ++y) {
        for (int32_t x = 0; x < s.out_columns; ++x) {
            const int8_t *patch = input + (y * s.in_columns + x) * s.in_channels;
            if (!vpr_conv_is_pointwise(s)) {
                vpr_conv_patch_s8(s, input, y, x, (int8_t)input_zero_point, (int8_t *)scratch);
                patch = (const int8_t *)scratch;
            }
            vpr_conv_pixel_mve_s8(s, patch, c, range, output);
            output += s.out_channels;
        }
    }
}

#endif /* VPR_CONV_MVE_S8_H */
