/* MEAN and SUM, float32: terms are added one after the other, so that the result is one. */
#ifndef VPR_REDUCE_F32_H
#define VPR_REDUCE_F32_H

#include "vpr_reduce.h"

VPR_INLINE void vpr_reduce_f32(const struct vpr_reduce s, const float *input, float divisor,
                               float *output)
{
    const int32_t outputs = vpr_reduce_outputs(s);
    for (int32_t k = 0; k < outputs; ++k) {
        const float *from = input + vpr_reduce_start(s, k);
        float sum = 0.0f;
        for (int32_t a = 0; a < s.count[0]; ++a) {
            for (int32_t b = 0; b < s.count[1]; ++b) {
                for (int32_t c = 0; c < s.count[2]; ++c) {
                    sum += from[a * s.step[0] + b * s.step[1] + c * s.step[2]];
                }
            }
        }
        output[k] = sum / divisor;
    }
}

#endif /* VPR_REDUCE_F32_H */
