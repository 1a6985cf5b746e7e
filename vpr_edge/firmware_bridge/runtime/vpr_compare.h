/* Comparisons, and AND and OR of truth values. */
#ifndef VPR_COMPARE_H
#define VPR_COMPARE_H

#include "vpr_broadcast.h"
#include "vpr_scale.h"

enum {
    VPR_EQUAL,
    VPR_NOT_EQUAL,
    VPR_GREATER,
    VPR_GREATER_EQUAL,
    VPR_LESS,
    VPR_LESS_EQUAL,
    VPR_LOGICAL_AND,
    VPR_LOGICAL_OR
};

/* Neither equal numbers nor NaN are greater or less. */
VPR_INLINE uint8_t vpr_compared(int32_t operation, int greater, int less, int unordered)
{
    const int equal = !greater && !less && !unordered;
    switch (operation) {
    case VPR_EQUAL:
        return (uint8_t)equal;
    case VPR_NOT_EQUAL:
        return (uint8_t)!equal;
    case VPR_GREATER:
        return (uint8_t)greater;
    case VPR_GREATER_EQUAL:
        return (uint8_t)(greater || equal);
    case VPR_LESS:
        return (uint8_t)less;
    default: /* LESS_EQUAL */
        return (uint8_t)(less || equal);
    }
}

#define VPR_COMPARE(kind, type, comparison)                                                        \
    VPR_INLINE void vpr_compare_##kind(const struct vpr_broadcast s, const type *a, const type *b, \
                                       int32_t operation, uint8_t *output)                         \
    {                                                                                              \
        const int32_t a_step = s.a_step[VPR_AXES - 1], b_step = s.b_step[VPR_AXES - 1];            \
        struct vpr_position at = {0, 0, {0}};                                                      \
        do {                                                                                       \
            for (int32_t k = 0; k < s.count[VPR_AXES - 1]; ++k) {                                  \
                const type x = a[at.a + k * a_step], y = b[at.b + k * b_step];                     \
                *output++ = comparison;                                                            \
            }                                                                                      \
        } while (vpr_broadcast_next(s, &at));                                                      \
    }

VPR_COMPARE(s32, int32_t, vpr_compared(operation, x > y, x < y, 0))
VPR_COMPARE(s64, int64_t, vpr_compared(operation, x > y, x < y, 0))
VPR_COMPARE(u8, uint8_t, vpr_compared(operation, x > y, x < y, 0))
VPR_COMPARE(f32, float, vpr_compared(operation, x > y, x < y, !(x <= y) && !(x >= y)))
VPR_COMPARE(logic, uint8_t, (uint8_t)(operation == VPR_LOGICAL_AND ? x && y : x || y))

/* Of int8 the zero points, and the factors to what is compared. */
struct vpr_compare {
    int32_t a_zero_point, b_zero_point;
    struct vpr_factor a, b;
};

VPR_INLINE void vpr_compare_s8(const struct vpr_broadcast s, const int8_t *a, const int8_t *b,
                               const struct vpr_compare p, int32_t operation, uint8_t *output)
{
    const int32_t a_step = s.a_step[VPR_AXES - 1], b_step = s.b_step[VPR_AXES - 1];
    struct vpr_position at = {0, 0, {0}};
    do {
        for (int32_t k = 0; k < s.count[VPR_AXES - 1]; ++k) {
            const int32_t x = vpr_scale((a[at.a + k * a_step] - p.a_zero_point) * 256, p.a);
            const int32_t y = vpr_scale((b[at.b + k * b_step] - p.b_zero_point) * 256, p.b);
            *output++ = vpr_compared(operation, x > y, x < y, 0);
        }
    } while (vpr_broadcast_next(s, &at));
}

#endif /* VPR_COMPARE_H */
