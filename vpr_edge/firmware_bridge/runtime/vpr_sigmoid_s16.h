/* Logistic and hyperbolic tangent by one table of 256 samples of the logistic function at i / 24.
 *
 * Arguments are in steps of 2^-12 / 3, results in steps of 2^-15.
 */
#ifndef VPR_SIGMOID_S16_H
#define VPR_SIGMOID_S16_H

#include "vpr_common.h"

/* Between two samples; `bits` of the magnitude say how far, and the result has as many more. */
VPR_INLINE int32_t vpr_sigmoid_between(const uint16_t *table, int32_t magnitude, int32_t bits)
{
    const uint16_t *sample = table + (magnitude >> bits);
    const int32_t fraction = magnitude & ((1 << bits) - 1);
    return ((int32_t)sample[0] << bits) + fraction * ((int32_t)sample[1] - (int32_t)sample[0]);
}

VPR_INLINE int32_t vpr_logistic_s16(const uint16_t *table, int32_t x)
{
    const int32_t magnitude = x < 0 ? -x : x;
    const int32_t value = magnitude >> 9 >= 255 ? 32767 * (1 << 10)
                                                : vpr_sigmoid_between(table, magnitude, 9);
    return (x < 0 ? (1 << 25) - value + (1 << 9) - 1 : value + (1 << 9)) >> 10;
}

/* tanh(x) = 2 logistic(2 x) - 1. */
VPR_INLINE int32_t vpr_tanh_s16(const uint16_t *table, int32_t x)
{
    const int32_t magnitude = x < 0 ? -x : x;
    const int32_t value = (magnitude >> 8 >= 255 ? 65535 * (1 << 8)
                                                 : vpr_sigmoid_between(table, magnitude, 8)) -
                          (1 << 23);
    return (x < 0 ? -value + (1 << 7) - 1 : value + (1 << 7)) >> 8;
}

#endif /* VPR_SIGMOID_S16_H */
