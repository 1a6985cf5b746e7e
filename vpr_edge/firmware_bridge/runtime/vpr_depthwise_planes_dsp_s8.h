/* DEPTHWISE_CONV_2D, int8, 3x3, stride 1 or 2, with the DSP extension: by planes of one channel.
 *
 * Four channels of as many rows as `band` output rows need are transposed to planes, so that a word
 * holds four columns of one channel: SXTB16 makes columns 0, 2 and 1, 3 of it, and SMLAD takes two
 * taps at once. Two outputs of a row take 7 instructions a kernel row (9 at stride 2), as the weights
 * stay in registers for the whole plane. They are doubled, which spares SMMULR a shift before it.
 *
 * Of a band all channels are written when what it reads is still there, and no row before it is
 * needed any more. Where the channels are no multiple of four, the last four overlap those before.
 *
 * Scratch: the rows of a band, 4 channels x columns, padding included.
 * Constants, words by channel: bytes w00 w01 w02 w11; w10 w21 w12 0; w20 0 w22 0; twice the bias;
 * multiplier; 2^(32 + shift).
 */
#ifndef VPR_DEPTHWISE_PLANES_DSP_S8_H
#define VPR_DEPTHWISE_PLANES_DSP_S8_H

#include "vpr_dsp.h"

/* Four channels of 4 x `blocks` pixels, `channels` bytes each, to four planes `width` apart. SEL takes
 * bytes 0 and 2 from its first operand. Assembly, as the GE flags must live through the loop. */
VPR_INLINE void vpr_transpose_dsp_s8(const int8_t *from, int32_t channels, int32_t blocks,
                                     int32_t width, int8_t *to)
{
    const int8_t *const end = to + 4 * blocks;
    uint32_t a, b, c, d, t, u;
    __asm__ volatile("mov %[a], #0x00ff00ff\n\t"
                     "mvn %[b], #0\n\t"
                     "uadd8 %[a], %[a], %[b]\n\t" /* GE of bytes 0 and 2 */
                     "1:\n\t"
                     "ldr %[b], [%[from], %[c1]]\n\t"
                     "ldr %[c], [%[from], %[c2]]\n\t"
                     "ldr %[d], [%[from], %[c3]]\n\t"
                     "ldr %[a], [%[from]]\n\t"
                     "add.w %[from], %[from], %[c4]\n\t"
                     "pkhbt %[t], %[a], %[c], lsl #16\n\t" /* a0 a1 c0 c1 */
                     "pkhtb %[c], %[c], %[a], asr #16\n\t" /* a2 a3 c2 c3 */
                     "pkhbt %[u], %[b], %[d], lsl #16\n\t"
                     "pkhtb %[d], %[d], %[b], asr #16\n\t"
                     "lsl %[a], %[u], #8\n\t"
                     "sel %[a], %[t], %[a]\n\t" /* a0 b0 c0 d0 */
                     "lsr %[t], %[t], #8\n\t"
                     "sel %[u], %[t], %[u]\n\t" /* a1 b1 c1 d1 */
                     "lsl %[b], %[d], #8\n\t"
                     "sel %[b], %[c], %[b]\n\t"
                     "lsr %[c], %[c], #8\n\t"
                     "sel %[d], %[c], %[d]\n\t"
                     "str %[u], [%[to], %[p1]]\n\t"
                     "str %[b], [%[to], %[p2]]\n\t"
                     "str %[d], [%[to], %[p3]]\n\t"
                     "str %[a], [%[to]], #4\n\t"
                     "cmp %[to], %[end]\n\t"
                     "bne 1b\n\t"
                     : [from] "+&r"(from), [to] "+&r"(to), [a] "=&r"(a), [b] "=&r"(b),
                       [c] "=&r"(c), [d] "=&r"(d), [t] "=&r"(t), [u] "=&r"(u)
                     : [end] "r"(end), [c1] "n"(channels), [c2] "n"(2 * channels),
                       [c3] "n"(3 * channels), [c4] "n"(4 * channels), [p1] "n"(width),
                       [p2] "n"(2 * width), [p3] "n"(3 * width)
                     : "cc", "memory");
}

