/* L2_NORMALIZATION, int8: one fixed-point inverse square root a row. */
#ifndef VPR_L2_NORMALIZATION_S8_H
#define VPR_L2_NORMALIZATION_S8_H

#include "vpr_rows.h"

/* A factor multiplier * 2^(shift - 31). */
struct vpr_inverse_root {
    int32_t multiplier, shift;
};

/* 1 / sqrt(sum) as tflite-micro's `kernels/internal/common.h` computes it: five Newton-Raphson
 * steps on numbers with three integer bits. Sums of 0 and 1 give almost 1. */
VPR_INLINE struct vpr_inverse_root vpr_inverse_square_root(int32_t sum)
{
    struct vpr_inverse_root found = {0x7fffffff, 0};
    if (sum <= 1) {
        return found;
    }
    int32_t right = 11;
    for (; sum >= 1 << 29; sum /= 4) {
        ++right;
    }
    for (; sum < 1 << 27; sum *= 4) {
        --right;
    }
    const int32_t half = vpr_shift_right(sum >> 1, 1);
    int32_t root = 1 << 28;
    for (int32_t step = 0; step < 5; ++step) {
        const int64_t cube = (int64_t)vpr_high_mul(vpr_high_mul(root, root), root) * 64;
        const int32_t capped = cube > 0x7fffffff ? 0x7fffffff : (int32_t)cube;
        root = (vpr_high_mul(3 << 27, root) - vpr_high_mul(half, capped)) * 8;
    }
    /* sqrt(1/2). */
    found.multiplier = vpr_high_mul(root, 1518500250);
    if (right < 0) {
        found.multiplier *= 1 << -right;
        right = 0;
    }
    found.shift = -right;
    return found;
}

VPR_INLINE void vpr_l2_normalization_s8(const struct vpr_rows s, const int8_t *input,
                                        int32_t zero_point, int8_t *output)
{
    for (int32_t i = 0; i < s.rows; ++i) {
        int32_t sum = 0;
        for (int32_t k = 0; k < s.depth; ++k) {
            const int32_t x = input[k] - zero_point;
            sum += x * x;
        }
        const struct vpr_inverse_root root = vpr_inverse_square_root(sum);
        for (int32_t k = 0; k < s.depth; ++k) {
            /* The output has the scale 2^-7. */
            const int32_t y =
                vpr_requantize(input[k] - zero_point, root.multiplier, root.shift + 7);
            output[k] = (int8_t)vpr_clamp(y, -128, 127);
        }
        input += s.depth;
        output += s.depth;
    }
}

#endif /* VPR_L2_NORMALIZATION_S8_H */
