/* Bringing an integer vector to a fixed length and int8, without floats. */
#ifndef VPR_UNIT_H
#define VPR_UNIT_H

#include "vpr_common.h"

/* How a vector's elements become int8: x * multiplier / 2^shift, rounded half up. */
struct vpr_unit {
    uint32_t multiplier;
    int32_t shift;
};

/* The integer part of the square root of x < 2^62, bit by bit. */
VPR_INLINE uint32_t vpr_square_root(uint64_t x)
{
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t)1 << 60; bit != 0; bit >>= 2) {
        const uint64_t trial = root + bit;
        root >>= 1;
        if (x >= trial) {
            x -= trial;
            root += bit;
        }
    }
    return (uint32_t)root;
}

/* The factor that brings a vector with that sum of squares (< 2^62) to the length `unit` < 2^15;
 * 0 for a vector of zeros. */
static inline struct vpr_unit vpr_unit_factor(uint64_t squares, int32_t unit)
{
    struct vpr_unit factor = {0, 46};
    if (squares == 0) {
        return factor;
    }
    /* The root has 31 bits: the length times 2^(46 - shift). */
    while (squares < (uint64_t)1 << 60) {
        squares <<= 2;
        --factor.shift;
    }
    factor.multiplier = (uint32_t)(((uint64_t)unit << 46) / vpr_square_root(squares));
    return factor;
}

VPR_INLINE int8_t vpr_unit_s8(int32_t x, const struct vpr_unit factor)
{
    const int64_t product = (int64_t)x * factor.multiplier;
    const int64_t rounded = (product + ((int64_t)1 << (factor.shift - 1))) >> factor.shift;
    return (int8_t)(rounded < -127 ? -127 : rounded > 127 ? 127 : rounded);
}

#endif /* VPR_UNIT_H */
