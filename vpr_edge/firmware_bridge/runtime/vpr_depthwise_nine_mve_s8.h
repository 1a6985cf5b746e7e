/* DEPTHWISE_CONV_2D, int8, nine taps, with Helium: one pixel by sixteen channels.
 *
 * VMULLB and VMULLT make 16-bit products of the even and of the odd channels. Two taps' products sum
 * within 16 bits, as no weight is -128, and are widened into four vectors of sums. A tap outside the
 * image reads a row of zero points. The loop over channels is tail-predicated; the channels are a
 * multiple of four, so that no sum is cut.
 *
 * Stream of words for each block of sixteen channels, filled up with zeros: 9 x 16 bytes of weights;
 * then of the channels 0 4 8 12, of 2 6 10 14, of 1 5 9 13 and of 3 7 11 15 four biases, multipliers
 * and shifts, which are in [-31, -2].
 *
 * Scratch: a row of zero points, filled up to blocks.
 */
#ifndef VPR_DEPTHWISE_NINE_MVE_S8_H
#define VPR_DEPTHWISE_NINE_MVE_S8_H

#include "vpr_mve.h"

/* The kernel reads these by their places. */
struct vpr_nine {
    const int8_t *tap[9];
    const void *stream;
    int8_t *output;
    int32_t zero_point;
    int32_t step; /* bytes from a pixel's taps to the next one's, less what the blocks have moved them */
    int32_t channels;
    int32_t back; /* bytes that the blocks have moved the output too far */
    int32_t pixels;
};

/* Adds the products of two taps to the sums in q0 (channels 0 4 8 12), q1 (2 6 10 14), q2 (1 5 9 13)
 * and on the stack (3 7 11 15), which are in q5 afterwards. */
#define VPR_NINE_TWO(A, B)                                                                     \
    "vldrb.u8 q3, [" A "], #16\n\t"                                                            \
    "vldrb.u8 q4, [r9], #16\n\t"                                                               \
    "vmullb.s8 q7, q3, q4\n\t"                                                                 \
    "vldrb.u8 q5, [" B "], #16\n\t"                                                            \
    "vmullt.s8 q4, q3, q4\n\t"                                                                 \
    "vldrb.u8 q6, [r9], #16\n\t"                                                               \
    "vmullb.s8 q3, q5, q6\n\t"                                                                 \
    "vmullt.s8 q6, q5, q6\n\t"                                                                 \
    "vadd.i16 q7, q7, q3\n\t"                                                                  \
    "vadd.i16 q4, q4, q6\n\t"                                                                  \
    "vmovlb.s16 q3, q7\n\t"                                                                    \
    "vmovlt.s16 q6, q7\n\t"                                                                    \
    "vldrw.u32 q5, [sp]\n\t"                                                                   \
    "vadd.i32 q0, q0, q3\n\t"                                                                  \
    "vadd.i32 q1, q1, q6\n\t"                                                                  \
    "vmovlb.s16 q3, q4\n\t"                                                                    \
    "vmovlt.s16 q6, q4\n\t"                                                                    \
    "vadd.i32 q2, q2, q3\n\t"                                                                  \
    "vadd.i32 q5, q5, q6\n\t"
#define VPR_NINE_KEEP "vstrw.32 q5, [sp]\n\t"

#define VPR_NINE_CLAMPED(S)
#define VPR_NINE_AWAY(S)                                                                       \
    "vshr.s32 q4, " S ", #31\n\t"                                                              \
    "vadd.i32 " S ", " S ", q4\n\t"
#define VPR_NINE_QUARTER(S, ROUND)                                                             \
    "vldrw.u32 q3, [r9], #16\n\t"                                                              \
    "vadd.i32 " S ", " S ", q3\n\t"                                                            \
    "vldrw.u32 q4, [r9], #16\n\t"                                                              \
    "vqrdmulh.s32 " S ", " S ", q4\n\t" ROUND(S)                                               \
    "vldrw.u32 q3, [r9], #16\n\t"                                                              \
    "vrshl.s32 " S ", " S ", q3\n\t"

