/* CUMSUM and ADD_N. */
#ifndef VPR_CUMSUM_H
#define VPR_CUMSUM_H

#include "vpr_float.h"
#include "vpr_scale.h"

/* int8 terms of one scale, summed on a grid 2^19 times finer. */
struct vpr_fine_sum {
    int32_t zero_point;
    struct vpr_factor to_grid, factor;
    struct vpr_range range;
};

VPR_INLINE int32_t vpr_fine_term(int32_t x, const struct vpr_fine_sum p)
{
    return vpr_scale((x - p.zero_point) * (1 << 20), p.to_grid);
}

VPR_INLINE int8_t vpr_fine_output(int32_t sum, const struct vpr_fine_sum p)
{
    return vpr_to_s8(sum, p.factor.multiplier, p.factor.shift, p.range);
}

/* The axis has `count` elements, `inner` apart. */
struct vpr_cumsum {
    int32_t outer, count, inner, exclusive, reverse;
};

/* Where element i of row k lies. */
VPR_INLINE int32_t vpr_cumsum_at(const struct vpr_cumsum s, int32_t k, int32_t i)
{
    const int32_t at = s.reverse ? s.count - 1 - i : i;
    return (k / s.inner * s.count + at) * s.inner + k % s.inner;
}

VPR_INLINE void vpr_cumsum_s8(const struct vpr_cumsum s, const struct vpr_fine_sum p,
                              const int8_t *input, int8_t *output)
{
    for (int32_t k = 0; k < s.outer * s.inner; ++k) {
        /* TFLM begins with the term of the integer 0. */
        int32_t sum = vpr_fine_term(0, p);
        for (int32_t i = 0; i < s.count; ++i) {
            const int32_t at = vpr_cumsum_at(s, k, i), after = sum + vpr_fine_term(input[at], p);
            output[at] = vpr_fine_output(s.exclusive ? sum : after, p);
            sum = after;
        }
    }
}

VPR_INLINE void vpr_cumsum_f32(const struct vpr_cumsum s, const float *input, float *output)
{
    for (int32_t k = 0; k < s.outer * s.inner; ++k) {
        float sum = 0.0f;
        for (int32_t i = 0; i < s.count; ++i) {
            const int32_t at = vpr_cumsum_at(s, k, i);
            const float after = sum + input[at];
            output[at] = s.exclusive ? sum : after;
            sum = after;
        }
    }
}

VPR_INLINE void vpr_add_n_s8(int32_t count, int32_t terms, const struct vpr_fine_sum p,
                             const int8_t *const *inputs, int8_t *output)
{
    for (int32_t k = 0; k < count; ++k) {
        int32_t sum = vpr_fine_term(0, p);
        for (int32_t i = 0; i < terms; ++i) {
            sum += vpr_fine_term(inputs[i][k], p);
        }
        output[k] = vpr_fine_output(sum, p);
    }
}

VPR_INLINE void vpr_add_n_f32(int32_t count, int32_t terms, const float *const *inputs,
                              float *output)
{
    for (int32_t k = 0; k < count; ++k) {
        float sum = 0.0f;
        for (int32_t i = 0; i < terms; ++i) {
            sum += inputs[i][k];
        }
        output[k] = sum;
    }
}

#endif /* VPR_CUMSUM_H */
