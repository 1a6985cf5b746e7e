/* SOFTMAX, int8: exponentials from a table, one fixed-point reciprocal a row.
 *
 * gemmlowp's arithmetic: a number in the format Fn is an int32 with n integer bits.
 */
#ifndef VPR_SOFTMAX_S8_H
#define VPR_SOFTMAX_S8_H

#include "vpr_rows.h"

/* What a row's elements are multiplied with: a factor in F0 and a shift to the right. */
struct vpr_softmax_scale {
    int32_t factor, shift;
};

/* 1 / sum for a sum of exponentials in F12, by three Newton-Raphson steps. */
VPR_INLINE struct vpr_softmax_scale vpr_softmax_reciprocal(uint32_t sum, int32_t bits)
{
    struct vpr_softmax_scale scale = {0, 12 + 31 - bits};
    while (!(sum & 0x80000000u)) {
        sum <<= 1;
        --scale.shift;
    }
    /* The normalised sum is 1 + x with x in F0; half of it, in F0. */
    const int32_t half = (int32_t)((((int64_t)(sum - 0x80000000u)) + ((int64_t)1 << 31)) >> 1);
    int32_t guess = 1515870810 + vpr_high_mul(-1010580540, half);
    for (int i = 0; i < 3; ++i) {
        const int32_t rest = (1 << 29) - vpr_high_mul(half, guess);
        guess += (int32_t)((uint32_t)vpr_high_mul(rest, guess) << 2);
    }
    scale.factor = guess > 0x3fffffff ? 0x7fffffff : (int32_t)((uint32_t)guess << 1);
    return scale;
}

/* x / 2^exponent for x >= 0, rounded to nearest and half up; exponent in [1, 43]. */
VPR_INLINE int32_t vpr_softmax_shift(int32_t x, int32_t exponent)
{
    /* What is less than 2^31 is less than half of 2^32. */
    return exponent > 31 ? 0 : (int32_t)(((uint32_t)x + (1u << (exponent - 1))) >> exponent);
}

/* The sum of a row's exponentials, in F12, and the row's maximum. */
VPR_INLINE uint32_t vpr_softmax_sum(const int8_t *row, int32_t depth, const int32_t *exponentials,
                                    int32_t *maximum)
{
    int32_t most = -128, sum = 0;
    for (int32_t k = 0; k < depth; ++k) {
        most = row[k] > most ? row[k] : most;
    }
    for (int32_t k = 0; k < depth; ++k) {
        sum += vpr_softmax_shift(exponentials[most - row[k]], 12);
    }
    *maximum = most;
    return (uint32_t)sum;
}

VPR_INLINE void vpr_softmax_s8(const struct vpr_rows s, const int8_t *input,
                               const int32_t *exponentials, int8_t *output)
{
    for (int32_t i = 0; i < s.rows; ++i) {
        int32_t most;
        const uint32_t sum = vpr_softmax_sum(input, s.depth, exponentials, &most);
        const struct vpr_softmax_scale scale = vpr_softmax_reciprocal(sum, 8);
        for (int32_t k = 0; k < s.depth; ++k) {
            const int32_t product = vpr_high_mul(exponentials[most - input[k]], scale.factor);
            const int32_t share = vpr_softmax_shift(product, scale.shift);
            output[k] = (int8_t)(share > 255 ? 127 : share - 128);
        }
        input += s.depth;
        output += s.depth;
    }
}

VPR_INLINE void vpr_softmax_s8_s16(const struct vpr_rows s, const int8_t *input,
                                   const int32_t *exponentials, int16_t *output)
{
    for (int32_t i = 0; i < s.rows; ++i) {
        int32_t most;
        const uint32_t sum = vpr_softmax_sum(input, s.depth, exponentials, &most);
        const struct vpr_softmax_scale scale = vpr_softmax_reciprocal(sum, 16);
        for (int32_t k = 0; k < s.depth; ++k) {
            const int32_t product = vpr_high_mul(exponentials[most - input[k]], scale.factor);
            const int32_t share = vpr_softmax_shift(product, scale.shift);
            output[k] = (int16_t)(share > 65535 ? 32767 : share - 32768);
        }
        input += s.depth;
        output += s.depth;
    }
}

#endif /* VPR_SOFTMAX_S8_H */
