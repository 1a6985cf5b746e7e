/* Half-extended int8 matrix product with the DSP extension: two pixels by four output channels.
 *
 * A halfword of weights is P + 256 Q, P and Q being one tap of two output channels. SMLAD of two
 * such halfwords as they lie with two of a pixel adds to S = sum (P + 256 Q) x; SMLAD of what SXTB16
 * makes of them adds to A = sum P x. Then sum Q x = (S - A) / 256: exact modulo 2^24, so exact where
 * |sum Q x + bias| < 2^23, which is seen to at export. One SXTB16 serves four products and its
 * result needs no register of its own, so eight sums fit: 16 products in 12 instructions.
 *
 * Stream of words for each group of four output channels: the biases as A, S of channels 0 and 1, A,
 * S of channels 2 and 3; for each two taps a word of channels 0 and 1 and one of 2 and 3, the taps
 * of four in the order 0 2, 1 3; of each channel its multiplier and 2^(32 + shift).
 */
#ifndef VPR_PRODUCT_DSP_S8_H
#define VPR_PRODUCT_DSP_S8_H

#include "vpr_dsp.h"

/* The kernel reads these by their places. */
struct vpr_product {
    const uint32_t *patch, *end; /* two pixels' taps as halfwords, a word of either in turn */
    const uint32_t *stream;
    int8_t *output;
    int32_t next;   /* bytes to the second pixel's outputs; 0 when there is none */
    int32_t groups; /* of four output channels, at least one */
    int32_t zero_point;
};

/* Four taps of all eight sums: A and S of channels 0, 1 in r0-r3, of 2, 3 in r4-r7, either pixel's in
 * turn. lr: patch, r12: stream. Every instruction takes 4 bytes. */
#define VPR_PRODUCT_TWO_TAPS                                                                   \
    "ldrd r8, r9, [lr], #8\n\t"                                                                \
    "ldrd r10, r11, [r12], #8\n\t"                                                             \
    "smlad r2, r10, r8, r2\n\t"                                                                \
    "smlad r3, r10, r9, r3\n\t"                                                                \
    "sxtb16 r10, r10\n\t"                                                                      \
    "smlad r6, r11, r8, r6\n\t"                                                                \
    "smlad r7, r11, r9, r7\n\t"                                                                \
    "sxtb16 r11, r11\n\t"                                                                      \
    "smlad r0, r10, r8, r0\n\t"                                                                \
    "smlad r1, r10, r9, r1\n\t"                                                                \
    "smlad r4, r11, r8, r4\n\t"                                                                \
    "smlad r5, r11, r9, r5\n\t"
#define VPR_PRODUCT_TAPS VPR_PRODUCT_TWO_TAPS VPR_PRODUCT_TWO_TAPS

/* Takes 1 off a negative product, so that halves are rounded away from zero. */
#define VPR_PRODUCT_AWAY(r) "add " r ", " r ", " r ", asr #31\n\t"
/* Not needed where what is negative becomes the zero point anyhow. */
#define VPR_PRODUCT_CLAMPED(r)

/* Requantises a pair of channels: a, b are both pixels' A, c, d their S. */
#define VPR_PRODUCT_PAIR(a, b, c, d, ROUND)                                                    \
    "ldrd r8, r9, [r12], #8\n\t"                                                               \
    "sub " c ", " c ", " a "\n\t"                                                              \
    "sub " d ", " d ", " b "\n\t"                                                              \
    "lsl " a ", " a ", #1\n\t"                                                                 \
    "lsl " b ", " b ", #1\n\t"                                                                 \
    "smmulr " a ", " a ", r8\n\t"                                                              \
    "smmulr " b ", " b ", r8\n\t" ROUND(a) ROUND(b)                                            \
    "smmlar " a ", " a ", r9, lr\n\t"                                                          \
    "smmlar " b ", " b ", r9, lr\n\t"                                                          \
    "ldrd r8, r9, [r12], #8\n\t"                                                               \
    "asr " c ", " c ", #7\n\t"                                                                 \
    "asr " d ", " d ", #7\n\t"                                                                 \
    "smmulr " c ", " c ", r8\n\t"                                                              \
    "smmulr " d ", " d ", r8\n\t" ROUND(c) ROUND(d)                                            \
    "smmlar " c ", " c ", r9, lr\n\t"                                                          \
    "smmlar " d ", " d ", r9, lr\n\t"                                                          \
    "ssat " a ", #8, " a "\n\t"                                                                \
    "ssat " b ", #8, " b "\n\t"                                                                \
    "ssat " c ", #8, " c "\n\t"                                                                \
    "ssat " d ", #8, " d "\n\t"