/* One kernel row for two neighbouring outputs, stride 1. Taps 0 and 2 are the halves of `w`, tap 1 is
 * the half `half` of `u`; `from` says what the sums start with. */
#define VPR_PLANE_ROW_1(where, fifth, w, half, u, from)                                        \
    "ldr %[e], " where "\n\t"                                                                  \
    "sxtb16 %[o], %[e], ror #8\n\t"                                                            \
    "sxtb16 %[e], %[e]\n\t"                                                                    \
    "smlad %[a0], %[e], " w ", " from(0) "\n\t"                                                \
    "smlad %[a1], %[o], " w ", " from(1) "\n\t"                                                \
    "smlab" half " %[a0], %[o], " u ", %[a0]\n\t"                                              \
    "smlat" half " %[a1], %[e], " u ", %[a1]\n\t"
/* Likewise with stride 2, for which the fifth column is loaded by itself. */
#define VPR_PLANE_ROW_2(where, fifth, w, half, u, from)                                        \
    "ldr %[e], " where "\n\t"                                                                  \
    "sxtb16 %[o], %[e], ror #8\n\t"                                                            \
    "sxtb16 %[e], %[e]\n\t"                                                                    \
    "smlad %[a0], %[e], " w ", " from(0) "\n\t"                                                \
    "smlab" half " %[a0], %[o], " u ", %[a0]\n\t"                                              \
    "smlat" half " %[a1], %[o], " u ", " from(1) "\n\t"                                        \
    "ldrsb %[o], " fifth "\n\t"                                                                \
    "pkhbt %[o], %[o], %[e]\n\t"                                                               \
    "smladx %[a1], %[o], " w ", %[a1]\n\t"
#define VPR_PLANE_BIAS(k) "%[a1]"
#define VPR_PLANE_SUM(k) "%[a" #k "]"

/* Two outputs as int32; the last kernel row steps on. */
#define VPR_PLANE_PAIR(ROW, step)                                                              \
    "ldr %[a1], [%[k], #12]\n\t"                                                               \
    ROW("[%[p], %[r2]]", "[%[p], %[f2]]", "%[w2]", "b", "%[u1]", VPR_PLANE_BIAS)               \
    ROW("[%[p], %[r1]]", "[%[p], %[f1]]", "%[w1]", "t", "%[u0]", VPR_PLANE_SUM)                \
    ROW("[%[p]], " step, "[%[p]]", "%[w0]", "b", "%[u0]", VPR_PLANE_SUM)
#define VPR_PLANE_AWAY                                                                         \
    "add %[a0], %[a0], %[a0], asr #31\n\t"                                                     \
    "add %[a1], %[a1], %[a1], asr #31\n\t"
#define VPR_PLANE_CLAMPED
#define VPR_PLANE_OUTPUTS(ROUND)                                                               \
    "ldrd %[e], %[o], [%[k], #16]\n\t"                                                         \
    "smmulr %[a0], %[a0], %[e]\n\t"                                                            \
    "smmulr %[a1], %[a1], %[e]\n\t" ROUND                                                      \
    "smmlar %[a0], %[a0], %[o], %[z]\n\t"                                                      \
    "smmlar %[a1], %[a1], %[o], %[z]\n\t"                                                      \
    "ssat %[a0], #8, %[a0]\n\t"                                                                \
    "ssat %[a1], #8, %[a1]\n\t"

/* What a store may step by without an addition. */
#define VPR_PLANE_NEAR_TWO "strb %[a0], [%[out]], %[c]\n\tstrb %[a1], [%[out]], %[c]\n\t"
#define VPR_PLANE_NEAR_ONE "strb %[a0], [%[out]], %[c]\n\t"
#define VPR_PLANE_FAR_TWO                                                                      \
    "strb %[a1], [%[out], %[c]]\n\t"                                                           \
    "strb %[a0], [%[out]]\n\t"                                                                 \
    "add.w %[out], %[out], %[cc]\n\t"
#define VPR_PLANE_FAR_ONE                                                                      \
    "strb %[a0], [%[out]]\n\t"                                                                 \
    "add.w %[out], %[out], %[c]\n\t"

