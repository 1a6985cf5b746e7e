/* The vector by which places are compared, from the network's int8 map `place`. */
#ifndef VPR_PLACE_DESCRIPTOR_H
#define VPR_PLACE_DESCRIPTOR_H

#include "vpr_unit.h"

/* What follows the map: a function of each value, then factors. */
struct vpr_place_transform {
    int32_t length;       /* values of the map */
    int32_t gains;        /* how many gains there are; they repeat along the map. 0: none */
    const int16_t *value; /* [256] by value + 128: less the zero point, after the root */
    const int16_t *gain;  /* with 15 fractional bits; may be null */
};

VPR_INLINE int32_t vpr_place_value(const struct vpr_place_transform *t, int32_t q, int32_t channel)
{
    const int32_t value = t->value[q + 128];
    return t->gains ? (value * t->gain[channel] + (1 << 14)) >> 15 : value;
}

/* Writes `length` values: the vector of length 1 in steps of 1 / unit, unit from 1 to 32767,
 * clamped to [-127, 127]. `descriptor` may be `map`. */
static inline void vpr_place_descriptor_s8(const struct vpr_place_transform *t, const int8_t *map,
                                           int32_t unit, int8_t *descriptor)
{
    uint64_t squares = 0;
    for (int32_t i = 0, channel = 0; i < t->length; ++i) {
        const int64_t value = vpr_place_value(t, map[i], channel);
        squares += (uint64_t)(value * value);
        channel = channel + 1 < t->gains ? channel + 1 : 0;
    }
    const struct vpr_unit factor = vpr_unit_factor(squares, unit);
    for (int32_t i = 0, channel = 0; i < t->length; ++i) {
        descriptor[i] = vpr_unit_s8(vpr_place_value(t, map[i], channel), factor);
        channel = channel + 1 < t->gains ? channel + 1 : 0;
    }
}

#endif /* VPR_PLACE_DESCRIPTOR_H */
