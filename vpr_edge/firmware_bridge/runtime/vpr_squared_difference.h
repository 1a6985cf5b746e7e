/* SQUARED_DIFFERENCE, int8 and int16: on a grid `bits` finer than the coarser input's half. */
#ifndef VPR_SQUARED_DIFFERENCE_H
#define VPR_SQUARED_DIFFERENCE_H

#include "vpr_broadcast.h"
#include "vpr_scale.h"

struct vpr_squared_difference {
    int32_t a_zero_point, b_zero_point, bits;
    struct vpr_factor a, b, factor; /* the last from the square to the output */
};

VPR_INLINE int32_t vpr_squared_difference(int32_t a, int32_t b,
                                          const struct vpr_squared_difference p,
                                          const struct vpr_range range)
{
    const int32_t x = (a - p.a_zero_point) * (1 << p.bits);
    const int32_t y = (b - p.b_zero_point) * (1 << p.bits);
    const int32_t difference = vpr_requantize(x, p.a.multiplier, p.a.shift) -
                               vpr_requantize(y, p.b.multiplier, p.b.shift);
    const int32_t scaled =
        vpr_requantize(difference * difference, p.factor.multiplier, p.factor.shift);
    return vpr_clamp(scaled + range.zero_point, range.low, range.high);
}

#define VPR_SQUARED_DIFFERENCE(kind, type)                                                         \
    VPR_INLINE void vpr_squared_difference_##kind(                                                 \
        const struct vpr_broadcast s, const type *a, const type *b,                                \
        const struct vpr_squared_difference p, const struct vpr_range range, type *output)         \
    {                                                                                              \
        const int32_t a_step = s.a_step[VPR_AXES - 1], b_step = s.b_step[VPR_AXES - 1];            \
        struct vpr_position at = {0, 0, {0}};                                                      \
        do {                                                                                       \
            for (int32_t k = 0; k < s.count[VPR_AXES - 1]; ++k) {                                  \
                *output++ = (type)vpr_squared_difference(a[at.a + k * a_step],                     \
                                                         b[at.b + k * b_step], p, range);          \
            }                                                                                      \
        } while (vpr_broadcast_next(s, &at));                                                      \
    }

VPR_SQUARED_DIFFERENCE(s8, int8_t)
VPR_SQUARED_DIFFERENCE(s16, int16_t)

#endif /* VPR_SQUARED_DIFFERENCE_H */
