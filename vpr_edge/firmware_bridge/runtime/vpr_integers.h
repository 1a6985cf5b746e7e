/* Element-wise operators of two integers that mean themselves: sums and products wrap around. */
#ifndef VPR_INTEGERS_H
#define VPR_INTEGERS_H

#include "vpr_broadcast.h"

enum {
    VPR_INTEGER_ADD,
    VPR_INTEGER_SUB,
    VPR_INTEGER_MUL,
    VPR_INTEGER_DIV,
    VPR_INTEGER_SQUARED_DIFFERENCE,
    VPR_INTEGER_MAXIMUM,
    VPR_INTEGER_MINIMUM
};

#define VPR_INTEGERS(kind, type, expression)                                                       \
    VPR_INLINE void vpr_integers_##kind(const struct vpr_broadcast s, const type *a,               \
                                        const type *b, int32_t operation,                          \
                                        const struct vpr_range range, type *output)                \
    {                                                                                              \
        const int32_t a_step = s.a_step[VPR_AXES - 1], b_step = s.b_step[VPR_AXES - 1];            \
        struct vpr_position at = {0, 0, {0}};                                                      \
        do {                                                                                       \
            for (int32_t k = 0; k < s.count[VPR_AXES - 1]; ++k) {                                  \
                const type x = a[at.a + k * a_step], y = b[at.b + k * b_step];                     \
                *output++ = expression;                                                            \
            }                                                                                      \
        } while (vpr_broadcast_next(s, &at));                                                      \
        (void)range;                                                                               \
    }

/* Division by 0, where TFLM stops, gives 0. */
VPR_INLINE int32_t vpr_integer(int32_t operation, int32_t x, int32_t y)
{
    const uint32_t a = (uint32_t)x, b = (uint32_t)y;
    switch (operation) {
    case VPR_INTEGER_ADD:
        return (int32_t)(a + b);
    case VPR_INTEGER_SUB:
        return (int32_t)(a - b);
    case VPR_INTEGER_MUL:
        return (int32_t)(a * b);
    case VPR_INTEGER_DIV:
        return y == 0 ? 0 : y == -1 ? (int32_t)(0u - a) : x / y;
    case VPR_INTEGER_SQUARED_DIFFERENCE:
        return (int32_t)((a - b) * (a - b));
    case VPR_INTEGER_MAXIMUM:
        return x > y ? x : y;
    default: /* MINIMUM */
        return x < y ? x : y;
    }
}

VPR_INTEGERS(s32, int32_t, vpr_clamp(vpr_integer(operation, x, y), range.low, range.high))
VPR_INTEGERS(s16, int16_t, (operation == VPR_INTEGER_MAXIMUM ? x > y : x < y) ? x : y)
VPR_INTEGERS(s64, int64_t, (operation == VPR_INTEGER_MAXIMUM ? x > y : x < y) ? x : y)

#endif /* VPR_INTEGERS_H */
