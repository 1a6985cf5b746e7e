/* What the float32 kernels share. */
#ifndef VPR_FLOAT_H
#define VPR_FLOAT_H

#include "vpr_broadcast.h"

/* A product and a sum must round twice, whether or not the chip can do both at once; GCC takes no
 * notice of the pragma and wants -ffp-contract=off. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

/* The range of a fused activation. */
struct vpr_range_f32 {
    float low, high;
};

/* NaN stays NaN. */
VPR_INLINE float vpr_clamp_f32(float x, const struct vpr_range_f32 range)
{
    x = x < range.low ? range.low : x;
    return x > range.high ? range.high : x;
}

#endif /* VPR_FLOAT_H */
