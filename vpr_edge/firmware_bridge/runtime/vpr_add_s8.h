/* ADD and SUB, int8: both inputs are brought to a grid 2^20 times finer than the coarser one's. */
#ifndef VPR_ADD_S8_H
#define VPR_ADD_S8_H

#include "vpr_broadcast.h"
#if defined(VPR_MVE)
#include "vpr_mve.h"
#endif
#if defined(VPR_DSP)
#include "vpr_dsp.h"
#endif

/* An input's zero point and its factor to the common grid; the shift is never to the left. */
struct vpr_addend {
    int32_t zero_point, multiplier, shift;
};

struct vpr_add {
    struct vpr_addend a, b;
    int32_t sign;              /* of b: 1 or -1 */
    int32_t multiplier, shift; /* from the common grid to the output */
};

/* On the common grid. The coarser input's factor is exactly a half. */
VPR_INLINE int32_t vpr_addend(int32_t x, const struct vpr_addend p)
{
    const int32_t y = (x - p.zero_point) * (1 << 20);
    if (p.multiplier == 1 << 30 && p.shift == 0) {
        return y / 2;
    }
#if defined(VPR_DSP)
    return vpr_requantize_dsp(y, p.multiplier, p.shift);
#else
    return vpr_requantize(y, p.multiplier, p.shift);
#endif
}

VPR_INLINE int8_t vpr_add_element_s8(int32_t a, int32_t b, const struct vpr_add p,
                                     const struct vpr_range range)
{
    const int32_t sum = vpr_addend(a, p.a) + p.sign * vpr_addend(b, p.b);
#if defined(VPR_DSP)
    if (p.shift <= 0) {
        const int32_t y = vpr_requantize_dsp(sum, p.multiplier, p.shift);
        return vpr_saturate_dsp_s8(y + range.zero_point, range);
    }
#endif
    return vpr_to_s8(sum, p.multiplier, p.shift, range);
}

#if defined(VPR_MVE)
VPR_INLINE int32x4_t vpr_addends_mve(const int8_t *from, const struct vpr_addend p,
                                     mve_pred16_t lanes)
{
    int32x4_t x = vsubq_n_s32(vldrbq_z_s32(from, lanes), p.zero_point);
    if (p.multiplier == 1 << 30 && p.shift == 0) {
        return vshlq_n_s32(x, 19);
    }
    x = vqrdmulhq_n_s32(vshlq_n_s32(x, 20), p.multiplier);
    if (p.shift == 0) {
        return x;
    }
    return vrshlq_n_s32(vaddq_s32(x, vshrq_n_s32(x, 31)), p.shift);
}

/* A row whose elements lie one after the other in both inputs. */
VPR_INLINE void vpr_add_row_mve_s8(const int8_t *a, const int8_t *b, int32_t count,
                                   const struct vpr_add p, const struct vpr_range range,
                                   int8_t *output)
{
    for (int32_t k = 0; k < count; k += 4) {
        const mve_pred16_t lanes = vctp32q((uint32_t)(count - k));
        const int32x4_t x = vpr_addends_mve(a + k, p.a, lanes);
        const int32x4_t y = vpr_addends_mve(b + k, p.b, lanes);
        const int32x4_t sum = p.sign > 0 ? vaddq_s32(x, y) : vsubq_s32(x, y);
        const int32x4_t z =
            vpr_requantize_mve(sum, vdupq_n_s32(p.multiplier), vdupq_n_s32(p.shift));
        vstrbq_p_s32(output + k, vpr_saturate_mve(z, range), lanes);
    }
}
#endif

VPR_INLINE void vpr_add_s8(const struct vpr_broadcast s, const int8_t *a, const int8_t *b,
                           const struct vpr_add p, const struct vpr_range range, int8_t *output)
{
    const int32_t count = s.count[VPR_AXES - 1];
    const int32_t a_step = s.a_step[VPR_AXES - 1], b_step = s.b_step[VPR_AXES - 1];
    struct vpr_position at = {0, 0, {0}};
    do {
        const int8_t *from_a = a + at.a, *from_b = b + at.b;
#if defined(VPR_MVE)
        if (a_step == 1 && b_step == 1) {
            vpr_add_row_mve_s8(from_a, from_b, count, p, range, output);
            output += count;
            continue;
        }
#endif
        for (int32_t k = 0; k < count; ++k) {
            *output++ = vpr_add_element_s8(from_a[k * a_step], from_b[k * b_step], p, range);
        }
    } while (vpr_broadcast_next(s, &at));
}

#endif /* VPR_ADD_S8_H */
