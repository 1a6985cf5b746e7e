/* QUANTIZE and DEQUANTIZE: between float32 and int8, uint8 or int16. */
#ifndef VPR_QUANTIZE_F32_H
#define VPR_QUANTIZE_F32_H

#include "vpr_float.h"

/* x / scale rounded half away from zero, plus the zero point, in [low, high]. Clamped before the
 * conversion, so that no input leaves int32; NaN gives `low`. */
VPR_INLINE int32_t vpr_quantized_f32(float x, float scale, const struct vpr_range range)
{
    const float steps = x / scale;
    if (!(steps > (float)(range.low - range.zero_point))) {
        return range.low;
    }
    if (steps > (float)(range.high - range.zero_point)) {
        return range.high;
    }
    const int32_t whole = (int32_t)steps;
    const float rest = steps - (float)whole;
    return whole + (rest >= 0.5f) - (rest <= -0.5f) + range.zero_point;
}

VPR_INLINE void vpr_quantize_f32_s8(const float *input, int32_t count, float scale,
                                    const struct vpr_range range, int8_t *output)
{
    for (int32_t k = 0; k < count; ++k) {
        output[k] = (int8_t)vpr_quantized_f32(input[k], scale, range);
    }
}

VPR_INLINE void vpr_quantize_f32_s16(const float *input, int32_t count, float scale,
                                     const struct vpr_range range, int16_t *output)
{
    for (int32_t k = 0; k < count; ++k) {
        output[k] = (int16_t)vpr_quantized_f32(input[k], scale, range);
    }
}

/* A difference of at most 17 bits by a float of 24 rounds once, as it would from double. */
VPR_INLINE void vpr_dequantize_s8_f32(const int8_t *input, int32_t count, float scale,
                                      int32_t zero_point, float *output)
{
    for (int32_t k = 0; k < count; ++k) {
        output[k] = scale * (float)(input[k] - zero_point);
    }
}

VPR_INLINE void vpr_dequantize_u8_f32(const uint8_t *input, int32_t count, float scale,
                                      int32_t zero_point, float *output)
{
    for (int32_t k = 0; k < count; ++k) {
        output[k] = scale * (float)(input[k] - zero_point);
    }
}

VPR_INLINE void vpr_dequantize_s16_f32(const int16_t *input, int32_t count, float scale,
                                       int32_t zero_point, float *output)
{
    for (int32_t k = 0; k < count; ++k) {
        output[k] = scale * (float)(input[k] - zero_point);
    }
}

#endif /* VPR_QUANTIZE_F32_H */
