/* SOFTMAX, int16, by tables of 513 entries of exp(x) on [-10, 0] and 1 / (1 + x) on [0, 1]. */
#ifndef VPR_SOFTMAX_S16_H
#define VPR_SOFTMAX_S16_H

#include "vpr_scale.h"

struct vpr_softmax_s16 {
    int32_t rows, depth;
    struct vpr_factor factor; /* from differences to the table */
};

VPR_INLINE int32_t vpr_table_s16(const int16_t *table, int32_t x)
{
    const int16_t *from = table + 256 + (x >> 7);
    const int16_t slope = (int16_t)(from[1] - from[0]);
    return from[0] + ((slope * (x & 0x7f) + 64) >> 7);
}

VPR_INLINE void vpr_softmax_s16(const struct vpr_softmax_s16 s, const int16_t *exponential,
                                const int16_t *reciprocal, const int16_t *input, int16_t *output)
{
    for (int32_t row = 0; row < s.rows; ++row) {
        int32_t most = INT16_MIN, sum = 0, zeros = 0;
        for (int32_t k = 0; k < s.depth; ++k) {
            most = input[k] > most ? input[k] : most;
        }
        for (int32_t k = 0; k < s.depth; ++k) {
            const int32_t at = vpr_requantize(input[k] - most, s.factor.multiplier, s.factor.shift);
            output[k] =
                (int16_t)vpr_table_s16(exponential, vpr_clamp(at, -65535, 0) + 32767);
            sum += output[k];
        }
        while ((((uint32_t)sum << zeros) & 0x80000000u) == 0) {
            ++zeros;
        }
        const int32_t shifted = (int32_t)((((int64_t)sum << (zeros - 1)) + (1 << 13)) >> 14);
        const int32_t inverse = vpr_table_s16(
            reciprocal, vpr_clamp(shifted - (1 << 15) - (1 << 16), INT16_MIN, INT16_MAX));
        const int32_t right = 31 - zeros;
        for (int32_t k = 0; k < s.depth; ++k) {
            const int64_t y = (int64_t)output[k] * inverse + ((int64_t)1 << (right - 1));
            output[k] = (int16_t)vpr_clamp((int32_t)(y >> right), 0, INT16_MAX);
        }
        input += s.depth;
        output += s.depth;
    }
}

#endif /* VPR_SOFTMAX_S16_H */
