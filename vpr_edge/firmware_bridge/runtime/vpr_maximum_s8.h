/* MAXIMUM and MINIMUM, int8, where both inputs and the output share scale and zero point. */
#ifndef VPR_MAXIMUM_S8_H
#define VPR_MAXIMUM_S8_H

#include "vpr_broadcast.h"

/* `sign` is 1 for the greater of two, -1 for the smaller. */
VPR_INLINE void vpr_maximum_s8(const struct vpr_broadcast s, const int8_t *a, const int8_t *b,
                               int32_t sign, int8_t *output)
{
    const int32_t a_step = s.a_step[VPR_AXES - 1], b_step = s.b_step[VPR_AXES - 1];
    struct vpr_position at = {0, 0, {0}};
    do {
        const int8_t *from_a = a + at.a, *from_b = b + at.b;
        for (int32_t k = 0; k < s.count[VPR_AXES - 1]; ++k) {
            const int8_t x = from_a[k * a_step], y = from_b[k * b_step];
            *output++ = sign * x > sign * y ? x : y;
        }
    } while (vpr_broadcast_next(s, &at));
}

#endif /* VPR_MAXIMUM_S8_H */
