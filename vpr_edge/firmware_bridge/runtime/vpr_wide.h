/* Requantisation of 64-bit sums, as TFLM's int16 kernels have them. */
#ifndef VPR_WIDE_H
#define VPR_WIDE_H

#include "vpr_common.h"

/* A factor multiplier * 2^(shift - 15); the multiplier has 15 bits, and shift is below 8. */
VPR_INLINE int32_t vpr_requantize_wide(int64_t x, int32_t multiplier, int32_t shift)
{
    const int32_t right = 15 - shift;
    return (int32_t)((x * multiplier + ((int64_t)1 << (right - 1))) >> right);
}

#endif /* VPR_WIDE_H */
