/* MUL, int8. */
#ifndef VPR_MUL_S8_H
#define VPR_MUL_S8_H

#include "vpr_broadcast.h"

struct vpr_mul {
    int32_t a_zero_point, b_zero_point;
    int32_t multiplier, shift; /* from the product to the output */
};

VPR_INLINE void vpr_mul_s8(const struct vpr_broadcast s, const int8_t *a, const int8_t *b,
                           const struct vpr_mul p, const struct vpr_range range, int8_t *output)
{
    const int32_t a_step = s.a_step[VPR_AXES - 1], b_step = s.b_step[VPR_AXES - 1];
    struct vpr_position at = {0, 0, {0}};
    do {
        const int8_t *from_a = a + at.a, *from_b = b + at.b;
        for (int32_t k = 0; k < s.count[VPR_AXES - 1]; ++k) {
            const int32_t product =
                (from_a[k * a_step] - p.a_zero_point) * (from_b[k * b_step] - p.b_zero_point);
            *output++ = vpr_to_s8(product, p.multiplier, p.shift, range);
        }
    } while (vpr_broadcast_next(s, &at));
}

#endif /* VPR_MUL_S8_H */
