/* Layers that slide a window, float32; terms are summed in the order of TFLM's reference kernels. */
#ifndef VPR_TAPS_F32_H
#define VPR_TAPS_F32_H

#include "vpr_float.h"
#include "vpr_taps.h"

VPR_INLINE void vpr_taps_f32(const struct vpr_taps s, const float *input, const float *weights,
                             const float *bias, const struct vpr_range_f32 range, float *output)
{
    for (int32_t y = 0; y < s.out_rows; ++y) {
        for (int32_t x = 0; x < s.out_columns; ++x) {
            for (int32_t o = 0; o < s.out_channels; ++o) {
                float sum = 0.0f;
                for (int32_t tap = 0; tap < s.kernel_rows * s.kernel_columns; ++tap) {
                    const int32_t at = vpr_tap_at(s, y, x, tap / s.kernel_columns,
                                                  tap % s.kernel_columns);
                    if (at < 0) {
                        continue;
                    }
                    const float *from = input + at + o / s.group * s.depth;
                    const float *w = weights + o * s.output_step + tap * s.tap_step;
                    for (int32_t k = 0; k < s.depth; ++k) {
                        sum += from[k] * w[k];
                    }
                }
                *output++ = vpr_clamp_f32(sum + bias[o], range);
            }
        }
    }
}

#endif /* VPR_TAPS_F32_H */
