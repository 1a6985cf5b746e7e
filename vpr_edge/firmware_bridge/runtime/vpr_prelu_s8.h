/* PRELU, int8: below zero the input is multiplied by its own slope. */
#ifndef VPR_PRELU_S8_H
#define VPR_PRELU_S8_H

#include "vpr_broadcast.h"
#include "vpr_scale.h"

struct vpr_prelu {
    int32_t zero_point, slope_zero_point;
    struct vpr_factor factor;       /* from an input of 0 or more to the output */
    struct vpr_factor slope_factor; /* from input times slope to the output */
};

VPR_INLINE void vpr_prelu_s8(const struct vpr_broadcast s, const int8_t *a, const int8_t *b,
                             const struct vpr_prelu p, const struct vpr_range range,
                             int8_t *output)
{
    const int32_t a_step = s.a_step[VPR_AXES - 1], b_step = s.b_step[VPR_AXES - 1];
    struct vpr_position at = {0, 0, {0}};
    do {
        const int8_t *from_a = a + at.a, *from_b = b + at.b;
        for (int32_t k = 0; k < s.count[VPR_AXES - 1]; ++k) {
            const int32_t x = from_a[k * a_step] - p.zero_point;
            const int32_t slope = from_b[k * b_step] - p.slope_zero_point;
            *output++ = x >= 0 ? vpr_scale_s8(x, p.factor, range)
                               : vpr_scale_s8(x * slope, p.slope_factor, range);
        }
    } while (vpr_broadcast_next(s, &at));
}

#endif /* VPR_PRELU_S8_H */
