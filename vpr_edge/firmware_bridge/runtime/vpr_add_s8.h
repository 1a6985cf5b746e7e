/* ADD and SUB, int8: both inputs are brought to a grid 2^20 times finer than the coarser one's. */
#ifndef VPR_ADD_S8_H
#define VPR_ADD_S8_H

#include "vpr_broadcast.h"

/* An input's zero point and its factor to the common grid; the shift is never to the left. */
struct vpr_addend {
    int32_t zero_point, multiplier, shift;
};

struct vpr_add {
    struct vpr_addend a, b;
    int32_t sign;              /* of b: 1 or -1 */
    int32_t multiplier, shift; /* from the common grid to the output */
};

VPR_INLINE int32_t vpr_addend(int32_t x, const struct vpr_addend p)
{
    return vpr_requantize((x - p.zero_point) * (1 << 20), p.multiplier, p.shift);
}

VPR_INLINE void vpr_add_s8(const struct vpr_broadcast s, const int8_t *a, const int8_t *b,
                           const struct vpr_add p, const struct vpr_range range, int8_t *output)
{
    const int32_t a_step = s.a_step[VPR_AXES - 1], b_step = s.b_step[VPR_AXES - 1];
    struct vpr_position at = {0, 0, {0}};
    do {
        const int8_t *from_a = a + at.a, *from_b = b + at.b;
        for (int32_t k = 0; k < s.count[VPR_AXES - 1]; ++k) {
            const int32_t sum = vpr_addend(from_a[k * a_step], p.a) +
                                p.sign * vpr_addend(from_b[k * b_step], p.b);
            *output++ = vpr_to_s8(sum, p.multiplier, p.shift, range);
        }
    } while (vpr_broadcast_next(s, &at));
}

#endif /* VPR_ADD_S8_H */
