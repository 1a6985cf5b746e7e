/* ADD and SUB, int8: both inputs are brought to a grid 2^20 times finer than the coarser one's. */
#ifndef VPR_ADD_S8_H
#define VPR_ADD_S8_H

#include "vpr_broadcast.h"
#include "vpr_scale.h"
#if defined(VPR_MVE)
#include "vpr_scale_mve.h"
#endif

/* An input's zero point and its factor to the common grid; no factor shifts left. */
struct vpr_addend {
    int32_t zero_point;
    struct vpr_factor factor;
};

struct vpr_add {
    struct vpr_addend a, b;
    int32_t sign; /* of b: 1 or -1 */
    struct vpr_factor factor; /* from the common grid to the output */
};

/* Whether an input's factor to the common grid is one half, as the coarser one's is: exact. */
VPR_INLINE int vpr_addend_is_half(const struct vpr_addend p)
{
    return p.factor.multiplier == 1 << 30 && p.factor.shift == 0;
}

#if defined(VPR_MVE)
VPR_INLINE int32x4_t vpr_addend(const int8_t *from, int32_t step, mve_pred16_t lanes,
                                const struct vpr_addend p)
{
    const int32x4_t x = step ? vldrbq_z_s32(from, lanes) : vdupq_n_s32(*from);
    if (vpr_addend_is_half(p)) {
        return vaddq_n_s32(vshlq_n_s32(x, 19), -p.zero_point * (1 << 19));
    }
    return vpr_scale_mve(vaddq_n_s32(vshlq_n_s32(x, 20), -p.zero_point * (1 << 20)), p.factor, 1);
}

VPR_INLINE void vpr_add_row_s8(const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                               int32_t count, const struct vpr_add p,
                               const struct vpr_range range, int8_t *output)
{
    for (int32_t left = count; left > 0; left -= 4) {
        const mve_pred16_t lanes = vctp32q((uint32_t)left);
        const int32x4_t x = vpr_addend(a, a_step, lanes, p.a);
        const int32x4_t y = vpr_addend(b, b_step, lanes, p.b);
        const int32x4_t sum = p.sign > 0 ? vaddq_s32(x, y) : vsubq_s32(x, y);
        vpr_store_scaled_mve_s8(sum, p.factor, lanes, range, output);
        a += 4 * a_step;
        b += 4 * b_step;
        output += 4;
    }
}
#else
/* `sum` plus an input on the common grid. */
VPR_INLINE int32_t vpr_addend(int32_t x, const struct vpr_addend p, int32_t sum)
{
    if (vpr_addend_is_half(p)) {
        return sum + (x * (1 << 19) - p.zero_point * (1 << 19));
    }
#if defined(VPR_DSP)
    if (p.factor.shift >= -31 && p.factor.shift <= -2) {
        const int32_t y =
            vpr_smmulr(x * (1 << 21) - p.zero_point * (1 << 21), p.factor.multiplier);
        return vpr_smmlar(y + (y >> 31), (int32_t)(1u << (32 + p.factor.shift)), sum);
    }
#endif
    return sum + vpr_scale((x - p.zero_point) * (1 << 20), p.factor);
}

VPR_INLINE int8_t vpr_added(int32_t a, int32_t b, const struct vpr_add p,
                            const struct vpr_range range)
{
    int32_t sum;
    if (p.sign < 0) {
        sum = vpr_addend(a, p.a, 0) - vpr_addend(b, p.b, 0);
    } else if (vpr_addend_is_half(p.a)) {
        /* The one that needs no rounding first, as the other is added while it is rounded. */
        sum = vpr_addend(b, p.b, vpr_addend(a, p.a, 0));
    } else {
        sum = vpr_addend(a, p.a, vpr_addend(b, p.b, 0));
    }
#if defined(VPR_DSP)
    if (p.factor.shift >= -31 && p.factor.shift <= -2) {
        int32_t y = vpr_smmulr(sum * 2, p.factor.multiplier);
        /* What is negative becomes the zero point, however it is rounded. */
        y += range.zero_point == range.low ? 0 : y >> 31;
        y = vpr_smmlar(y, (int32_t)(1u << (32 + p.factor.shift)), range.zero_point);
        return vpr_saturate_dsp_s8(y, range);
    }
#endif
    return vpr_scale_s8(sum, p.factor, range);
}

VPR_INLINE void vpr_add_row_s8(const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                               int32_t count, const struct vpr_add p,
                               const struct vpr_range range, int8_t *output)
{
    int32_t k = 0;
#if defined(VPR_DSP)
    for (; k + 4 <= count; k += 4) {
        for (int32_t i = 0; i < 4; ++i) {
            output[i] = vpr_added(a[i * a_step], b[i * b_step], p, range);
        }
        a += 4 * a_step;
        b += 4 * b_step;
        output += 4;
    }
#endif
    for (; k < count; ++k) {
        *output++ = vpr_added(*a, *b, p, range);
        a += a_step;
        b += b_step;
    }
}
#endif

VPR_INLINE void vpr_add_s8(const struct vpr_broadcast s, const int8_t *a, const int8_t *b,
                           const struct vpr_add p, const struct vpr_range range, int8_t *output)
{
    const int32_t count = s.count[VPR_AXES - 1];
    struct vpr_position at = {0, 0, {0}};
    do {
        vpr_add_row_s8(a + at.a, s.a_step[VPR_AXES - 1], b + at.b, s.b_step[VPR_AXES - 1], count,
                       p, range, output);
        output += count;
    } while (vpr_broadcast_next(s, &at));
}

#endif /* VPR_ADD_S8_H */
