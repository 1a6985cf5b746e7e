/* A keypoint's descriptor: the int8 map `descriptor` sampled bilinearly where the keypoint lies, and
 * brought to length 1, int8 with the scale 1 / 127. The map has [rows, columns, channels], both
 * times 2^(log2_cell - log2_fine).
 */
#ifndef VPR_KEYPOINT_DESCRIPTOR_H
#define VPR_KEYPOINT_DESCRIPTOR_H

#include "vpr_keypoints.h"
#include "vpr_unit.h"

#define VPR_KEYPOINT_UNIT 127

/* Four cells around a point and their weights, which add up to 2^weight_bits. */
struct vpr_keypoint_corners {
    const int8_t *cell[4];
    int32_t weight[4];
    int32_t weight_bits;
};

static inline struct vpr_keypoint_corners
vpr_keypoint_corners(const struct vpr_keypoint_settings *s, const int8_t *map, int32_t channels,
                     const struct vpr_keypoint keypoint)
{
    const int32_t bits = s->log2_fine + 6, whole = 1 << bits;
    const int32_t rows = s->rows << (s->log2_cell - s->log2_fine);
    const int32_t columns = s->columns << (s->log2_cell - s->log2_fine);
    const int32_t to_centre = (VPR_KEYPOINT_STEPS - whole) / 2;
    const int32_t x = vpr_clamp(keypoint.x + to_centre, 0, (columns - 1) << bits);
    const int32_t y = vpr_clamp(keypoint.y + to_centre, 0, (rows - 1) << bits);
    const int32_t column = x >> bits, row = y >> bits;
    const int32_t right = column + 1 < columns ? column + 1 : column;
    const int32_t below = row + 1 < rows ? row + 1 : row;
    const int32_t fx = x & (whole - 1), fy = y & (whole - 1);
    const struct vpr_keypoint_corners corners = {
        {map + (row * columns + column) * channels, map + (row * columns + right) * channels,
         map + (below * columns + column) * channels, map + (below * columns + right) * channels},
        {(whole - fx) * (whole - fy), fx * (whole - fy), (whole - fx) * fy, fx * fy},
        2 * bits};
    return corners;
}

/* One channel between the four cells, less the zero point, with 7 fractional bits. */
VPR_INLINE int32_t vpr_keypoint_sample(const struct vpr_keypoint_corners *at, int32_t channel,
                                       int32_t zero_point)
{
    int32_t sum = 1 << (at->weight_bits - 8);
    for (int32_t i = 0; i < 4; ++i) {
        sum += at->weight[i] * (at->cell[i][channel] - zero_point);
    }
    return sum >> (at->weight_bits - 7);
}

/* Writes `channels` values. */
static inline void vpr_keypoint_descriptor_s8(const struct vpr_keypoint_settings *s,
                                              const int8_t *map, int32_t channels,
                                              int32_t zero_point,
                                              const struct vpr_keypoint keypoint,
                                              int8_t *descriptor)
{
    const struct vpr_keypoint_corners at = vpr_keypoint_corners(s, map, channels, keypoint);
    uint64_t squares = 0;
    for (int32_t c = 0; c < channels; ++c) {
        const int64_t value = vpr_keypoint_sample(&at, c, zero_point);
        squares += (uint64_t)(value * value);
    }
    const struct vpr_unit factor = vpr_unit_factor(squares, VPR_KEYPOINT_UNIT);
    for (int32_t c = 0; c < channels; ++c) {
        descriptor[c] = vpr_unit_s8(vpr_keypoint_sample(&at, c, zero_point), factor);
    }
}

#endif /* VPR_KEYPOINT_DESCRIPTOR_H */