/* All rows of a plane, from `p` to `last`. */
#define VPR_PLANE(ROW, step, ROUND, TWO, ONE)                                                  \
    __asm__ volatile("ldrd %[w0], %[w1], [%[k]]\n\t"                                           \
                     "ldr %[w2], [%[k], #8]\n\t"                                               \
                     "sxtb16 %[u0], %[w0], ror #8\n\t"                                         \
                     "sxtb16 %[u1], %[w1], ror #8\n\t"                                         \
                     "sxtb16 %[w0], %[w0]\n\t"                                                 \
                     "sxtb16 %[w1], %[w1]\n\t"                                                 \
                     "sxtb16 %[w2], %[w2]\n\t"                                                 \
                     "sadd16 %[u0], %[u0], %[u0]\n\t"                                          \
                     "sadd16 %[u1], %[u1], %[u1]\n\t"                                          \
                     "sadd16 %[w0], %[w0], %[w0]\n\t"                                          \
                     "sadd16 %[w1], %[w1], %[w1]\n\t"                                          \
                     "sadd16 %[w2], %[w2], %[w2]\n\t"                                          \
                     "mov %[z], %[zero]\n\t"                                                   \
                     "1:\n\t"                                                                  \
                     ".if %c[pairs]\n\t"                                                       \
                     "add.w %[end], %[p], %[even]\n\t"                                         \
                     "2:\n\t" VPR_PLANE_PAIR(ROW, step) VPR_PLANE_OUTPUTS(ROUND) TWO           \
                     "cmp %[p], %[end]\n\t"                                                    \
                     "bne 2b\n\t"                                                              \
                     ".endif\n\t"                                                              \
                     ".if %c[odd]\n\t" VPR_PLANE_PAIR(ROW, step) VPR_PLANE_OUTPUTS(ROUND) ONE  \
                     ".endif\n\t"                                                              \
                     "add.w %[p], %[p], %[skip]\n\t"                                           \
                     "ldr %[e], %[last]\n\t"                                                   \
                     "cmp %[p], %[e]\n\t"                                                      \
                     "bne 1b\n\t"                                                              \
                     : [p] "+&r"(p), [out] "+&r"(out), [k] "+&r"(k), [a0] "=&r"(a0),           \
                       [a1] "=&r"(a1), [e] "=&r"(e), [o] "=&r"(o), [w0] "=&r"(w0),             \
                       [w1] "=&r"(w1), [w2] "=&r"(w2), [u0] "=&r"(u0), [u1] "=&r"(u1),         \
                       [z] "=&r"(z), [end] "=&r"(end)                                          \
                     : [last] "m"(last), [zero] "n"(range.zero_point), [r1] "n"(row_bytes),    \
                       [r2] "n"(2 * row_bytes), [f1] "n"(row_bytes + 4),                       \
                       [f2] "n"(2 * row_bytes + 4), [c] "n"(s.in_channels),                    \
                       [cc] "n"(2 * s.in_channels), [pairs] "n"(s.out_columns / 2),            \
                       [odd] "n"(s.out_columns % 2),                                           \
                       [even] "n"(s.out_columns / 2 * 2 * s.stride_columns),                   \
                       [skip] "n"(row_bytes * s.stride_rows -                                  \
                                  (s.out_columns + 1) / 2 * 2 * s.stride_columns)              \
                     : "cc", "memory")
#define VPR_PLANE_BY_ROUND(ROW, step, TWO, ONE)                                                \
    do {                                                                                       \
        if (range.zero_point == range.low) {                                                   \
            VPR_PLANE(ROW, step, VPR_PLANE_CLAMPED, TWO, ONE);                                 \
        } else {                                                                               \
            VPR_PLANE(ROW, step, VPR_PLANE_AWAY, TWO, ONE);                                    \
        }                                                                                      \
    } while (0)

/* Columns of a plane: a multiple of 4, with what the last word reads beyond the last column. */
VPR_INLINE int32_t vpr_plane_width(const struct vpr_depthwise s)
{
    return ((s.out_columns + 1) / 2 * 2 * s.stride_columns + s.kernel_columns + 3) / 4 * 4;
}

