/* SVDF: each filter's newest product enters its state, whose weighted sum over time is its output;
 * `rank` filters make up a unit. */
#ifndef VPR_SVDF_H
#define VPR_SVDF_H

#include "vpr_float.h"
#include "vpr_scale.h"

struct vpr_svdf {
    int32_t batches, inputs, units, rank, memory;
};

/* The input's zero point; from products with the features to the state, from sums to the output. */
struct vpr_svdf_scaling {
    int32_t zero_point;
    struct vpr_factor feature, time;
};

#define VPR_SVDF(kind, type, least, most)                                                          \
    VPR_INLINE void vpr_svdf_##kind(const struct vpr_svdf s, const struct vpr_svdf_scaling p,      \
                                    const struct vpr_range range, const int8_t *input,             \
                                    const int8_t *features, const type *times,                     \
                                    const int32_t *bias, type *state, int8_t *output)              \
    {                                                                                              \
        for (int32_t b = 0; b < s.batches; ++b) {                                                  \
            for (int32_t u = 0; u < s.units; ++u) {                                                \
                int32_t total = bias[u];                                                           \
                for (int32_t f = u * s.rank; f < (u + 1) * s.rank; ++f) {                          \
                    int32_t sum = 0;                                                               \
                    for (int32_t k = 0; k < s.inputs; ++k) {                                       \
                        sum += features[f * s.inputs + k] * (input[k] - p.zero_point);             \
                    }                                                                              \
                    sum = vpr_requantize(sum, p.feature.multiplier, p.feature.shift);              \
                    for (int32_t k = 0; k + 1 < s.memory; ++k) {                                   \
                        state[k] = state[k + 1];                                                   \
                        total += times[f * s.memory + k] * state[k];                               \
                    }                                                                              \
                    state[s.memory - 1] = (type)vpr_clamp(sum, least, most);                       \
                    total += times[(f + 1) * s.memory - 1] * state[s.memory - 1];                  \
                    state += s.memory;                                                             \
                }                                                                                  \
                *output++ = vpr_to_s8(total, p.time.multiplier, p.time.shift, range);              \
            }                                                                                      \
            input += s.inputs;                                                                     \
        }                                                                                          \
    }

VPR_SVDF(s8, int8_t, INT8_MIN, INT8_MAX)
VPR_SVDF(s16, int16_t, INT16_MIN, INT16_MAX)

VPR_INLINE void vpr_svdf_f32(const struct vpr_svdf s, const struct vpr_range_f32 range,
                             const float *input, const float *features, const float *times,
                             const float *bias, float *state, float *output)
{
    for (int32_t b = 0; b < s.batches; ++b) {
        for (int32_t u = 0; u < s.units; ++u) {
            float total = bias[u];
            for (int32_t f = u * s.rank; f < (u + 1) * s.rank; ++f) {
                float newest = 0.0f, sum = 0.0f;
                for (int32_t k = 0; k < s.inputs; ++k) {
                    newest += features[f * s.inputs + k] * input[k];
                }
                for (int32_t k = 0; k + 1 < s.memory; ++k) {
                    state[k] = state[k + 1];
                    sum += times[f * s.memory + k] * state[k];
                }
                state[s.memory - 1] = newest;
                sum += times[(f + 1) * s.memory - 1] * newest;
                total += sum;
                state += s.memory;
            }
            *output++ = vpr_clamp_f32(total, range);
        }
        input += s.inputs;
    }
}

#endif /* VPR_SVDF_H */
