/* CONV_2D, int8, with Helium. Where all shifts are to the right, vpr_conv_streamed_mve_s8.h has the
 * layer; here the others are: one pixel by four output channels, sixteen products at a time.
 *
 * Scratch: one patch, unless the kernel is 1x1 with stride 1, which reads the input itself.
 */
#ifndef VPR_CONV_MVE_S8_H
#define VPR_CONV_MVE_S8_H

#include "vpr_conv_streamed_mve_s8.h"

/* All output channels of one pixel from its patch. */
VPR_INLINE void vpr_conv_pixel_mve_s8(const struct vpr_conv s, const int8_t *patch,
                                      const struct vpr_matrix m, const struct vpr_range range,
                                      int8_t *output)
{
    /* Blocks of which every tap exists: what fills the last one is there in the weights alone. */
    const int32_t whole = vpr_conv_taps(s) / VPR_CONV_BLOCK;
    const int32_t rest = s.depth - whole * VPR_CONV_BLOCK;
    const mve_pred16_t tail = vctp8q((uint32_t)(vpr_conv_taps(s) - whole * VPR_CONV_BLOCK));
    for (int32_t o = 0; o < s.out_channels; o += 4) {
        const int8_t *x = patch, *w = vpr_matrix_weights(m, s.depth, o);
        int32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
        if (whole > 0) {
            /* Assembly, as compilers neither step the pointers nor keep the loop tight. */
            __asm__ volatile("dls lr, %[n]\n\t"
                             "1:\n\t"
                             "vldrb.u8 q0, [%[x]], #16\n\t"
                             "vldrb.u8 q1, [%[w]], #16\n\t"
                             "vmladava.s8 %[a0], q0, q1\n\t"
                             "vldrb.u8 q2, [%[w]], #16\n\t"
                             "vmladava.s8 %[a1], q0, q2\n\t"
                             "vldrb.u8 q1, [%[w]], #16\n\t"
                             "vmladava.s8 %[a2], q0, q1\n\t"
                             "vldrb.u8 q2, [%[w]], #16\n\t"
                             "vmladava.s8 %[a3], q0, q2\n\t"
                             "le lr, 1b\n\t"
                             : [x] "+r"(x), [w] "+r"(w), [a0] "+Te"(a0),
                               [a1] "+Te"(a1), [a2] "+Te"(a2), [a3] "+Te"(a3)
                             : [n] "r"(whole)
                             : "q0", "q1", "q2", "lr", "cc", "memory");
        }
        if (rest > 0) {
            const int8x16_t v = vldrbq_z_s8(x, tail);
            a0 = vmladavaq_s8(a0, v, vldrbq_z_s8(w, tail));
            a1 = vmladavaq_s8(a1, v, vldrbq_z_s8(w + rest, tail));
            a2 = vmladavaq_s8(a2, v, vldrbq_z_s8(w + 2 * rest, tail));
            a3 = vmladavaq_s8(a3, v, vldrbq_z_s8(w + 3 * rest, tail));
        }
        int32x4_t sums = vdupq_n_s32(a0);
        sums = vsetq_lane_s32(a1, sums, 1);
        sums = vsetq_lane_s32(a2, sums, 2);
        sums = vsetq_lane_s32(a3, sums, 3);
        const int32_t left = s.out_channels % 4 == 0 ? 4 : s.out_channels - o;
        const int32_t *c = m.constants + 3 * o;
        sums = vaddq_s32(sums, vldrwq_s32(c));
        sums = vpr_requantize_mve(sums, vldrwq_s32(c + 4), vldrwq_s32(c + 8));
        vstrbq_p_s32(output + o, vpr_saturate_mve(sums, range), vctp32q((uint32_t)left));
    }
}

VPR_INLINE void vpr_conv_s8(const struct vpr_conv s, const int8_t *input, int32_t input_zero_point,
                            const struct vpr_matrix m, const struct vpr_range range,
                            int8_t *output, void *scratch)
{
    if (m.right_only) {
        vpr_conv_streamed_mve_s8(s, input, (int8_t)input_zero_point, m.weights, range, output,
                                 scratch);
        return;
    }
    for (int32_t y = 0; y < s.out_rows; ++y) {
        for (int32_t x = 0; x < s.out_columns; ++x) {
            const int8_t *patch = input + (y * s.in_columns + x) * s.in_channels;
            if (!vpr_conv_is_pointwise(s)) {
                vpr_conv_patch_s8(s, input, y, x, (int8_t)input_zero_point, (int8_t *)scratch);
                patch = (const int8_t *)scratch;
            }
            vpr_conv_pixel_mve_s8(s, patch, m, range, output);
            output += s.out_channels;
        }
    }
}

#endif /* VPR_CONV_MVE_S8_H */
