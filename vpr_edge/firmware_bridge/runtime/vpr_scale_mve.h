/* vpr_scale.h four lanes at a time, with Helium. */
#ifndef VPR_SCALE_MVE_H
#define VPR_SCALE_MVE_H

#include "vpr_mve.h"
#include "vpr_scale.h"

/* The factor is known at compile time, so what it does not need is not there; nor is the rounding of
 * halves away from zero where `away` is 0. */
VPR_INLINE int32x4_t vpr_scale_mve(int32x4_t x, const struct vpr_factor f, int away)
{
    if (f.shift > 0) {
        x = vshlq_s32(x, vdupq_n_s32(f.shift));
    }
    x = vqrdmulhq_n_s32(x, f.multiplier);
    if (f.shift < 0) {
        x = away ? vaddq_s32(x, vshrq_n_s32(x, 31)) : x;
        x = vrshlq_n_s32(x, f.shift);
    }
    return x;
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

/* Scales, adds the zero point, clamps and stores as bytes. */
VPR_INLINE void vpr_store_scaled_mve_s8(int32x4_t x, const struct vpr_factor f, mve_pred16_t lanes,
                                        const struct vpr_range range, int8_t *output)
{
    /* What is negative becomes the zero point, however it is rounded. */
    x = vpr_scale_mve(x, f, range.zero_point != range.low);
    if (range.low == -128 && range.high == 127) {
        int16x8_t y = vqmovnbq_s32(vdupq_n_s16(0), x);
        y = vqaddq_n_s16(y, (int16_t)range.zero_point);
        const int8x16_t z = vqmovnbq_s16(vdupq_n_s8(0), y);
        vstrbq_p_s32(output, vreinterpretq_s32_s8(z), lanes);
        return;
    }
    vpr_store_mve_s8(x, lanes, range, output);
}

#endif /* VPR_SCALE_MVE_H */
