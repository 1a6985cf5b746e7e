/* SOFTMAX and LOG_SOFTMAX, float32. */
#ifndef VPR_SOFTMAX_F32_H
#define VPR_SOFTMAX_F32_H

#include <float.h>
#include <math.h>

#include "vpr_float.h"
#include "vpr_rows.h"

/* The greatest element of a row; NaN counts for nothing. */
VPR_INLINE float vpr_row_maximum_f32(const float *row, int32_t depth)
{
    float most = -FLT_MAX;
    for (int32_t k = 0; k < depth; ++k) {
        most = row[k] > most ? row[k] : most;
    }
    return most;
}

VPR_INLINE void vpr_softmax_f32(const struct vpr_rows s, const float *input, float beta,
                                float *output)
{
    for (int32_t i = 0; i < s.rows; ++i) {
        const float most = vpr_row_maximum_f32(input, s.depth);
        float sum = 0.0f;
        for (int32_t k = 0; k < s.depth; ++k) {
            output[k] = expf((input[k] - most) * beta);
            sum += output[k];
        }
        for (int32_t k = 0; k < s.depth; ++k) {
            output[k] /= sum;
        }
        input += s.depth;
        output += s.depth;
    }
}

VPR_INLINE void vpr_log_softmax_f32(const struct vpr_rows s, const float *input, float *output)
{
    for (int32_t i = 0; i < s.rows; ++i) {
        const float most = vpr_row_maximum_f32(input, s.depth);
        float sum = 0.0f;
        for (int32_t k = 0; k < s.depth; ++k) {
            sum += expf(input[k] - most);
        }
        const float log_sum = logf(sum);
        for (int32_t k = 0; k < s.depth; ++k) {
            output[k] = input[k] - most - log_sum;
        }
        input += s.depth;
        output += s.depth;
    }
}

#endif /* VPR_SOFTMAX_F32_H */
