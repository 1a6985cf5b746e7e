/* CAST. */
#ifndef VPR_CAST_H
#define VPR_CAST_H

#include "vpr_common.h"

/* Without its fraction; beyond int32 saturated, NaN as 0. */
VPR_INLINE int32_t vpr_whole_f32(float x)
{
    if (x >= 2147483648.0f) {
        return INT32_MAX;
    }
    if (x < -2147483648.0f) {
        return INT32_MIN;
    }
    return x <= 0.0f || x > 0.0f ? (int32_t)x : 0;
}

#endif /* VPR_CAST_H */
