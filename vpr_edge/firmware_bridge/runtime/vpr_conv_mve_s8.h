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
    const int32_t whole = s.depth / VPR_CONV_BLOCK * VPR_CONV_BLOCK;
    const int32_t rest = s.depth - whole;
    const mve_pred16_t tail = vctp8q((uint32_t)(vpr_conv_taps(s) - whole));
    for (int32_t o = 0; o < s.out_channels; o += 4) {
        const mve_pred16_t lanes = vctp32q((uint32_t)(s.out_channels - o));
        const int8_t *w0 = c.weights + o * s.depth;
        /* Where there is no second pair the first one is computed twice, not read past. */
        const int8_t *w1 = o + 2 < s.out_channels ? w0 + 2 * s.depth : w0;
        int32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
        for (int32_t k = 0; k < whole; k += VPR_CONV_BLOCK) {
            const int8x16_t x = vldrbq_s8(patch + k);
            a0 = vmladavaq_s8(a0, x, vldrbq_s8(w0));
            a1 = vmladavaq_s8(a1, x, vldrbq_s8(w0 + VPR_CONV_BLOCK));
            a2 = vmladavaq_s8(a2, x, vldrbq_s8(w1));
            a3 = vmladavaq_s8(a3, x, vldrbq_s8(w1 + VPR_CONV_BLOCK));
            w0 += 2 * VPR_CONV_BLOCK;
            w1 += 2 * VPR_CONV_BLOCK;
        }
        if (rest > 0) {
            const int8x16_t x = vldrbq_z_s8(patch + whole, tail);
            a0 = vmladavaq_s8(a0, x, vldrbq_z_s8(w0, tail));
            a1 = vmladavaq_s8(a1, x, vldrbq_z_s8(w0 + rest, tail));
            a2 = vmladavaq_s8(a2, x, vldrbq_z_s8(w1, tail));
            a3 = vmladavaq_s8(a3, x, vldrbq_z_s8(w1 + rest, tail));
        }
        int32x4_t sums = vdupq_n_s32(a0);
        sums = vsetq_lane_s32(a1, sums, 1);
        sums = vsetq_lane_s32(a2, sums, 2);
        sums = vsetq_lane_s32(a3, sums, 3);
        sums = vaddq_s32(sums, vldrwq_z_s32(c.bias + o, lanes));
        vpr_output_mve_s8(sums, c, o, lanes, range, output + o);
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