/* On the stack, in words: patch, entry, end, output, next, groups, zero point. The entry leaves out
 * so much of the first round of 16 taps that the last one ends with the patch. */
#define VPR_PRODUCT_BODY(ROUND)                                                                \
    "push {r4-r11, lr}\n\t"                                                                    \
    "sub sp, sp, #28\n\t"                                                                      \
    "ldm r0, {r1, r2, r3, r4, r5, r6, r7}\n\t"                                                 \
    "mov r12, r3\n\t"                                                                          \
    "sub r3, r1, r2\n\t"                                                                       \
    "ubfx r3, r3, #4, #2\n\t" /* four taps are 16 bytes of patch */                            \
    "mov r8, #96\n\t"         /* and 96 of code */                                             \
    "mul r3, r3, r8\n\t"                                                                       \
    "adr r8, 2f\n\t"                                                                           \
    "add r3, r3, r8\n\t"                                                                       \
    "orr r3, r3, #1\n\t"                                                                       \
    "strd r1, r3, [sp]\n\t"                                                                    \
    "strd r2, r4, [sp, #8]\n\t"                                                                \
    "strd r5, r6, [sp, #16]\n\t"                                                               \
    "str r7, [sp, #24]\n\t"                                                                    \
    "1:\n\t"                                                                                   \
    "ldm r12!, {r0, r2, r4, r6}\n\t"                                                           \
    "mov r1, r0\n\t"                                                                           \
    "mov r3, r2\n\t"                                                                           \
    "mov r5, r4\n\t"                                                                           \
    "mov r7, r6\n\t"                                                                           \
    "ldr lr, [sp]\n\t"                                                                         \
    "ldr pc, [sp, #4]\n\t"                                                                     \
    ".balign 4\n\t"                                                                            \
    "2:\n\t" VPR_PRODUCT_TAPS VPR_PRODUCT_TAPS VPR_PRODUCT_TAPS VPR_PRODUCT_TAPS               \
    "ldr r8, [sp, #8]\n\t"                                                                     \
    "cmp lr, r8\n\t"                                                                           \
    "bne.w 2b\n\t"                                                                             \
    "ldr lr, [sp, #24]\n\t"                                                                    \
    VPR_PRODUCT_PAIR("r0", "r1", "r2", "r3", ROUND)                                            \
    VPR_PRODUCT_PAIR("r4", "r5", "r6", "r7", ROUND)                                            \
    "bfi r0, r2, #8, #8\n\t"                                                                   \
    "bfi r1, r3, #8, #8\n\t"                                                                   \
    "bfi r0, r4, #16, #8\n\t"                                                                  \
    "bfi r1, r5, #16, #8\n\t"                                                                  \
    "bfi r0, r6, #24, #8\n\t"                                                                  \
    "bfi r1, r7, #24, #8\n\t"                                                                  \
    "ldrd r8, r9, [sp, #12]\n\t"                                                               \
    "ldr r10, [sp, #20]\n\t"                                                                   \
    "str r1, [r8, r9]\n\t" /* first, as it lies below the other when there is one pixel */     \
    "str r0, [r8], #4\n\t"                                                                     \
    "str r8, [sp, #12]\n\t"                                                                    \
    "subs r10, r10, #1\n\t"                                                                    \
    "str r10, [sp, #20]\n\t"                                                                   \
    "bne.w 1b\n\t"                                                                             \
    "mov r0, r12\n\t"                                                                          \
    "add sp, sp, #28\n\t"                                                                      \
    "pop {r4-r11, pc}\n\t"

/* Both return where the next group's stream begins. What they clobber is told for the compilers that
 * look into what they call. */
static VPR_NAKED const uint32_t *vpr_product_away_dsp_s8(const struct vpr_product *p VPR_UNUSED)
{
    __asm__ volatile(VPR_PRODUCT_BODY(VPR_PRODUCT_AWAY)
                     :
                     :
                     : "r0", "r1", "r2", "r3", "r12", "cc", "memory");
}

static VPR_NAKED const uint32_t *vpr_product_clamped_dsp_s8(const struct vpr_product *p VPR_UNUSED)
{
    __asm__ volatile(VPR_PRODUCT_BODY(VPR_PRODUCT_CLAMPED)
                     :
                     :
                     : "r0", "r1", "r2", "r3", "r12", "cc", "memory");
}

/* All groups of one or two pixels, saturated to int8; a range that is narrower is for the caller. */
VPR_INLINE const uint32_t *vpr_product_dsp_s8(const struct vpr_product *p,
                                              const struct vpr_range range)
{
    if (range.zero_point == range.low) {
        return vpr_product_clamped_dsp_s8(p);
    }
    return vpr_product_away_dsp_s8(p);
}

#endif /* VPR_PRODUCT_DSP_S8_H */
