/* How reductions walk over their input: loops over the outputs, and over the terms of each. */
#ifndef VPR_REDUCE_H
#define VPR_REDUCE_H

#include "vpr_common.h"

#define VPR_REDUCE_LOOPS 3

/* Iterations of each loop and how far it moves, elements; the innermost last. */
struct vpr_reduce {
    int32_t kept_count[VPR_REDUCE_LOOPS], kept_step[VPR_REDUCE_LOOPS];
    int32_t count[VPR_REDUCE_LOOPS], step[VPR_REDUCE_LOOPS];
};

/* Where the terms of an output begin; outputs are in order, and so are their terms. */
VPR_INLINE int32_t vpr_reduce_start(const struct vpr_reduce s, int32_t output)
{
    const int32_t last = output % s.kept_count[2], rest = output / s.kept_count[2];
    return rest / s.kept_count[1] * s.kept_step[0] + rest % s.kept_count[1] * s.kept_step[1] +
           last * s.kept_step[2];
}

VPR_INLINE int32_t vpr_reduce_outputs(const struct vpr_reduce s)
{
    return s.kept_count[0] * s.kept_count[1] * s.kept_count[2];
}

#endif /* VPR_REDUCE_H */
