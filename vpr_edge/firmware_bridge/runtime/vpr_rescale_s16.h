/* QUANTIZE between int8 and int16, and from int16 to int16. */
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

#endif /* VPR_RESCALE_S16_H */
