/* int8 matrix product with Helium: two pixels by four output channels, sixteen products at a time.
 *
 * Eight sums stay in the even core registers; of up to 32 taps so do the pixels in vector registers,
 * for all output channels. The last block of the pixels is loaded under a predicate, so what a load
 * of weights reads beyond its channel's counts for nothing.
 *
 * Stream of words for each group of four output channels: the weights, by blocks of 16 bytes of the
 * four in turn, the last block (1 to 16 taps) `stride` bytes a channel; four biases, multipliers and
 * shifts, which are in [-31, -2].
 */
#ifndef VPR_PRODUCT_MVE_S8_H
#define VPR_PRODUCT_MVE_S8_H

#include "vpr_mve.h"

/* The kernels read these by their places. */
struct vpr_product {
    const int8_t *a, *b; /* two pixels' taps */
    const void *stream;
    int8_t *output_a, *output_b;
    int32_t pairs;  /* of pixels */
    int32_t groups; /* of four output channels, at least one */
    int32_t blocks; /* before the last */
    int32_t rest;   /* taps in the last block */
    int32_t stride; /* bytes of a channel's weights for them */
    int32_t step;   /* bytes from a pair of pixels to the next */
    int32_t next;   /* bytes from the second output to that of the next pair */
    int32_t zero_point;
};

/* On the stack: the fields in their order, then the groups that are left. Sums: of pixel a in r0, r2,
 * r4, r6, of b in r8, r10, r12, lr. r1, r3: outputs, r5: stream, r9, r11: pixels. */
#define VPR_PRODUCT_ENTER                                                                      \
    "push {r4-r11, lr}\n\t"                                                                    \
    "vpush {d8-d15}\n\t"                                                                       \
    "sub sp, sp, #60\n\t"                                                                      \
    "ldm r0!, {r1, r2, r3, r4, r5, r6, r7}\n\t"                                                \
    "stm sp, {r1, r2, r3, r4, r5, r6, r7}\n\t"                                                 \
    "add r8, sp, #28\n\t"                                                                      \
    "ldm r0, {r1, r2, r3, r4, r5, r6}\n\t"                                                     \
    "stm r8, {r1, r2, r3, r4, r5, r6}\n\t"                                                     \
    "ldrd r1, r3, [sp, #12]\n\t"
#define VPR_PRODUCT_LEAVE                                                                      \
    "add sp, sp, #60\n\t"                                                                      \
    "vpop {d8-d15}\n\t"                                                                        \
    "pop {r4-r11, pc}\n\t"

/* Each pair of pixels begins with "1:", each group of output channels with "2:". */
#define VPR_PRODUCT_FIRST_GROUP                                                                \
    "1:\n\t"                                                                                   \
    "ldrd r9, r11, [sp]\n\t"                                                                   \
    "ldr r5, [sp, #8]\n\t"                                                                     \
    "ldr r7, [sp, #24]\n\t"                                                                    \
    "str r7, [sp, #52]\n\t"
#define VPR_PRODUCT_NEXT_PAIR                                                                  \
    "ldrd r9, r11, [sp]\n\t"                                                                   \
    "ldrd r6, r7, [sp, #40]\n\t"                                                               \
    "ldr r0, [sp, #20]\n\t"                                                                    \
    "add r9, r9, r6\n\t"                                                                       \
    "add r11, r11, r6\n\t"                                                                     \
    "strd r9, r11, [sp]\n\t"                                                                   \
    "mov r1, r3\n\t"                                                                           \
    "add r3, r3, r7\n\t"                                                                       \
    "subs r0, r0, #1\n\t"                                                                      \
    "str r0, [sp, #20]\n\t"                                                                    \
    "bne.w 1b\n\t"

/* Takes 1 off negative products, so that halves are rounded away from zero. */
#define VPR_PRODUCT_AWAY                                                                       \
    "vshr.s32 q7, q5, #31\n\t"                                                                 \
    "vadd.i32 q5, q5, q7\n\t"                                                                  \
    "vshr.s32 q7, q6, #31\n\t"                                                                 \
    "vadd.i32 q6, q6, q7\n\t"