/* On the stack: four sums; then at 16 the stream, zero point, step, channels, back, pixels. */
#define VPR_NINE_BODY(ROUND)                                                                   \
    "push {r4-r11, lr}\n\t"                                                                    \
    "vpush {d8-d15}\n\t"                                                                       \
    "sub sp, sp, #44\n\t"                                                                      \
    "add r1, r0, #44\n\t"                                                                      \
    "ldm r1, {r3, r4, r5, r6, r7}\n\t"                                                         \
    "ldrd r2, r10, [r0, #36]\n\t"                                                              \
    "add r1, sp, #16\n\t"                                                                      \
    "stm r1, {r2, r3, r4, r5, r6, r7}\n\t"                                                     \
    "ldm r0, {r0, r1, r2, r3, r4, r5, r6, r7, r8}\n\t"                                         \
    "1:\n\t"                                                                                   \
    "ldrd r9, r11, [sp, #16]\n\t"                                                              \
    "ldr r12, [sp, #28]\n\t"                                                                   \
    "dlstp.8 lr, r12\n\t"                                                                      \
    "2:\n\t"                                                                                   \
    "vldrb.u8 q3, [r0], #16\n\t"                                                               \
    "vldrb.u8 q4, [r9], #16\n\t"                                                               \
    "vmullb.s8 q5, q3, q4\n\t"                                                                 \
    "vmullt.s8 q6, q3, q4\n\t"                                                                 \
    "vmovlt.s16 q7, q6\n\t"                                                                    \
    "vmovlb.s16 q2, q6\n\t"                                                                    \
    "vstrw.32 q7, [sp]\n\t"                                                                    \
    "vmovlb.s16 q0, q5\n\t"                                                                    \
    "vmovlt.s16 q1, q5\n\t"                                                                    \
    VPR_NINE_TWO("r1", "r2") VPR_NINE_KEEP                                                     \
    VPR_NINE_TWO("r3", "r4") VPR_NINE_KEEP                                                     \
    VPR_NINE_TWO("r5", "r6") VPR_NINE_KEEP                                                     \
    VPR_NINE_TWO("r7", "r8")                                                                   \
    VPR_NINE_QUARTER("q0", ROUND) VPR_NINE_QUARTER("q1", ROUND)                                \
    VPR_NINE_QUARTER("q2", ROUND) VPR_NINE_QUARTER("q5", ROUND)                                \
    "vqmovnb.s32 q0, q0\n\t"                                                                   \
    "vqmovnb.s32 q2, q2\n\t"                                                                   \
    "vqmovnt.s32 q0, q1\n\t"                                                                   \
    "vqmovnt.s32 q2, q5\n\t"                                                                   \
    "vqadd.s16 q0, q0, r11\n\t"                                                                \
    "vqadd.s16 q2, q2, r11\n\t"                                                                \
    "vqmovnb.s16 q0, q0\n\t"                                                                   \
    "vqmovnt.s16 q0, q2\n\t"                                                                   \
    "vstrb.8 q0, [r10], #16\n\t"                                                               \
    "letp lr, 2b\n\t"                                                                          \
    "ldrd r11, r12, [sp, #32]\n\t"                                                             \
    "sub r10, r10, r11\n\t"                                                                    \
    "subs r12, r12, #1\n\t"                                                                    \
    "str r12, [sp, #36]\n\t"                                                                   \
    "ldr r12, [sp, #24]\n\t"                                                                   \
    "add r0, r0, r12\n\t"                                                                      \
    "add r1, r1, r12\n\t"                                                                      \
    "add r2, r2, r12\n\t"                                                                      \
    "add r3, r3, r12\n\t"                                                                      \
    "add r4, r4, r12\n\t"                                                                      \
    "add r5, r5, r12\n\t"                                                                      \
    "add r6, r6, r12\n\t"                                                                      \
    "add r7, r7, r12\n\t"                                                                      \
    "add r8, r8, r12\n\t"                                                                      \
    "bne.w 1b\n\t"                                                                             \
    "add sp, sp, #44\n\t"                                                                      \
    "vpop {d8-d15}\n\t"                                                                        \
    "pop {r4-r11, pc}\n\t"

#define VPR_NINE_KERNEL(name, ROUND)                                                           \
    static VPR_NAKED void name(const struct vpr_nine *n VPR_UNUSED)                            \
    {                                                                                          \
        __asm__ volatile(VPR_NINE_BODY(ROUND)                                                  \
                         :                                                                     \
                         :                                                                     \
                         : "r0", "r1", "r2", "r3", "r12", "q0", "q1", "q2", "q3", "cc",        \
                           "memory");                                                          \
    }
VPR_NINE_KERNEL(vpr_nine_away_mve_s8, VPR_NINE_AWAY)
VPR_NINE_KERNEL(vpr_nine_clamped_mve_s8, VPR_NINE_CLAMPED)

VPR_INLINE void vpr_nine_mve_s8(const struct vpr_nine *n, const struct vpr_range range)
{
    if (range.zero_point == range.low) {
        vpr_nine_clamped_mve_s8(n);
    } else {
        vpr_nine_away_mve_s8(n);
    }
}

VPR_INLINE void vpr_depthwise_nine_mve_s8(const struct vpr_depthwise s, const int8_t *input,
                                          int8_t zero_point, const void *stream,
                                          const struct vpr_range range, int8_t *output,
                                          void *scratch)
{
    const int32_t channels = s.in_channels, filled = (channels + 15) / 16 * 16;
    const int32_t row_bytes = s.in_columns * channels;
    const int8_t *const zeros = (const int8_t *)scratch;
    /* The output columns from `first` to `end` have their kernels inside the image. */
    const int32_t first = (s.pad_left + s.stride_columns - 1) / s.stride_columns;
    const int32_t room = s.in_columns - 1 - 2 * s.dilation_columns + s.pad_left;
    const int32_t past = room < 0 ? 0 : room / s.stride_columns + 1;
    const int32_t end = past < s.out_columns ? past : s.out_columns;
    struct vpr_nine n = {{NULL}, stream, output, range.zero_point,
                         s.stride_columns * channels - filled, channels, filled - channels, 1};
    memset(scratch, zero_point, (size_t)filled);
    for (int32_t y = 0; y < s.out_rows; ++y) {
        const int32_t top = y * s.stride_rows - s.pad_top;
        for (int32_t x = 0; x < s.out_columns; x += n.pixels) {
            const int32_t left = x * s.stride_columns - s.pad_left;
            /* Rows outside the image stay there for one pixel alone, as the taps move on. */
            const int full = top >= 0 && top + 2 * s.dilation_rows < s.in_rows;
            n.pixels = full && x >= first && x < end ? end - x : 1;
            for (int32_t t = 0; t < 9; ++t) {
                const int32_t r = top + t / 3 * s.dilation_rows;
                const int32_t c = left + t % 3 * s.dilation_columns;
                const int inside = r >= 0 && r < s.in_rows && c >= 0 && c < s.in_columns;
                n.tap[t] = inside ? input + r * row_bytes + c * channels : zeros;
            }
            vpr_nine_mve_s8(&n, range);
            n.output += n.pixels * channels;
        }
    }
    vpr_narrow_s8(output, s.out_rows * s.out_columns * channels, range);
}

#endif /* VPR_DEPTHWISE_NINE_MVE_S8_H */
