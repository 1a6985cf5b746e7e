/* Layers that slide a window, int8, in plain loops: for weights that are computed at run time, or
 * that have a zero point. */
#ifndef VPR_TAPS_S8_H
#define VPR_TAPS_S8_H

#include "vpr_taps.h"

VPR_INLINE void vpr_taps_s8(const struct vpr_taps s, const int8_t *input, int32_t zero_point,
                            int32_t weights_zero_point, const struct vpr_channels c,
                            const struct vpr_range range, int8_t *output)
{
    for (int32_t y = 0; y < s.out_rows; ++y) {
        for (int32_t x = 0; x < s.out_columns; ++x) {
            for (int32_t o = 0; o < s.out_channels; ++o) {
                int32_t sum = c.bias[o];
                for (int32_t tap = 0; tap < s.kernel_rows * s.kernel_columns; ++tap) {
                    const int32_t at = vpr_tap_at(s, y, x, tap / s.kernel_columns,
                                                  tap % s.kernel_columns);
                    if (at < 0) {
                        continue;
                    }
                    const int8_t *from = input + at + o / s.group * s.depth;
                    const int8_t *w = c.weights + o * s.output_step + tap * s.tap_step;
                    for (int32_t k = 0; k < s.depth; ++k) {
                        sum += (from[k] - zero_point) * (w[k] - weights_zero_point);
                    }
                }
                *output++ = vpr_to_s8(sum, c.multiplier[o], c.shift[o], range);
            }
        }
    }
}

#endif /* VPR_TAPS_S8_H */
