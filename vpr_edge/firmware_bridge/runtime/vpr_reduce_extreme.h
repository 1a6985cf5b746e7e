/* REDUCE_MAX (`sign` 1), REDUCE_MIN and REDUCE_ALL (`sign` -1). */
#ifndef VPR_REDUCE_EXTREME_H
#define VPR_REDUCE_EXTREME_H

#include <float.h>

#include "vpr_reduce.h"

#define VPR_REDUCE_EXTREME(kind, type)                                                             \
    VPR_INLINE void vpr_reduce_extreme_##kind(const struct vpr_reduce s, const type *input,        \
                                              int32_t sign, type start, type *output)              \
    {                                                                                              \
        const int32_t outputs = vpr_reduce_outputs(s);                                             \
        for (int32_t k = 0; k < outputs; ++k) {                                                    \
            const type *from = input + vpr_reduce_start(s, k);                                     \
            type found = start;                                                                    \
            for (int32_t a = 0; a < s.count[0]; ++a) {                                             \
                for (int32_t b = 0; b < s.count[1]; ++b) {                                         \
                    for (int32_t c = 0; c < s.count[2]; ++c) {                                     \
                        const type x = from[a * s.step[0] + b * s.step[1] + c * s.step[2]];        \
                        if (sign > 0 ? x > found : x < found) {                                    \
                            found = x;                                                             \
                        }                                                                          \
                    }                                                                              \
                }                                                                                  \
            }                                                                                      \
            output[k] = found;                                                                     \
        }                                                                                          \
    }

VPR_REDUCE_EXTREME(s8, int8_t)
VPR_REDUCE_EXTREME(u8, uint8_t)
VPR_REDUCE_EXTREME(f32, float)

#endif /* VPR_REDUCE_EXTREME_H */
