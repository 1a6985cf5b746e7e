/* Requantisation of four sums at a time with Helium (M-profile vector extension). */
#ifndef VPR_MVE_H
#define VPR_MVE_H

#include <arm_mve.h>

#include "vpr_common.h"

/* vpr_requantize, lane by lane. VQRDMULH is the doubling high multiplication; VRSHL by a negative
 * count rounds half up, which is half away from zero once 1 is taken off negative numbers. */
VPR_INLINE int32x4_t vpr_requantize_mve(int32x4_t x, int32x4_t multiplier, int32x4_t shift)
{
    const int32x4_t left = vmaxq_s32(shift, vdupq_n_s32(0));
    const int32x4_t right = vminq_s32(shift, vdupq_n_s32(0));
    x = vqrdmulhq_s32(vshlq_s32(x, left), multiplier);
    x = vaddq_s32(x, vshrq_n_s32(vandq_s32(x, right), 31));
    return vrshlq_s32(x, right);
}

/* Adds the zero point and clamps. */
VPR_INLINE int32x4_t vpr_saturate_mve(int32x4_t x, const struct vpr_range range)
{
    x = vaddq_n_s32(x, range.zero_point);
    x = vmaxq_s32(x, vdupq_n_s32(range.low));
    return vminq_s32(x, vdupq_n_s32(range.high));
}

/* Adds the biases to four sums of output channels `o` and on, requantises and stores them; of fewer
 * than four channels left only those. */
VPR_INLINE void vpr_output_mve_s8(int32x4_t sums, const struct vpr_channels c, int32_t o,
                                  int32_t left, const struct vpr_range range, int8_t *output)
{
    if (left >= 4) {
        sums = vaddq_s32(sums, vldrwq_s32(c.bias + o));
        const int32x4_t multiplier = vldrwq_s32(c.multiplier + o);
        const int32x4_t shift = vldrbq_s32(c.shift + o);
        if (c.right_only) {
            sums = vqrdmulhq_s32(sums, multiplier);
            sums = vaddq_s32(sums, vshrq_n_s32(sums, 31));
            sums = vrshlq_s32(sums, shift);
        } else {
            sums = vpr_requantize_mve(sums, multiplier, shift);
        }
        vstrbq_s32(output, vpr_saturate_mve(sums, range));
    } else {
        const mve_pred16_t lanes = vctp32q((uint32_t)left);
        sums = vaddq_s32(sums, vldrwq_z_s32(c.bias + o, lanes));
        sums = vpr_requantize_mve(sums, vldrwq_z_s32(c.multiplier + o, lanes),
                                  vldrbq_z_s32(c.shift + o, lanes));
        vstrbq_p_s32(output, vpr_saturate_mve(sums, range), lanes);
    }
}

/* Copies bytes, sixteen at a time: for the short runs of a patch quicker than a call of memcpy. */
VPR_INLINE void vpr_copy_mve_s8(int8_t *to, const int8_t *from, int32_t count)
{
    int32_t k = 0;
    for (; k + 16 <= count; k += 16) {
        vstrbq_s8(to + k, vldrbq_s8(from + k));
    }
    if (k < count) {
        const mve_pred16_t rest = vctp8q((uint32_t)(count - k));
        vstrbq_p_s8(to + k, vldrbq_z_s8(from + k, rest), rest);
    }
}

#endif /* VPR_MVE_H */
