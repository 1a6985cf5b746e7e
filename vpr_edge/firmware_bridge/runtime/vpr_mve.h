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

/* Requantises up to four sums of output channels `o` and on, and stores them as bytes. */
VPR_INLINE void vpr_output_mve_s8(int32x4_t sums, const struct vpr_channels c, int32_t o,
                                  mve_pred16_t lanes, const struct vpr_range range,
                                  int8_t *output)
{
    const int32x4_t multiplier = vldrwq_z_s32(c.multiplier + o, lanes);
    const int32x4_t shift = vldrbq_z_s32(c.shift + o, lanes);
    int32x4_t y = vpr_requantize_mve(sums, multiplier, shift);
    y = vaddq_n_s32(y, range.zero_point);
    y = vmaxq_s32(y, vdupq_n_s32(range.low));
    y = vminq_s32(y, vdupq_n_s32(range.high));
    vstrbq_p_s32(output, y, lanes);
}

#endif /* VPR_MVE_H */
