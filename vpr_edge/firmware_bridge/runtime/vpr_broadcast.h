/* Walks over two inputs whose shapes broadcast to one output. */
#ifndef VPR_BROADCAST_H
#define VPR_BROADCAST_H

#include "vpr_common.h"

#define VPR_AXES 6

/* Nested loops over the output, the innermost last; a step of 0 repeats. */
struct vpr_broadcast {
    int32_t count[VPR_AXES], a_step[VPR_AXES], b_step[VPR_AXES];
};

/* Where the innermost loop begins: in the inputs, and in the loops around it. */
struct vpr_position {
    int32_t a, b, index[VPR_AXES];
};

/* Goes to the next innermost loop; 0 after the last. */
VPR_INLINE int vpr_broadcast_next(const struct vpr_broadcast s, struct vpr_position *at)
{
    for (int32_t k = VPR_AXES - 2; k >= 0; --k) {
        at->a += s.a_step[k];
        at->b += s.b_step[k];
        if (++at->index[k] < s.count[k]) {
            return 1;
        }
        at->a -= s.a_step[k] * s.count[k];
        at->b -= s.b_step[k] * s.count[k];
        at->index[k] = 0;
    }
    return 0;
}

#endif /* VPR_BROADCAST_H */
