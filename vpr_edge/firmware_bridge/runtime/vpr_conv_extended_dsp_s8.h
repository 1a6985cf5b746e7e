/* CONV_2D, int8, with the DSP extension and half-extended weights: two pixels by four output
 * channels at a time (vpr_product_dsp_s8.h).
 *
 * Rows of a patch that lie in the image are widened from there. Where a row is no whole number of
 * words, the words of all rows come first and then what is left over of each; the weights lie so.
 *
 * Scratch: two widened patches, and of either pixel one row of bytes and what is left over.
 */
#ifndef VPR_CONV_EXTENDED_DSP_S8_H
#define VPR_CONV_EXTENDED_DSP_S8_H

#include "vpr_product_dsp_s8.h"

/* Widens `count` bytes (a multiple of 4) of two pixels to halfwords, a word of either in turn and
 * of four bytes 0 and 2 first, as the weights lie. Assembly, for SXTB16 as it loads. */
VPR_INLINE uint32_t *vpr_widen_two_dsp_s8(const int8_t *a, const int8_t *b, int32_t count,
                                          uint32_t *to)
{
#define VPR_WIDEN_FOUR                                                                         \
    "ldr r2, [%[a]], #4\n\t"                                                                   \
    "ldr r3, [%[b]], #4\n\t"                                                                   \
    "sxtb16 r4, r2, ror #8\n\t"                                                                \
    "sxtb16 r5, r3, ror #8\n\t"                                                                \
    "sxtb16 r2, r2\n\t"                                                                        \
    "sxtb16 r3, r3\n\t"                                                                        \
    "stm %[to]!, {r2, r3, r4, r5}\n\t"
    if (count & 4) {
        __asm__ volatile(VPR_WIDEN_FOUR : [a] "+&r"(a), [b] "+&r"(b), [to] "+&r"(to)
                         :
                         : "r2", "r3", "r4", "r5", "memory");
    }
    const uint32_t *const end = to + (count & ~7);
    if (count > 7) {
        do {
            __asm__ volatile(VPR_WIDEN_FOUR VPR_WIDEN_FOUR
                             : [a] "+&r"(a), [b] "+&r"(b), [to] "+&r"(to)
                             :
                             : "r2", "r3", "r4", "r5", "memory");
        } while (to != end);
    }
#undef VPR_WIDEN_FOUR
    return to;
}

/* Where row `k` of the patch at (row, column) lies: in the image, or gathered in `bytes`. */
VPR_INLINE const int8_t *vpr_conv_row_s8(const struct vpr_conv s, const int8_t *input, int32_t row,
                                         int32_t column, int8_t zero_point, int8_t *bytes)
{
    if (row < 0 || row >= s.in_rows) {
        memset(bytes, zero_point, (size_t)(s.kernel_columns * s.in_channels));
        return bytes;
    }
    const int8_t *from = input + row * s.in_columns * s.in_channels;
    if (s.dilation_columns == 1 && column >= 0 && column + s.kernel_columns <= s.in_columns) {
        return from + column * s.in_channels;
    }
    vpr_conv_patch_row_s8(s, from, column, zero_point, bytes);
    return bytes;
}

/* Widens the patches of the output pixels (y[0], x[0]) and (y[1], x[1]). */
VPR_INLINE void vpr_widen_patches_dsp_s8(const struct vpr_conv s, const int8_t *input,
                                         const int32_t y[2], const int32_t x[2],
                                         int8_t zero_point, uint32_t *patch)
{
    const int32_t width = s.kernel_columns * s.in_channels;
    /* With dilation, or rows of less than a word, whole patches are gathered. */
    const int whole = s.dilation_columns != 1 || width < 4;
    const int32_t over = whole ? 0 : width % 4;
    int8_t *bytes = (int8_t *)(patch + s.depth);
    if (whole) {
        for (int32_t i = 0; i < 2; ++i) {
            vpr_conv_patch_s8(s, input, y[i], x[i], zero_point, bytes + i * s.depth);
        }
        vpr_widen_two_dsp_s8(bytes, bytes + s.depth, s.depth, patch);
        return;
    }
    int8_t *left = bytes;
    bytes += over == 0 ? 0 : 2 * ((s.kernel_rows * over + 3) & ~3);
    const int32_t second = (s.kernel_rows * over + 3) & ~3;
    int32_t row[2], column[2];
    for (int32_t i = 0; i < 2; ++i) {
        row[i] = y[i] * s.stride_rows - s.pad_top;
        column[i] = x[i] * s.stride_columns - s.pad_left;
    }
    for (int32_t k = 0; k < s.kernel_rows; ++k) {
        const int8_t *from[2];
        for (int32_t i = 0; i < 2; ++i) {
            from[i] = vpr_conv_row_s8(s, input, row[i] + k * s.dilation_rows, column[i],
                                      zero_point, bytes + i * width);
        }
        patch = vpr_widen_two_dsp_s8(from[0], from[1], width & ~3, patch);
        for (int32_t j = 0; j < over; ++j) {
            left[k * over + j] = from[0][(width & ~3) + j];
            left[second + k * over + j] = from[1][(width & ~3) + j];
        }
    }
    if (over != 0) {
        vpr_widen_two_dsp_s8(left, left + second, second, patch);
    }
}

VPR_INLINE void vpr_conv_extended_dsp_s8(const struct vpr_conv s, const int8_t *input,
                                         int8_t zero_point, const void *stream,
                                         const struct vpr_range range, int8_t *output,
                                         void *scratch)
{
    uint32_t *patch = (uint32_t *)scratch;
    int8_t *const first = output;
    const int32_t groups = s.out_channels / 4, rest = s.out_channels - 4 * groups;
    struct vpr_product p = {patch, patch + s.depth, NULL, NULL, 0, 0, range.zero_point};
    int32_t x = 0, y = 0;
    /* Pairs of pixels go on across the ends of rows; at the end one may be alone, and is computed
     * twice. */
    for (int32_t left = s.out_rows * s.out_columns; left > 0; left -= 2) {
        int32_t ys[2] = {y, y}, xs[2] = {x, x};
        for (int32_t i = 0; i < 2 && i < left; ++i) {
            ys[i] = y;
            xs[i] = x;
            if (++x == s.out_columns) {
                x = 0;
                ++y;
            }
        }
        if (vpr_conv_is_pointwise(s) && s.in_channels % 4 == 0) {
            vpr_widen_two_dsp_s8(input, input + (left < 2 ? 0 : s.in_channels), s.in_channels,
                                 patch);
            input += 2 * s.in_channels;
        } else {
            vpr_widen_patches_dsp_s8(s, input, ys, xs, zero_point, patch);
        }
        p.stream = (const uint32_t *)stream;
        p.next = left < 2 ? 0 : s.out_channels;
        if (groups > 0) {
            p.output = output;
            p.groups = groups;
            p.stream = vpr_product_dsp_s8(&p, range);
        }
        if (rest > 0) {
            int8_t last[8];
            p.output = last;
            p.groups = 1;
            p.next = 4;
            vpr_product_dsp_s8(&p, range);
            memcpy(output + 4 * groups, last, (size_t)rest);
            if (left >= 2) {
                memcpy(output + s.out_channels + 4 * groups, last + 4, (size_t)rest);
            }
        }
        output += 2 * s.out_channels;
    }
    vpr_narrow_s8(first, s.out_rows * s.out_columns * s.out_channels, range);
}

#endif /* VPR_CONV_EXTENDED_DSP_S8_H */
