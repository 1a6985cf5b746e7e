/* Element-wise functions of two float32 inputs. */
#ifndef VPR_BINARY_F32_H
#define VPR_BINARY_F32_H

#include <math.h>

#include "vpr_float.h"

enum {
    VPR_F32_ADD,
    VPR_F32_SUB,
    VPR_F32_MUL,
    VPR_F32_MAXIMUM,
    VPR_F32_MINIMUM,
    VPR_F32_PRELU,
    VPR_F32_DIV,
    VPR_F32_SQUARED_DIFFERENCE,
    VPR_F32_FLOOR_DIV,
    VPR_F32_FLOOR_MOD
};

/* The remainder with the sign of b. */
VPR_INLINE float vpr_floor_mod_f32(float a, float b)
{
    const float rest = fmodf(a, b);
    return (rest < 0.0f || rest > 0.0f) && (b < 0.0f) != (rest < 0.0f) ? rest + b : rest;
}

VPR_INLINE float vpr_pair_f32(int32_t operation, float a, float b,
                              const struct vpr_range_f32 range)
{
    switch (operation) {
    case VPR_F32_ADD:
        return vpr_clamp_f32(a + b, range);
    case VPR_F32_SUB:
        return vpr_clamp_f32(a - b, range);
    case VPR_F32_MUL:
        return vpr_clamp_f32(a * b, range);
    case VPR_F32_MAXIMUM:
        return a > b ? a : b;
    case VPR_F32_MINIMUM:
        return a < b ? a : b;
    case VPR_F32_DIV:
        return vpr_clamp_f32(a / b, range);
    case VPR_F32_SQUARED_DIFFERENCE:
        return (a - b) * (a - b);
    case VPR_F32_FLOOR_DIV:
        return floorf(a / b);
    case VPR_F32_FLOOR_MOD:
        return vpr_floor_mod_f32(a, b);
    default: /* PRELU */
        return a >= 0.0f ? a : a * b;
    }
}

VPR_INLINE void vpr_binary_f32(const struct vpr_broadcast s, const float *a, const float *b,
                               int32_t operation, const struct vpr_range_f32 range, float *output)
{
    const int32_t a_step = s.a_step[VPR_AXES - 1], b_step = s.b_step[VPR_AXES - 1];
    struct vpr_position at = {0, 0, {0}};
    do {
        const float *from_a = a + at.a, *from_b = b + at.b;
        for (int32_t k = 0; k < s.count[VPR_AXES - 1]; ++k) {
            *output++ = vpr_pair_f32(operation, from_a[k * a_step], from_b[k * b_step], range);
        }
    } while (vpr_broadcast_next(s, &at));
}

#endif /* VPR_BINARY_F32_H */
