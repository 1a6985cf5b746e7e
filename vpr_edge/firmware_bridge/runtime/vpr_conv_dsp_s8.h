/* CONV_2D, int8, with the DSP extension. Half-extended weights are for vpr_conv_extended_dsp_s8.h;
 * here the others are: two pixels by two output channels at a time.
 *
 * The patches of two pixels are widened to halfwords once, in the order in which SXTB16 takes a
 * word of weights apart (bytes 0 and 2, then 1 and 3), so that each SMLAD does two
 * multiply-accumulates. They lie interleaved: two words of the one, two of the other.
 *
 * Scratch: two widened patches and one of bytes.
 */
#ifndef VPR_CONV_DSP_S8_H
#define VPR_CONV_DSP_S8_H

#include "vpr_conv_extended_dsp_s8.h"

/* Widens `count` bytes (a multiple of 4) to halfwords, into every other pair of words. */
VPR_INLINE uint32_t *vpr_widen_s8(const int8_t *from, int32_t count, uint32_t *to)
{
    for (int32_t k = 0; k < count; k += 4) {
        const uint32_t word = vpr_load_u32(from + k);
        to[0] = vpr_sxtb16(word);
        to[1] = vpr_sxtb16_ror8(word);
        to += 4;
    }
    return to;
}

/* The widened patch of one output pixel, filled to the weights' depth. */
VPR_INLINE void vpr_conv_patch_dsp_s8(const struct vpr_conv s, const int8_t *input, int32_t y,
                                      int32_t x, int8_t zero_point, uint32_t *patch,
                                      int8_t *bytes)
{
    const int32_t width = s.kernel_columns * s.in_channels;
    const int32_t column = x * s.stride_columns - s.pad_left;
    const int inside = column >= 0 && column + s.kernel_columns <= s.in_columns;
    if (s.in_channels % 4 != 0 || s.dilation_columns != 1) {
        vpr_conv_patch_s8(s, input, y, x, zero_point, bytes);
        vpr_widen_s8(bytes, s.depth, patch);
        return;
    }
    for (int32_t k = 0; k < s.kernel_rows; ++k) {
        const int32_t row = y * s.stride_rows - s.pad_top + k * s.dilation_rows;
        const int8_t *from = bytes;
        if (row < 0 || row >= s.in_rows) {
            memset(bytes, zero_point, (size_t)width);
        } else if (inside) {
            from = input + (row * s.in_columns + column) * s.in_channels;
        } else {
            vpr_conv_patch_row_s8(s, input + row * s.in_columns * s.in_channels, column,
                                  zero_point, bytes);
        }
        patch = vpr_widen_s8(from, width, patch);
    }
}

/* One step of four products a sum: a word of weights of either channel against the patches of
 * both pixels, 16 multiply-accumulates in 15 instructions. Assembly, as compilers keep too little
 * of it in registers. */
#define VPR_CONV_STEP(first, second)                                                           \
    "ldmia %[p]!, {r2, r3, r4, r5}\n\t"                                                        \
    "ldr %[u], " first "\n\t"                                                                  \
    "sxtb16 %[v], %[u]\n\t"                                                                    \
    "sxtb16 %[u], %[u], ror #8\n\t"                                                            \
    "smlad %[a0], %[v], r2, %[a0]\n\t"                                                         \
    "smlad %[b0], %[v], r4, %[b0]\n\t"                                                         \
    "smlad %[a0], %[u], r3, %[a0]\n\t"                                                         \
    "smlad %[b0], %[u], r5, %[b0]\n\t"                                                         \
    "ldr %[u], " second "\n\t"                                                                 \
    "sxtb16 %[v], %[u]\n\t"                                                                    \
    "sxtb16 %[u], %[u], ror #8\n\t"                                                            \
    "smlad %[a1], %[v], r2, %[a1]\n\t"                                                         \
    "smlad %[b1], %[v], r4, %[b1]\n\t"                                                         \
    "smlad %[a1], %[u], r3, %[a1]\n\t"                                                         \
    "smlad %[b1], %[u], r5, %[b1]\n\t"
#define VPR_CONV_OPERANDS                                                                      \
    [p] "+r"(patch), [w] "+r"(weights), [a0] "+r"(a0), [a1] "+r"(a1), [b0] "+r"(b0),           \
        [b1] "+r"(b1), [u] "=&r"(u), [v] "=&r"(v)

/* Adds `depth` products to each of four sums: the weights of two channels against the patches of
 * two pixels, those of the group's first two channels or of its `second` ones. */
