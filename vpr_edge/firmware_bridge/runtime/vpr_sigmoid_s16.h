/* LOGISTIC and TANH, int16, by TFLM's table of the logistic function at i / 24. */
#ifndef VPR_SIGMOID_S16_H
#define VPR_SIGMOID_S16_H

#include "vpr_common.h"

/* table[magnitude / 2^bits] 2^bits, between its entries by the chord. */
VPR_INLINE int32_t vpr_chord(const uint16_t *table, int32_t magnitude, int32_t bits,
                             int32_t beyond)
{
    const int32_t index = magnitude >> bits;
    if (index >= 255) {
        return (int32_t)((uint32_t)beyond << bits);
    }
    const int32_t low = table[index], high = table[index + 1];
    return (low << bits) + (magnitude & ((1 << bits) - 1)) * (high - low);
}

/* An input's place in the table. */
VPR_INLINE int32_t vpr_place(int32_t x, int32_t factor, int32_t shift)
{
    const int32_t product = x * factor;
    return shift == 0 ? product : (int32_t)(((int64_t)product + (1 << (shift - 1))) >> shift);
}

VPR_INLINE void vpr_logistic_row_s16(const uint16_t *table, const int16_t *input, int32_t count,
                                     int32_t factor, int32_t shift, int16_t *output)
{
    for (int32_t k = 0; k < count; ++k) {
        const int32_t x = vpr_place(input[k], factor, shift);
        const int32_t y = vpr_chord(table, x < 0 ? -x : x, 9, 0xfffe);
        output[k] = (int16_t)((x < 0 ? (1 << 25) - y + 511 : y + 512) >> 10);
    }
}

VPR_INLINE void vpr_tanh_row_s16(const uint16_t *table, const int16_t *input, int32_t count,
                                 int32_t factor, int32_t shift, int16_t *output)
{
    for (int32_t k = 0; k < count; ++k) {
        const int32_t x = vpr_place(input[k], factor, shift);
        const int32_t y = vpr_chord(table, x < 0 ? -x : x, 8, 0xffff) - (1 << 23);
        output[k] = (int16_t)((x < 0 ? 127 - y : y + 128) >> 8);
    }
}

#endif /* VPR_SIGMOID_S16_H */
