/* L2_NORMALIZATION, float32. */
#ifndef VPR_L2_NORMALIZATION_F32_H
#define VPR_L2_NORMALIZATION_F32_H

#include <math.h>

#include "vpr_float.h"
#include "vpr_rows.h"

VPR_INLINE void vpr_l2_normalization_f32(const struct vpr_rows s, const float *input,
                                         float *output)
{
    for (int32_t i = 0; i < s.rows; ++i) {
        float sum = 0.0f;
        for (int32_t k = 0; k < s.depth; ++k) {
            sum += input[k] * input[k];
        }
        float norm = sqrtf(sum);
        norm = norm < 1e-6f ? 1e-6f : norm;
        for (int32_t k = 0; k < s.depth; ++k) {
            output[k] = input[k] / norm;
        }
        input += s.depth;
        output += s.depth;
    }
}

#endif /* VPR_L2_NORMALIZATION_F32_H */
