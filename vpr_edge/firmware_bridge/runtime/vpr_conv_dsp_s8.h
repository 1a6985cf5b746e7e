/* CONV_2D, int8, with the DSP extension: two pixels by two output channels at a time.
 *
 * Two patches are widened to halfwords once, in the order in which SXTB16 takes a word of weights
 * apart (bytes 0 and 2, then 1 and 3), so that each SMLAD does two multiply-accumulates.
 *
 * Scratch: two widened patches and one of bytes.
 */
#ifndef VPR_CONV_DSP_S8_H
#define VPR_CONV_DSP_S8_H

#include "vpr_dsp.h"

/* Widens `count` bytes (a multiple of 4) to halfwords. */
VPR_INLINE uint32_t *vpr_widen_s8(const int8_t *from, int32_t count, uint32_t *to)
{
    for (int32_t k = 0; k < count; k += 4) {
        const uint32_t word = vpr_load_u32(from + k);
        *to++ = vpr_sxtb16(word);
        *to++ = vpr_sxtb16_ror8(word);
    }
    return to;
}

/* The widened patch of one output pixel, filled to the weights' stride. */
VPR_INLINE void vpr_conv_patch_dsp_s8(const struct vpr_conv s, const int8_t *input, int32_t y,
                                      int32_t x, int8_t zero_point, uint32_t *patch,
                                      int8_t *bytes)
{
    const int32_t width = s.kernel_columns * s.in_channels;
    const int32_t column = x * s.stride_columns - s.pad_left;
    const int inside = column >= 0 && column + s.kernel_columns <= s.in_columns;
    if (s.in_channels % 4 != 0 || s.dilation_columns != 1) {
        vpr_conv_patch_s8(s, input, y, x, zero_point, bytes);
        vpr_widen_s8(bytes, s.weight_stride, patch);
        return;
    }
    for (int32_t k = 0; k < s.kernel_rows; ++k) {
        const int32_t row = y * s.stride_rows - s.pad_top + k * s.dilation_rows;
        if (row >= 0 && row < s.in_rows && inside) {
            patch = vpr_widen_s8(input + (row * s.in_columns + column) * s.in_channels, width,
                                 patch);
        } else {
            if (row >= 0 && row < s.in_rows) {
                vpr_conv_patch_row_s8(s, input + row * s.in_columns * s.in_channels, column,
                                      zero_point, bytes);
            } else {
                memset(bytes, zero_point, (size_t)width);
            }
            patch = vpr_widen_s8(bytes, width, patch);
        }
    }
}

/* Output channels of one or two pixels from their widened patches. */
VPR_INLINE void vpr_conv_pixels_dsp_s8(const struct vpr_conv s, const uint32_t *patch,
                                       int32_t pixels, const struct vpr_channels c,
                                       const struct vpr_range range, int8_t *output)
{
    const int32_t words = s.weight_stride / 4;
    const int8_t *weights = c.weights;
    for (int32_t o = 0; o < s.out_channels; o += 2) {
        /* The last channel of an odd number is computed twice, not read past. */
        const int32_t second = o + 1 < s.out_channels ? 1 : 0;
        int32_t a0 = c.bias[o], a1 = c.bias[o + second], b0 = a0, b1 = a1;
        const int8_t *w0 = weights, *w1 = weights + second * s.weight_stride;
        const uint32_t *pa = patch, *pb = patch + 2 * words;
        if (pixels == 2) {
            for (int32_t k = 0; k < words; ++k) {
                const uint32_t u = vpr_load_u32(w0), v = vpr_load_u32(w1);
                const uint32_t u0 = vpr_sxtb16(u), u1 = vpr_sxtb16_ror8(u);
                const uint32_t v0 = vpr_sxtb16(v), v1 = vpr_sxtb16_ror8(v);
                const uint32_t x0 = pa[0], x1 = pa[1], y0 = pb[0], y1 = pb[1];
                a0 = vpr_smlad(u0, x0, a0);
                a0 = vpr_smlad(u1, x1, a0);
                a1 = vpr_smlad(v0, x0, a1);
                a1 = vpr_smlad(v1, x1, a1);
                b0 = vpr_smlad(u0, y0, b0);
                b0 = vpr_smlad(u1, y1, b0);
                b1 = vpr_smlad(v0, y0, b1);
                b1 = vpr_smlad(v1, y1, b1);
                w0 += 4;
                w1 += 4;
                pa += 2;
                pb += 2;
            }
        } else {
            for (int32_t k = 0; k < words; ++k) {
                const uint32_t u = vpr_load_u32(w0), v = vpr_load_u32(w1);
                const uint32_t x0 = pa[0], x1 = pa[1];
                a0 = vpr_smlad(vpr_sxtb16(u), x0, a0);
                a0 = vpr_smlad(vpr_sxtb16_ror8(u), x1, a0);
                a1 = vpr_smlad(vpr_sxtb16(v), x0, a1);
                a1 = vpr_smlad(vpr_sxtb16_ror8(v), x1, a1);
                w0 += 4;
                w1 += 4;
                pa += 2;
            }
        }
        output[o] = vpr_output_dsp_s8(a0, c, o, range);
        output[o + second] = vpr_output_dsp_s8(a1, c, o + second, range);
        if (pixels == 2) {
            output[s.out_channels + o] = vpr_output_dsp_s8(b0, c, o, range);
            output[s.out_channels + o + second] = vpr_output_dsp_s8(b1, c, o + second, range);
        }
        weights += 2 * s.weight_stride;
    }
}

VPR_INLINE void vpr_conv_s8(const struct vpr_conv s, const int8_t *input, int32_t input_zero_point,
                            const struct vpr_channels c, const struct vpr_range range,
                            int8_t *output, void *scratch)
{
    uint32_t *patch = (uint32_t *)scratch;
    const int32_t words = s.weight_stride / 2;
    int8_t *bytes = (int8_t *)(patch + 2 * words);
    const int8_t zero_point = (int8_t)input_zero_point;
    for (int32_t y = 0; y < s.out_rows; ++y) {
        int32_t x = 0;
        for (; x + 2 <= s.out_columns; x += 2) {
            vpr_conv_patch_dsp_s8(s, input, y, x, zero_point, patch, bytes);
            vpr_conv_patch_dsp_s8(s, input, y, x + 1, zero_point, patch + words, bytes);
            vpr_conv_pixels_dsp_s8(s, patch, 2, c, range, output);
            output += 2 * s.out_channels;
        }
        if (x < s.out_columns) {
            vpr_conv_patch_dsp_s8(s, input, y, x, zero_point, patch, bytes);
            vpr_conv_pixels_dsp_s8(s, patch, 1, c, range, output);
            output += s.out_channels;
        }
    }
}

#endif /* VPR_CONV_DSP_S8_H */