VPR_INLINE void vpr_dot_2x2_dsp_s8(const uint32_t *patch, const int8_t *weights, int32_t depth,
                                   int32_t second, int32_t sums[4])
{
    int32_t a0 = sums[0], a1 = sums[1], b0 = sums[2], b1 = sums[3];
    uint32_t u, v;
    const int32_t whole = depth / VPR_CONV_BLOCK, rest = depth - whole * VPR_CONV_BLOCK;
    weights += second ? 2 * VPR_CONV_BLOCK : 0;
    /* The loops are left to the compiler: it alone knows which registers it can spare. */
    for (int32_t k = 0; k < whole; ++k) {
        __asm__ volatile(VPR_CONV_STEP("[%[w]]", "[%[w], #16]")
                         VPR_CONV_STEP("[%[w], #4]", "[%[w], #20]")
                         VPR_CONV_STEP("[%[w], #8]", "[%[w], #24]")
                         VPR_CONV_STEP("[%[w], #12]", "[%[w], #28]")
                         "adds %[w], %[w], #64\n\t"
                         : VPR_CONV_OPERANDS
                         :
                         : "r2", "r3", "r4", "r5", "cc", "memory");
    }
    weights += second ? 2 * rest - 2 * VPR_CONV_BLOCK : 0;
    /* The last block, by its length: an offset in a register would be one register too many. */
    if (rest == 4) {
        __asm__ volatile(VPR_CONV_STEP("[%[w]]", "[%[w], #4]")
                         : VPR_CONV_OPERANDS
                         :
                         : "r2", "r3", "r4", "r5", "memory");
    } else if (rest == 8) {
        __asm__ volatile(VPR_CONV_STEP("[%[w]]", "[%[w], #8]")
                         VPR_CONV_STEP("[%[w], #4]", "[%[w], #12]")
                         : VPR_CONV_OPERANDS
                         :
                         : "r2", "r3", "r4", "r5", "memory");
    } else if (rest == 12) {
        __asm__ volatile(VPR_CONV_STEP("[%[w]]", "[%[w], #12]")
                         VPR_CONV_STEP("[%[w], #4]", "[%[w], #16]")
                         VPR_CONV_STEP("[%[w], #8]", "[%[w], #20]")
                         : VPR_CONV_OPERANDS
                         :
                         : "r2", "r3", "r4", "r5", "memory");
    }
    sums[0] = a0;
    sums[1] = a1;
    sums[2] = b0;
    sums[3] = b1;
}
#undef VPR_CONV_OPERANDS
#undef VPR_CONV_STEP

/* Output channels of one or two pixels from their widened patches. */
VPR_INLINE void vpr_conv_pixels_dsp_s8(const struct vpr_conv s, const uint32_t *patch,
                                       int32_t pixels, const struct vpr_matrix m,
                                       const struct vpr_range range, int8_t *output)
{
    for (int32_t o = 0; o < s.out_channels; o += 2) {
        const int32_t *bias = m.constants + o / 4 * 12 + o % 4;
        int32_t sums[4] = {bias[0], bias[1], bias[0], bias[1]};
        vpr_dot_2x2_dsp_s8(patch, vpr_matrix_weights(m, s.depth, o & ~3), s.depth, o & 2, sums);
        for (int32_t k = 0; k < 2 && o + k < s.out_channels; ++k) {
            output[o + k] = vpr_matrix_output(sums[k], m, o + k, range);
            if (pixels == 2) {
                output[s.out_channels + o + k] = vpr_matrix_output(sums[2 + k], m, o + k, range);
            }
        }
    }
}

VPR_INLINE void vpr_conv_s8(const struct vpr_conv s, const int8_t *input, int32_t input_zero_point,
                            const struct vpr_matrix m, const struct vpr_range range,
                            int8_t *output, void *scratch)
{
    if (m.half_extended) {
        vpr_conv_extended_dsp_s8(s, input, (int8_t)input_zero_point, m.weights, range, output,
                                 scratch);
        return;
    }
    uint32_t *patch = (uint32_t *)scratch;
    int8_t *bytes = (int8_t *)(patch + s.depth);
    int32_t x = 0, y = 0;
    for (int32_t left = s.out_rows * s.out_columns; left > 0; left -= 2) {
        /* Pairs of pixels go on across the ends of rows; at the end one may be alone, and the
         * sums of what lies in the other's place are not used. */
        const int32_t pixels = left < 2 ? 1 : 2;
        for (int32_t i = 0; i < pixels; ++i) {
            vpr_conv_patch_dsp_s8(s, input, y, x, (int8_t)input_zero_point, patch + 2 * i, bytes);
            if (++x == s.out_columns) {
                x = 0;
                ++y;
            }
        }
        vpr_conv_pixels_dsp_s8(s, patch, pixels, m, range, output);
        output += 2 * s.out_channels;
    }
}

#endif /* VPR_CONV_DSP_S8_H */
