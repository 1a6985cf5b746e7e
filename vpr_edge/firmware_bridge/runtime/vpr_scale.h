/* Requantisation of element-wise results: small numbers, by a factor known at compile time. */
#ifndef VPR_SCALE_H
#define VPR_SCALE_H

#include "vpr_common.h"
#if defined(VPR_DSP)
#include "vpr_dsp.h"
#endif

/* A factor multiplier * 2^(shift - 31). */
struct vpr_factor {
    int32_t multiplier, shift;
};

/* vpr_requantize where x shifted left lies within 2^30. SMMULR of 2 x is the doubling high
 * multiplication, and no sum of the rounding needs 64 bits. */
VPR_INLINE int32_t vpr_scale(int32_t x, const struct vpr_factor f)
{
    if (f.shift > 0) {
        x *= 1 << f.shift;
    }
#if defined(VPR_DSP)
    int32_t y = vpr_smmulr(x * 2, f.multiplier);
#else
    int32_t y = vpr_high_mul(x, f.multiplier);
#endif
    if (f.shift >= 0) {
        return y;
    }
    y += y >> 31;
    return ((y >> (-f.shift - 1)) + 1) >> 1;
}

/* Scale, add the zero point, clamp. */
VPR_INLINE int8_t vpr_scale_s8(int32_t x, const struct vpr_factor f, const struct vpr_range range)
{
    const int32_t y = vpr_scale(x, f) + range.zero_point;
#if defined(VPR_DSP)
    if (range.low == -128 && range.high == 127) {
        return (int8_t)vpr_ssat8(y);
    }
#endif
    return (int8_t)vpr_clamp(y, range.low, range.high);
}

#endif /* VPR_SCALE_H */
