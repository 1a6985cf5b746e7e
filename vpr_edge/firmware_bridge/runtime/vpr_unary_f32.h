/* Element-wise functions of one float32 input. Links expf, logf, sqrtf, tanhf only where used. */
#ifndef VPR_UNARY_F32_H
#define VPR_UNARY_F32_H

#include <math.h>

#include "vpr_float.h"

enum {
    VPR_F32_RELU,
    VPR_F32_RELU6,
    VPR_F32_LEAKY_RELU,
    VPR_F32_HARD_SWISH,
    VPR_F32_ABS,
    VPR_F32_NEG,
    VPR_F32_SQUARE,
    VPR_F32_SQRT,
    VPR_F32_RSQRT,
    VPR_F32_EXP,
    VPR_F32_LOG,
    VPR_F32_LOGISTIC,
    VPR_F32_ELU,
    VPR_F32_ROUND,
    VPR_F32_FLOOR,
    VPR_F32_CEIL,
    VPR_F32_SIN,
    VPR_F32_COS,
    VPR_F32_TANH
};

/* With TFLM's cut-offs, so that expf never overflows. */
VPR_INLINE float vpr_logistic_f32(float x)
{
    if (x > 16.619047164916992188f) {
        return 1.0f;
    }
    return x < -9.0f ? expf(x) : 1.0f / (1.0f + expf(-x));
}

VPR_INLINE float vpr_hard_swish_f32(float x)
{
    const float y = x + 3.0f;
    const float gate = y > 0.0f ? (y < 6.0f ? y : 6.0f) : 0.0f;
    return x * gate / 6.0f;
}

/* To the nearest integer, half to the even one. */
VPR_INLINE float vpr_round_f32(float x)
{
    const float low = floorf(x), beyond = x - low;
    const int even = !(fmodf(low, 2.0f) < 0.0f) && !(fmodf(low, 2.0f) > 0.0f);
    return beyond < 0.5f || (!(beyond > 0.5f) && even) ? low : low + 1.0f;
}

/* `parameter` is the slope of LEAKY_RELU below 0. */
VPR_INLINE float vpr_function_f32(int32_t operation, float x, float parameter)
{
    switch (operation) {
    case VPR_F32_RELU:
        return x < 0.0f ? 0.0f : x;
    case VPR_F32_RELU6:
        return x > 6.0f ? 6.0f : x < 0.0f ? 0.0f : x;
    case VPR_F32_LEAKY_RELU:
        return x > 0.0f ? x : x * parameter;
    case VPR_F32_HARD_SWISH:
        return vpr_hard_swish_f32(x);
    case VPR_F32_ABS:
        return fabsf(x);
    case VPR_F32_NEG:
        return -x;
    case VPR_F32_SQUARE:
        return x * x;
    case VPR_F32_SQRT:
        return sqrtf(x);
    case VPR_F32_RSQRT:
        return 1.0f / sqrtf(x);
    case VPR_F32_EXP:
        return expf(x);
    case VPR_F32_LOG:
        return logf(x);
    case VPR_F32_LOGISTIC:
        return vpr_logistic_f32(x);
    case VPR_F32_ELU:
        return x < 0.0f ? expm1f(x) : x;
    case VPR_F32_ROUND:
        return vpr_round_f32(x);
    case VPR_F32_FLOOR:
        return floorf(x);
    case VPR_F32_CEIL:
        return ceilf(x);
    case VPR_F32_SIN:
        return sinf(x);
    case VPR_F32_COS:
        return cosf(x);
    default: /* TANH */
        return tanhf(x);
    }
}

VPR_INLINE void vpr_unary_f32(int32_t operation, const float *input, int32_t count,
                              float parameter, float *output)
{
    for (int32_t k = 0; k < count; ++k) {
        output[k] = vpr_function_f32(operation, input[k], parameter);
    }
}

#endif /* VPR_UNARY_F32_H */
