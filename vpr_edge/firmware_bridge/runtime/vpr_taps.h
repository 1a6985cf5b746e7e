/* What the plain kernels share that slide a window: their geometry, and where weights lie.
 *
 * One set of loops serves convolutions, grouped, depthwise and transposed ones (those go over an
 * input that is spread out, with the kernel turned round), and fully connected layers (one row of
 * pixels under a 1x1 window).
 */
#ifndef VPR_TAPS_H
#define VPR_TAPS_H

#include "vpr_common.h"

struct vpr_taps {
    int32_t in_rows, in_columns, in_channels;
    int32_t out_rows, out_columns, out_channels;
    int32_t kernel_rows, kernel_columns, stride_rows, stride_columns;
    int32_t dilation_rows, dilation_columns, pad_top, pad_left;
    int32_t spread_rows, spread_columns; /* of the input's pixels, nothing between them */
    int32_t depth;       /* input channels that an output channel reads */
    int32_t group;       /* neighbouring output channels that read the same ones */
    int32_t output_step; /* in the weights from an output channel to the next */
    int32_t tap_step;    /* in the weights from a tap to the next, in row-major order */
};

/* Where tap (j, i) of output pixel (y, x) begins in the input, elements; -1 where there is none. */
VPR_INLINE int32_t vpr_tap_at(const struct vpr_taps s, int32_t y, int32_t x, int32_t j, int32_t i)
{
    const int32_t row = y * s.stride_rows - s.pad_top + j * s.dilation_rows;
    const int32_t column = x * s.stride_columns - s.pad_left + i * s.dilation_columns;
    if (row < 0 || column < 0 || row % s.spread_rows != 0 || column % s.spread_columns != 0) {
        return -1;
    }
    if (row / s.spread_rows >= s.in_rows || column / s.spread_columns >= s.in_columns) {
        return -1;
    }
    return (row / s.spread_rows * s.in_columns + column / s.spread_columns) * s.in_channels;
}

#endif /* VPR_TAPS_H */
