/* int16 times one factor below 0 and another above: RELU, RELU6, LEAKY_RELU; magnitudes: ABS. */
#ifndef VPR_SLOPES_S16_H
#define VPR_SLOPES_S16_H

#include "vpr_scale.h"

struct vpr_slopes_s16 {
    struct vpr_factor below, above;
    int32_t sign; /* of `below` */
    int32_t low, high;
};

VPR_INLINE void vpr_slopes_s16(const struct vpr_slopes_s16 p, const int16_t *input, int32_t count,
                               int16_t *output)
{
    for (int32_t k = 0; k < count; ++k) {
        const int32_t x = input[k];
        const int32_t y = x < 0 ? p.sign * vpr_requantize(x, p.below.multiplier, p.below.shift)
                                : vpr_requantize(x, p.above.multiplier, p.above.shift);
        output[k] = (int16_t)vpr_clamp(y, p.low, p.high);
    }
}

VPR_INLINE void vpr_magnitudes_s16(const struct vpr_slopes_s16 p, const int16_t *input,
                                   int32_t count, int16_t *output)
{
    for (int32_t k = 0; k < count; ++k) {
        const int32_t x = input[k] < 0 ? -input[k] : input[k];
        output[k] = (int16_t)vpr_clamp(vpr_requantize(x, p.above.multiplier, p.above.shift), p.low,
                                       p.high);
    }
}

#endif /* VPR_SLOPES_S16_H */
