/* ARG_MAX (`sign` 1) and ARG_MIN (-1): the first of equal ones. */
#ifndef VPR_ARGUMENT_H
#define VPR_ARGUMENT_H

#include "vpr_common.h"

/* The axis has `count` elements, `inner` apart. */
#define VPR_ARGUMENT(kind, type)                                                                   \
    VPR_INLINE void vpr_argument_##kind(int32_t outer, int32_t count, int32_t inner, int32_t sign, \
                                        const type *input, int32_t *output)                        \
    {                                                                                              \
        for (int32_t k = 0; k < outer * inner; ++k) {                                              \
            const type *from = input + k / inner * count * inner + k % inner;                      \
            int32_t found = 0;                                                                     \
            for (int32_t i = 1; i < count; ++i) {                                                  \
                const type x = from[i * inner], best = from[found * inner];                        \
                if (sign > 0 ? x > best : x < best) {                                              \
                    found = i;                                                                     \
                }                                                                                  \
            }                                                                                      \
            output[k] = found;                                                                     \
        }                                                                                          \
    }

VPR_ARGUMENT(s8, int8_t)
VPR_ARGUMENT(f32, float)

#endif /* VPR_ARGUMENT_H */
