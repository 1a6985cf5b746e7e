/* ADD, SUB and MUL, int16; zero points are 0. */
#ifndef VPR_ADD_S16_H
#define VPR_ADD_S16_H

#include "vpr_broadcast.h"
#include "vpr_scale.h"

/* Both inputs are brought to a grid 2^15 times finer; `sign` is that of b. */
struct vpr_add_s16 {
    struct vpr_factor a, b;
    int32_t sign;
    struct vpr_factor factor;
};

VPR_INLINE int32_t vpr_scaled_s16(int32_t x, const struct vpr_factor f)
{
    return vpr_requantize(x, f.multiplier, f.shift);
}

VPR_INLINE void vpr_add_s16(const struct vpr_broadcast s, const int16_t *a, const int16_t *b,
                            const struct vpr_add_s16 p, const struct vpr_range range,
                            int16_t *output)
{
    const int32_t a_step = s.a_step[VPR_AXES - 1], b_step = s.b_step[VPR_AXES - 1];
    struct vpr_position at = {0, 0, {0}};
    do {
        for (int32_t k = 0; k < s.count[VPR_AXES - 1]; ++k) {
            const int32_t x = vpr_scaled_s16(a[at.a + k * a_step] * (1 << 15), p.a);
            const int32_t y = vpr_scaled_s16(b[at.b + k * b_step] * (1 << 15), p.b);
            const int32_t sum = vpr_scaled_s16(x + p.sign * y, p.factor);
            *output++ = (int16_t)vpr_clamp(sum, range.low, range.high);
        }
    } while (vpr_broadcast_next(s, &at));
}

VPR_INLINE void vpr_mul_s16(const struct vpr_broadcast s, const int16_t *a, const int16_t *b,
                            const struct vpr_factor factor, const struct vpr_range range,
                            int16_t *output)
{
    const int32_t a_step = s.a_step[VPR_AXES - 1], b_step = s.b_step[VPR_AXES - 1];
    struct vpr_position at = {0, 0, {0}};
    do {
        for (int32_t k = 0; k < s.count[VPR_AXES - 1]; ++k) {
            const int32_t product = a[at.a + k * a_step] * b[at.b + k * b_step];
            const int32_t scaled = vpr_scaled_s16(product, factor);
            *output++ = (int16_t)vpr_clamp(scaled, range.low, range.high);
        }
    } while (vpr_broadcast_next(s, &at));
}

#endif /* VPR_ADD_S16_H */
