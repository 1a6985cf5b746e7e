/* TRANSPOSE_CONV, int8: each output pixel gathers the taps that reach it, so there is no map of
 * 32-bit sums to scatter into.
 *
 * Weights lie in the order output channels, rows, columns, input channels.
 */
#ifndef VPR_TRANSPOSE_CONV_S8_H
#define VPR_TRANSPOSE_CONV_S8_H

#include "vpr_common.h"

struct vpr_transpose_conv {
    int32_t in_rows, in_columns, in_channels;
    int32_t out_rows, out_columns, out_channels;
    int32_t kernel_rows, kernel_columns, stride_rows, stride_columns;
    int32_t pad_top, pad_left; /* of the convolution that goes from the output to the input */
};

/* One output channel of the pixel whose tap 0 lies at (row, column) of the input spread out by the
 * strides; `weights` are those of the channel. Only one tap in a stride meets a pixel. */
VPR_INLINE int32_t vpr_transpose_sum_s8(const struct vpr_transpose_conv s, const int8_t *input,
                                        int32_t zero_point, int32_t row, int32_t column,
                                        const int8_t *weights, int32_t sum)
{
    for (int32_t j = row % s.stride_rows; j < s.kernel_rows && j <= row; j += s.stride_rows) {
        const int32_t y = (row - j) / s.stride_rows;
        if (y >= s.in_rows) {
            continue;
        }
        for (int32_t i = column % s.stride_columns; i < s.kernel_columns && i <= column;
             i += s.stride_columns) {
            const int32_t x = (column - i) / s.stride_columns;
            if (x >= s.in_columns) {
                continue;
            }
            const int8_t *a = input + (y * s.in_columns + x) * s.in_channels;
            const int8_t *w = weights + (j * s.kernel_columns + i) * s.in_channels;
            for (int32_t k = 0; k < s.in_channels; ++k) {
                sum += (a[k] - zero_point) * w[k];
            }
        }
    }
    return sum;
}

VPR_INLINE void vpr_transpose_conv_s8(const struct vpr_transpose_conv s, const int8_t *input,
                                      int32_t zero_point, const struct vpr_channels c,
                                      const struct vpr_range range, int8_t *output)
{
    const int32_t taps = s.kernel_rows * s.kernel_columns * s.in_channels;
    for (int32_t y = 0; y < s.out_rows; ++y) {
        for (int32_t x = 0; x < s.out_columns; ++x) {
            for (int32_t o = 0; o < s.out_channels; ++o) {
                const int32_t sum =
                    vpr_transpose_sum_s8(s, input, zero_point, y + s.pad_top, x + s.pad_left,
                                         c.weights + o * taps, c.bias[o]);
                *output++ = vpr_to_s8(sum, c.multiplier[o], c.shift[o], range);
            }
        }
    }
}

#endif /* VPR_TRANSPOSE_CONV_S8_H */
