/* CONV_2D, int8: patches of the input against rows of weights.
 *
 * The bias has the input's zero point folded in, so that a tap outside the image counts as one that
 * holds the zero point.
 *
 * Weights lie by groups of four output channels, the last one filled up with zeros. An output
 * channel's weights, in the order rows, columns, input channels and filled with zeros to a multiple
 * of 4, are cut into blocks of 16 bytes, the last one shorter where that does not go up; the blocks
 * of the four channels alternate. `constants` has for each group four biases, multipliers, shifts.
 *
 * Half-extended weights lie otherwise (vpr_product_dsp_s8.h), and only builds for cores with the DSP
 * extension have them.
 */
#ifndef VPR_CONV_S8_H
#define VPR_CONV_S8_H

#include "vpr_common.h"
#if defined(VPR_MVE)
#include "vpr_mve.h"
#define vpr_conv_copy(to, from, count) vpr_copy_mve_s8(to, from, count)
#else
#define vpr_conv_copy(to, from, count) memcpy(to, from, (size_t)(count))
#endif
#if defined(VPR_DSP) && !defined(VPR_MVE)
#include "vpr_dsp.h"
#endif

struct vpr_conv {
    int32_t in_rows, in_columns, in_channels;
    int32_t out_rows, out_columns, out_channels;
    int32_t kernel_rows, kernel_columns, stride_rows, stride_columns;
    int32_t dilation_rows, dilation_columns, pad_top, pad_left;
    int32_t depth; /* bytes of one output channel's weights, a multiple of 4 */
};

#define VPR_CONV_BLOCK 16

struct vpr_matrix {
    const void *weights;
    const int32_t *constants;
    int32_t right_only;    /* whether all shifts are in [-31, -2]; a compile-time constant */
    int32_t half_extended; /* whether a build for cores with DSP has them so; likewise */
};

/* Of the group of four that output channel `o` begins. */
VPR_INLINE const int8_t *vpr_matrix_weights(const struct vpr_matrix m, int32_t depth, int32_t o)
{
    return (const int8_t *)m.weights + o * depth;
}

/* Output channel `o` from its sum, the bias in it. */
VPR_INLINE int8_t vpr_matrix_output(int32_t sum, const struct vpr_matrix m, int32_t o,
                                    const struct vpr_range range)
{
    const int32_t *c = m.constants + o / 4 * 12 + o % 4;
#if defined(VPR_DSP) && !defined(VPR_MVE)
    if (m.right_only) {
        const int32_t y = vpr_requantize_dsp(sum, c[4], c[8], range.zero_point);
        return vpr_saturate_dsp_s8(y, range);
    }
#endif
    return vpr_to_s8(sum, c[4], c[8], range);
}

/* Weights of one output channel that are not filling. */
VPR_INLINE int32_t vpr_conv_taps(const struct vpr_conv s)
{
    return s.kernel_rows * s.kernel_columns * s.in_channels;
}

/* Copies one row of a patch; the taps lie `dilation_columns` apart from `column` on. */
VPR_INLINE void vpr_conv_patch_row_s8(const struct vpr_conv s, const int8_t *row, int32_t column,
                                      int8_t zero_point, int8_t *patch)
{
    if (s.dilation_columns == 1 && column >= 0 && column + s.kernel_columns <= s.in_columns) {
        vpr_conv_copy(patch, row + column * s.in_channels, s.kernel_columns * s.in_channels);
        return;
    }
    for (int32_t k = 0; k < s.kernel_columns; ++k) {
        const int32_t x = column + k * s.dilation_columns;
        if (x >= 0 && x < s.in_columns) {
            vpr_conv_copy(patch, row + x * s.in_channels, s.in_channels);
        } else {
            memset(patch, zero_point, (size_t)s.in_channels);
        }
        patch += s.in_channels;
    }
}

/* Gathers the patch of output pixel (y, x), in the weights' order. */
VPR_INLINE void vpr_conv_patch_s8(const struct vpr_conv s, const int8_t *input, int32_t y,
                                  int32_t x, int8_t zero_point, int8_t *patch)
{
    const int32_t width = s.kernel_columns * s.in_channels;
    for (int32_t k = 0; k < s.kernel_rows; ++k) {
        const int32_t row = y * s.stride_rows - s.pad_top + k * s.dilation_rows;
        if (row >= 0 && row < s.in_rows) {
            vpr_conv_patch_row_s8(s, input + row * s.in_columns * s.in_channels,
                                  x * s.stride_columns - s.pad_left, zero_point, patch);
        } else {
            memset(patch, zero_point, (size_t)width);
        }
        patch += width;
    }
}

/* Whether each output pixel comes from the one input pixel at its place. */
VPR_INLINE int vpr_conv_is_pointwise(const struct vpr_conv s)
{
    return s.kernel_rows == 1 && s.kernel_columns == 1 && s.stride_rows == 1 &&
           s.stride_columns == 1 && s.in_rows == s.out_rows && s.in_columns == s.out_columns;
}

#if defined(VPR_MVE)
#include "vpr_conv_mve_s8.h"
#elif defined(VPR_DSP)
#include "vpr_conv_dsp_s8.h"
#elif defined(VPR_SMALL)
#include "vpr_conv_small_s8.h"
#else
#include "vpr_conv_portable_s8.h"
#endif

#endif /* VPR_CONV_S8_H */
