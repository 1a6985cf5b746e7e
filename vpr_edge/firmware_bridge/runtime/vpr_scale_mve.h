/* vpr_scale.h four lanes at a time, with Helium. */
#ifndef VPR_SCALE_MVE_H
#define VPR_SCALE_MVE_H

#include "vpr_mve.h"
#include "vpr_scale.h"

VPR_INLINE int32x4_t vpr_scale_mve(int32x4_t x, const struct vpr_factor f)
{
    return vpr_requantize_mve(x, vdupq_n_s32(f.multiplier), vdupq_n_s32(f.shift));
}

/* Adds the zero point, clamps and stores as bytes. */
VPR_INLINE void vpr_store_mve_s8(int32x4_t x, mve_pred16_t lanes, const struct vpr_range range,
                                 int8_t *output)
{
    x = vaddq_n_s32(x, range.zero_point);
    x = vmaxq_s32(x, vdupq_n_s32(range.low));
    x = vminq_s32(x, vdupq_n_s32(range.high));
    vstrbq_p_s32(output, x, lanes);
}

#endif /* VPR_SCALE_MVE_H */
