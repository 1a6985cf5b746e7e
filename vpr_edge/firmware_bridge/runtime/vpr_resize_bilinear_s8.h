/* RESIZE_BILINEAR, int8: positions and weights with ten fractional bits, as in TFLM's reference. */
#ifndef VPR_RESIZE_BILINEAR_S8_H
#define VPR_RESIZE_BILINEAR_S8_H

#include "vpr_common.h"

#define VPR_BILINEAR_ONE 1024

struct vpr_bilinear {
    int32_t in_rows, in_columns, channels;
    int32_t out_rows, out_columns;
    int32_t row_scale, column_scale; /* input pixels a pixel of the output, ten fractional bits */
    int32_t half;                    /* whether centres lie at halves */
};

/* Neighbours along one axis; the weight of the upper is beyond [0, 1] where both are the same. */
struct vpr_between {
    int32_t lower, upper, weight;
};

VPR_INLINE struct vpr_between vpr_find_between(int32_t at, int32_t scale, int32_t half,
                                               int32_t size)
{
    const int32_t position =
        at * scale + (half ? scale / 2 - VPR_BILINEAR_ONE / 2 : 0);
    struct vpr_between found;
    found.lower = position > 0 ? position / VPR_BILINEAR_ONE : 0;
    found.upper = (position + VPR_BILINEAR_ONE - 1) / VPR_BILINEAR_ONE;
    found.upper = found.upper < size ? found.upper : size - 1;
    found.weight = position - found.lower * VPR_BILINEAR_ONE;
    return found;
}

VPR_INLINE void vpr_resize_bilinear_s8(const struct vpr_bilinear s, const int8_t *input,
                                       int8_t *output)
{
    const int32_t row_bytes = s.in_columns * s.channels;
    const int32_t one = VPR_BILINEAR_ONE, half = one * one / 2;
    for (int32_t y = 0; y < s.out_rows; ++y) {
        const struct vpr_between v = vpr_find_between(y, s.row_scale, s.half, s.in_rows);
        for (int32_t x = 0; x < s.out_columns; ++x) {
            const struct vpr_between h =
                vpr_find_between(x, s.column_scale, s.half, s.in_columns);
            const int8_t *top = input + v.lower * row_bytes;
            const int8_t *bottom = input + v.upper * row_bytes;
            const int32_t left = h.lower * s.channels, right = h.upper * s.channels;
            const int32_t top_left = (one - v.weight) * (one - h.weight);
            const int32_t bottom_left = v.weight * (one - h.weight);
            const int32_t top_right = (one - v.weight) * h.weight;
            const int32_t bottom_right = v.weight * h.weight;
            for (int32_t c = 0; c < s.channels; ++c) {
                const int32_t sum = top[left + c] * top_left + bottom[left + c] * bottom_left +
                                    top[right + c] * top_right +
                                    bottom[right + c] * bottom_right;
                /* Half away from zero. */
                output[c] = (int8_t)((sum + (sum > 0 ? half : -half)) / (one * one));
            }
            output += s.channels;
        }
    }
}

#endif /* VPR_RESIZE_BILINEAR_S8_H */