/* `rows` output rows of one channel; `row_bytes` lie between rows of the plane. */
VPR_INLINE void vpr_depthwise_plane_dsp_s8(const struct vpr_depthwise s, const int8_t *p,
                                           int32_t rows, const uint32_t *k,
                                           const struct vpr_range range, int8_t *out)
{
    const int32_t row_bytes = 4 * vpr_plane_width(s);
    const int8_t *const last = p + rows * s.stride_rows * row_bytes;
    const int8_t *end;
    uint32_t e, o, w0, w1, w2, u0, u1;
    int32_t a0, a1, z;
    if (s.stride_rows == 1 && s.in_channels < 256) {
        VPR_PLANE_BY_ROUND(VPR_PLANE_ROW_1, "#2", VPR_PLANE_NEAR_TWO, VPR_PLANE_NEAR_ONE);
    } else if (s.stride_rows == 1) {
        VPR_PLANE_BY_ROUND(VPR_PLANE_ROW_1, "#2", VPR_PLANE_FAR_TWO, VPR_PLANE_FAR_ONE);
    } else if (s.in_channels < 256) {
        VPR_PLANE_BY_ROUND(VPR_PLANE_ROW_2, "#4", VPR_PLANE_NEAR_TWO, VPR_PLANE_NEAR_ONE);
    } else {
        VPR_PLANE_BY_ROUND(VPR_PLANE_ROW_2, "#4", VPR_PLANE_FAR_TWO, VPR_PLANE_FAR_ONE);
    }
}

/* One image row, four channels of it from `in` on, to planes. */
VPR_INLINE void vpr_plane_row_dsp_s8(const struct vpr_depthwise s, const int8_t *in, int8_t *to)
{
    const int32_t width = vpr_plane_width(s), room = width - s.pad_left;
    const int32_t columns = s.in_columns < room ? s.in_columns : room;
    to += s.pad_left;
    if (columns < 4) {
        for (int32_t x = 0; x < columns; ++x) {
            for (int32_t k = 0; k < 4; ++k) {
                to[k * width + x] = in[x * s.in_channels + k];
            }
        }
        return;
    }
    vpr_transpose_dsp_s8(in, s.in_channels, columns / 4, width, to);
    if (columns % 4 != 0) {
        /* The last four, some of them for the second time. */
        vpr_transpose_dsp_s8(in + (columns - 4) * s.in_channels, s.in_channels, 1, width,
                             to + columns - 4);
    }
}

VPR_INLINE void vpr_depthwise_planes_dsp_s8(const struct vpr_depthwise s, const int8_t *input,
                                            int8_t zero_point, const void *constants,
                                            const struct vpr_range range, int8_t *output,
                                            void *scratch)
{
    enum { WORDS = 6 };
    const int32_t channels = s.in_channels, width = vpr_plane_width(s);
    const int32_t overlap = s.kernel_rows - s.stride_rows;
    int8_t *const planes = (int8_t *)scratch;
    memset(planes, zero_point, (size_t)((s.band * s.stride_rows + overlap) * 4 * width));
    for (int32_t top = 0; top < s.out_rows; top += s.band) {
        const int32_t rows = top + s.band > s.out_rows ? s.out_rows - top : s.band;
        for (int32_t done = 0; done < channels; done += 4) {
            const int32_t group = done + 4 > channels ? channels - 4 : done;
            for (int32_t r = 0; r < rows * s.stride_rows + overlap; ++r) {
                const int32_t y = top * s.stride_rows + r - s.pad_top;
                if (y < 0 || y >= s.in_rows) {
                    memset(planes + r * 4 * width, zero_point, (size_t)(4 * width));
                } else {
                    vpr_plane_row_dsp_s8(s, input + y * s.in_columns * channels + group,
                                         planes + r * 4 * width);
                }
            }
            for (int32_t c = done - group; c < 4; ++c) {
                vpr_depthwise_plane_dsp_s8(
                    s, planes + c * width, rows,
                    (const uint32_t *)constants + (group + c) * WORDS, range,
                    output + top * s.out_columns * channels + group + c);
            }
        }
    }
    vpr_narrow_s8(output, s.out_rows * s.out_columns * channels, range);
}

#endif /* VPR_DEPTHWISE_PLANES_DSP_S8_H */
