/* AVERAGE_POOL_2D and MAX_POOL_2D of int16 and float32, and L2_POOL_2D. */
#ifndef VPR_PLAIN_POOL_H
#define VPR_PLAIN_POOL_H

#include <float.h>
#include <math.h>

#include "vpr_float.h"
#include "vpr_pool.h"

/* For every output: `total` of type `sum` starts as `start`; `step` adds the element x; `result`
 * makes the output of it and of the number of elements, `count`. */
#define VPR_PLAIN_POOL(name, type, sum, start, step, result)                                       \
    VPR_INLINE void vpr_##name(const struct vpr_pool s, const type *input, sum low, sum high,      \
                               type *output)                                                       \
    {                                                                                              \
        for (int32_t y = 0; y < s.out_rows; ++y) {                                                 \
            for (int32_t x = 0; x < s.out_columns; ++x) {                                          \
                const struct vpr_patch patch = vpr_pool_patch(s, y, x);                            \
                const int32_t count = patch.rows * patch.columns;                                  \
                for (int32_t channel = 0; channel < s.channels; ++channel) {                       \
                    sum total = start;                                                             \
                    for (int32_t j = 0; j < count; ++j) {                                          \
                        const int32_t row = patch.top + j / patch.columns;                         \
                        const int32_t column = patch.left + j % patch.columns;                     \
                        const type a = input[(row * s.in_columns + column) * s.channels + channel]; \
                        step;                                                                      \
                    }                                                                              \
                    const sum found = result;                                                      \
                    const sum least = found < low ? low : found;                                   \
                    *output++ = (type)(least > high ? high : least);                               \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

VPR_PLAIN_POOL(average_pool_s16, int16_t, int32_t, 0, total += a,
               (total > 0 ? total + count / 2 : total - count / 2) / count)
VPR_PLAIN_POOL(max_pool_s16, int16_t, int32_t, INT16_MIN, total = a > total ? a : total,
               total)
VPR_PLAIN_POOL(average_pool_f32, float, float, 0.0f, total += a, total / (float)count)
VPR_PLAIN_POOL(max_pool_f32, float, float, -FLT_MAX, total = a > total ? a : total, total)
VPR_PLAIN_POOL(l2_pool_f32, float, float, 0.0f, total += a * a, sqrtf(total / (float)count))

#endif /* VPR_PLAIN_POOL_H */
