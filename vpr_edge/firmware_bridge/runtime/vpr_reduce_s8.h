/* MEAN and SUM, int8 and int16. */
#ifndef VPR_REDUCE_S8_H
#define VPR_REDUCE_S8_H

#include "vpr_reduce.h"

/* `zero_points` is what the zero points of one output's terms sum up to. */
VPR_INLINE void vpr_reduce_s8(const struct vpr_reduce s, const int8_t *input, int32_t zero_points,
                              int32_t multiplier, int32_t shift, const struct vpr_range range,
                              int8_t *output)
{
    const int32_t outputs = vpr_reduce_outputs(s);
    for (int32_t k = 0; k < outputs; ++k) {
        const int8_t *from = input + vpr_reduce_start(s, k);
        int32_t sum = -zero_points;
        for (int32_t a = 0; a < s.count[0]; ++a) {
            for (int32_t b = 0; b < s.count[1]; ++b) {
                for (int32_t c = 0; c < s.count[2]; ++c) {
                    sum += from[a * s.step[0] + b * s.step[1] + c * s.step[2]];
                }
            }
        }
        output[k] = vpr_to_s8(sum, multiplier, shift, range);
    }
}

VPR_INLINE void vpr_reduce_s16(const struct vpr_reduce s, const int16_t *input,
                               int32_t zero_points, int32_t multiplier, int32_t shift,
                               const struct vpr_range range, int16_t *output)
{
    const int32_t outputs = vpr_reduce_outputs(s);
    for (int32_t k = 0; k < outputs; ++k) {
        const int16_t *from = input + vpr_reduce_start(s, k);
        int32_t sum = -zero_points;
        for (int32_t a = 0; a < s.count[0]; ++a) {
            for (int32_t b = 0; b < s.count[1]; ++b) {
                for (int32_t c = 0; c < s.count[2]; ++c) {
                    sum += from[a * s.step[0] + b * s.step[1] + c * s.step[2]];
                }
            }
        }
        const int32_t y = vpr_requantize(sum, multiplier, shift) + range.zero_point;
        output[k] = (int16_t)vpr_clamp(y, range.low, range.high);
    }
}

#endif /* VPR_REDUCE_S8_H */