/* Not needed where what is negative becomes the zero point anyhow. */
#define VPR_PRODUCT_CLAMPED
/* Eight sums to outputs. */
#define VPR_PRODUCT_OUTPUTS(ROUND)                                                             \
    "vldrw.u32 q4, [r5], #16\n\t"                                                              \
    "vmov q5[2], q5[0], r0, r4\n\t"                                                            \
    "vmov q5[3], q5[1], r2, r6\n\t"                                                            \
    "vmov q6[2], q6[0], r8, r12\n\t"                                                           \
    "vmov q6[3], q6[1], r10, lr\n\t"                                                           \
    "vadd.i32 q5, q5, q4\n\t"                                                                  \
    "vadd.i32 q6, q6, q4\n\t"                                                                  \
    "vldrw.u32 q4, [r5], #16\n\t"                                                              \
    "vqrdmulh.s32 q5, q5, q4\n\t"                                                              \
    "vqrdmulh.s32 q6, q6, q4\n\t"                                                              \
    "vldrw.u32 q4, [r5], #16\n\t" ROUND                                                        \
    "ldr r7, [sp, #48]\n\t"                                                                    \
    "vrshl.s32 q5, q5, q4\n\t"                                                                 \
    "vrshl.s32 q6, q6, q4\n\t"                                                                 \
    "vqmovnb.s32 q5, q5\n\t"                                                                   \
    "vqmovnt.s32 q5, q6\n\t"                                                                   \
    "vqadd.s16 q5, q5, r7\n\t"                                                                 \
    "vqmovnb.s16 q5, q5\n\t"                                                                   \
    "ldr r7, [sp, #52]\n\t"                                                                    \
    "vshr.u32 q6, q5, #16\n\t"                                                                 \
    "subs r7, r7, #1\n\t"                                                                      \
    "vstrb.32 q5, [r1], #4\n\t"                                                                \
    "vstrb.32 q6, [r3], #4\n\t"                                                                \
    "str r7, [sp, #52]\n\t"                                                                    \
    "bne.w 2b\n\t"

/* A block of one channel; OP is vmladav for the first and vmladava for the others. */
#define VPR_PRODUCT_CHANNEL(OP, A, B, XA, XB)                                                  \
    "vldrb.u8 q4, [r5], #16\n\t" OP ".s8 " A ", " XA ", q4\n\t" OP ".s8 " B ", " XB ", q4\n\t"
#define VPR_PRODUCT_BLOCK(OP, XA, XB)                                                          \
    VPR_PRODUCT_CHANNEL(OP, "r0", "r8", XA, XB)                                                \
    VPR_PRODUCT_CHANNEL(OP, "r2", "r10", XA, XB)                                               \
    VPR_PRODUCT_CHANNEL(OP, "r4", "r12", XA, XB)                                               \
    VPR_PRODUCT_CHANNEL(OP, "r6", "lr", XA, XB)
/* Likewise of the last block. */
#define VPR_PRODUCT_LAST_CHANNEL(OP, A, B, XA, XB)                                             \
    "vldrb.u8 q4, [r5]\n\t" OP ".s8 " A ", " XA ", q4\n\t"                                     \
    "add r5, r5, r7\n\t" OP ".s8 " B ", " XB ", q4\n\t"
#define VPR_PRODUCT_LAST(OP, XA, XB)                                                           \
    "ldr r7, [sp, #36]\n\t"                                                                    \
    VPR_PRODUCT_LAST_CHANNEL(OP, "r0", "r8", XA, XB)                                           \
    VPR_PRODUCT_LAST_CHANNEL(OP, "r2", "r10", XA, XB)                                          \
    VPR_PRODUCT_LAST_CHANNEL(OP, "r4", "r12", XA, XB)                                          \
    VPR_PRODUCT_LAST_CHANNEL(OP, "r6", "lr", XA, XB)
#define VPR_PRODUCT_TAIL(LOAD_A, LOAD_B)                                                       \
    "ldr r7, [sp, #32]\n\t"                                                                    \
    "vctp.8 r7\n\t"                                                                            \
    "vpstt\n\t"                                                                                \
    "vldrbt.u8 " LOAD_A "\n\t"                                                                 \
    "vldrbt.u8 " LOAD_B "\n\t"
#define VPR_PRODUCT_LOAD                                                                       \
    "vldrb.u8 q0, [r9], #16\n\t"                                                               \
    "vldrb.u8 q1, [r11], #16\n\t"

/* Up to 16 taps. */
#define VPR_PRODUCT_ONE(ROUND)                                                                 \
    VPR_PRODUCT_ENTER VPR_PRODUCT_FIRST_GROUP VPR_PRODUCT_TAIL("q0, [r9]", "q2, [r11]")        \
    "2:\n\t" VPR_PRODUCT_LAST("vmladav", "q0", "q2") VPR_PRODUCT_OUTPUTS(ROUND)                \
    VPR_PRODUCT_NEXT_PAIR VPR_PRODUCT_LEAVE
