/* SELECT_V2: elements of any type. */
#ifndef VPR_SELECT_H
#define VPR_SELECT_H

#include "vpr_common.h"

#define VPR_SELECT_AXES 5

/* Nested loops over the output, the innermost last; steps in elements of `bytes`, 0 repeats. */
struct vpr_select {
    int32_t count[VPR_SELECT_AXES], condition_step[VPR_SELECT_AXES];
    int32_t a_step[VPR_SELECT_AXES], b_step[VPR_SELECT_AXES];
    int32_t bytes;
};

VPR_INLINE void vpr_select(const struct vpr_select s, const uint8_t *condition, const uint8_t *a,
                           const uint8_t *b, uint8_t *output)
{
    int32_t index[VPR_SELECT_AXES] = {0}, c_at = 0, a_at = 0, b_at = 0, axis;
    do {
        memcpy(output, condition[c_at] ? a + a_at * s.bytes : b + b_at * s.bytes, (size_t)s.bytes);
        output += s.bytes;
        for (axis = VPR_SELECT_AXES - 1; axis >= 0; --axis) {
            c_at += s.condition_step[axis];
            a_at += s.a_step[axis];
            b_at += s.b_step[axis];
            if (++index[axis] < s.count[axis]) {
                break;
            }
            c_at -= s.condition_step[axis] * s.count[axis];
            a_at -= s.a_step[axis] * s.count[axis];
            b_at -= s.b_step[axis] * s.count[axis];
            index[axis] = 0;
        }
    } while (axis >= 0);
}

#endif /* VPR_SELECT_H */
