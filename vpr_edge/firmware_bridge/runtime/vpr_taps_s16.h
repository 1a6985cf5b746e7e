/* Layers that slide a window: int16 activations, int8 weights. */
#ifndef VPR_TAPS_S16_H
#define VPR_TAPS_S16_H

#include "vpr_taps.h"
#include "vpr_wide.h"

/* What a layer has by output channel; `wide` tells 64-bit sums and 15-bit multipliers from 32-bit
 * sums and 31-bit multipliers. */
struct vpr_channels_s16 {
    const int8_t *weights;
    const int64_t *bias;
    const int32_t *multiplier;
    const int8_t *shift;
    int32_t wide, weights_zero_point;
};

VPR_INLINE int64_t vpr_tap_s16(const int16_t *from, const int8_t *weights, int32_t count,
                               int32_t zero_point)
{
    int64_t sum = 0;
    for (int32_t k = 0; k < count; ++k) {
        sum += from[k] * (weights[k] - zero_point);
    }
    return sum;
}

VPR_INLINE void vpr_taps_s16(const struct vpr_taps s, const int16_t *input,
                             const struct vpr_channels_s16 c, const struct vpr_range range,
                             int16_t *output)
{
    for (int32_t y = 0; y < s.out_rows; ++y) {
        for (int32_t x = 0; x < s.out_columns; ++x) {
            for (int32_t o = 0; o < s.out_channels; ++o) {
                int64_t sum = c.bias[o];
                for (int32_t tap = 0; tap < s.kernel_rows * s.kernel_columns; ++tap) {
                    const int32_t at = vpr_tap_at(s, y, x, tap / s.kernel_columns,
                                                  tap % s.kernel_columns);
                    if (at >= 0) {
                        sum += vpr_tap_s16(input + at + o / s.group * s.depth,
                                           c.weights + o * s.output_step + tap * s.tap_step,
                                           s.depth, c.weights_zero_point);
                    }
                }
                const int32_t scaled =
                    c.wide ? vpr_requantize_wide(sum, c.multiplier[o], c.shift[o])
                           : vpr_requantize((int32_t)sum, c.multiplier[o], c.shift[o]);
                *output++ = (int16_t)vpr_clamp(scaled, range.low, range.high);
            }
        }
    }
}

#endif /* VPR_TAPS_S16_H */