/* 17 to 32 taps. */
#define VPR_PRODUCT_TWO(ROUND)                                                                 \
    VPR_PRODUCT_ENTER VPR_PRODUCT_FIRST_GROUP                                                  \
    "vldrb.u8 q0, [r9]\n\t"                                                                    \
    "vldrb.u8 q2, [r11]\n\t" VPR_PRODUCT_TAIL("q1, [r9, #16]", "q3, [r11, #16]")               \
    "2:\n\t" VPR_PRODUCT_BLOCK("vmladav", "q0", "q2")                                          \
    VPR_PRODUCT_LAST("vmladava", "q1", "q3") VPR_PRODUCT_OUTPUTS(ROUND)                        \
    VPR_PRODUCT_NEXT_PAIR VPR_PRODUCT_LEAVE
/* More; blocks in twos, and one first where their number is even: the first makes the sums. */
#define VPR_PRODUCT_MORE(ROUND)                                                                \
    VPR_PRODUCT_ENTER VPR_PRODUCT_FIRST_GROUP                                                  \
    "2:\n\t"                                                                                   \
    "ldrd r9, r11, [sp]\n\t"                                                                   \
    "ldr r7, [sp, #28]\n\t" VPR_PRODUCT_LOAD                                                   \
    "subs r7, r7, #1\n\t" VPR_PRODUCT_BLOCK("vmladav", "q0", "q1")                             \
    "lsrs r7, r7, #1\n\t"                                                                      \
    "bcc 4f\n\t" VPR_PRODUCT_LOAD VPR_PRODUCT_BLOCK("vmladava", "q0", "q1")                    \
    "4:\n\t"                                                                                   \
    "cbz r7, 5f\n\t"                                                                           \
    "3:\n\t" VPR_PRODUCT_LOAD VPR_PRODUCT_BLOCK("vmladava", "q0", "q1") VPR_PRODUCT_LOAD       \
    "subs r7, r7, #1\n\t" VPR_PRODUCT_BLOCK("vmladava", "q0", "q1")                            \
    "bne 3b\n\t"                                                                               \
    "5:\n\t" VPR_PRODUCT_TAIL("q0, [r9]", "q1, [r11]")                                         \
    VPR_PRODUCT_LAST("vmladava", "q0", "q1") VPR_PRODUCT_OUTPUTS(ROUND)                        \
    VPR_PRODUCT_NEXT_PAIR VPR_PRODUCT_LEAVE

/* What is clobbered is told for the compilers that look into what they call. */
#define VPR_PRODUCT_KERNEL(name, BODY)                                                         \
    static VPR_NAKED void name(const struct vpr_product *p VPR_UNUSED)                         \
    {                                                                                          \
        __asm__ volatile(BODY                                                                  \
                         :                                                                     \
                         :                                                                     \
                         : "r0", "r1", "r2", "r3", "r12", "q0", "q1", "q2", "q3", "cc",        \
                           "memory");                                                          \
    }
VPR_PRODUCT_KERNEL(vpr_product_one_away_mve_s8, VPR_PRODUCT_ONE(VPR_PRODUCT_AWAY))
VPR_PRODUCT_KERNEL(vpr_product_two_away_mve_s8, VPR_PRODUCT_TWO(VPR_PRODUCT_AWAY))
VPR_PRODUCT_KERNEL(vpr_product_more_away_mve_s8, VPR_PRODUCT_MORE(VPR_PRODUCT_AWAY))
VPR_PRODUCT_KERNEL(vpr_product_one_clamped_mve_s8, VPR_PRODUCT_ONE(VPR_PRODUCT_CLAMPED))
VPR_PRODUCT_KERNEL(vpr_product_two_clamped_mve_s8, VPR_PRODUCT_TWO(VPR_PRODUCT_CLAMPED))
VPR_PRODUCT_KERNEL(vpr_product_more_clamped_mve_s8, VPR_PRODUCT_MORE(VPR_PRODUCT_CLAMPED))

/* All groups of all pairs, saturated to int8; a range that is narrower is for the caller. */
VPR_INLINE void vpr_product_mve_s8(const struct vpr_product *p, const struct vpr_range range)
{
    const int clamped = range.zero_point == range.low;
    if (p->blocks == 0) {
        if (clamped) {
            vpr_product_one_clamped_mve_s8(p);
        } else {
            vpr_product_one_away_mve_s8(p);
        }
    } else if (p->blocks == 1) {
        if (clamped) {
            vpr_product_two_clamped_mve_s8(p);
        } else {
            vpr_product_two_away_mve_s8(p);
        }
    } else if (clamped) {
        vpr_product_more_clamped_mve_s8(p);
    } else {
        vpr_product_more_away_mve_s8(p);
    }
}

#endif /* VPR_PRODUCT_MVE_S8_H */
