/* QUANTIZE between int8, int16 and int32, and from int16 to int16. */
#ifndef VPR_RESCALE_S16_H
#define VPR_RESCALE_S16_H

#include "vpr_scale.h"

struct vpr_rescale {
    int32_t zero_point;
    struct vpr_factor factor;
};

VPR_INLINE int32_t vpr_rescaled(int32_t x, const struct vpr_rescale p, const struct vpr_range range)
{
    return vpr_clamp(vpr_scale(x - p.zero_point, p.factor) + range.zero_point, range.low,
                     range.high);
}

VPR_INLINE void vpr_rescale_s8_s16(const int8_t *input, int32_t count, const struct vpr_rescale p,
                                   const struct vpr_range range, int16_t *output)
{
    for (int32_t k = 0; k < count; ++k) {
        output[k] = (int16_t)vpr_rescaled(input[k], p, range);
    }
}

VPR_INLINE void vpr_rescale_s16_s8(const int16_t *input, int32_t count,
                                   const struct vpr_rescale p, const struct vpr_range range,
                                   int8_t *output)
{
    for (int32_t k = 0; k < count; ++k) {
        output[k] = (int8_t)vpr_rescaled(input[k], p, range);
    }
}

VPR_INLINE void vpr_rescale_s16_s16(const int16_t *input, int32_t count,
                                    const struct vpr_rescale p, const struct vpr_range range,
                                    int16_t *output)
{
    for (int32_t k = 0; k < count; ++k) {
        output[k] = (int16_t)vpr_rescaled(input[k], p, range);
    }
}

#define VPR_RESCALE_S32(before, after, source, result)                                             \
    VPR_INLINE void vpr_rescale_##before##_##after(const source *input, int32_t count,             \
                                                   const struct vpr_rescale p,                     \
                                                   const struct vpr_range range, result *output)   \
    {                                                                                              \
        for (int32_t k = 0; k < count; ++k) {                                                      \
            const int32_t y =                                                                      \
                vpr_requantize(input[k] - p.zero_point, p.factor.multiplier, p.factor.shift);      \
            const int64_t z = (int64_t)y + range.zero_point;                                       \
            output[k] = (result)(z < range.low ? range.low : z > range.high ? range.high : z);     \
        }                                                                                          \
    }

/* The zero point of an int32 is 0. */
VPR_RESCALE_S32(s8, s32, int8_t, int32_t)
VPR_RESCALE_S32(s16, s32, int16_t, int32_t)
VPR_RESCALE_S32(s32, s8, int32_t, int8_t)
VPR_RESCALE_S32(s32, s16, int32_t, int16_t)

#endif /* VPR_RESCALE_S16_H */
