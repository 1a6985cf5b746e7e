/* AVERAGE_POOL_2D, int8; what lies outside the image does not count. */
#ifndef VPR_AVERAGE_POOL_S8_H
#define VPR_AVERAGE_POOL_S8_H

#include "vpr_pool.h"

/* All channels of one pixel; rounded half away from zero, zero points included. */
VPR_INLINE void vpr_average_pixel_s8(const int8_t *from, int32_t channels, int32_t row_bytes,
                                     int32_t rows, int32_t columns, const struct vpr_range range,
                                     int8_t *output)
{
    const int32_t count = rows * columns;
    for (int32_t c = 0; c < channels; ++c) {
        int32_t sum = 0;
        for (int32_t j = 0; j < rows; ++j) {
            for (int32_t i = 0; i < columns; ++i) {
                sum += from[j * row_bytes + i * channels + c];
            }
        }
        sum += sum > 0 ? count / 2 : -(count / 2);
        output[c] = (int8_t)vpr_clamp(sum / count, range.low, range.high);
    }
}

VPR_INLINE void vpr_average_pool_s8(const struct vpr_pool s, const int8_t *input,
                                    const struct vpr_range range, int8_t *output)
{
    const int32_t row_bytes = s.in_columns * s.channels;
    for (int32_t y = 0; y < s.out_rows; ++y) {
        for (int32_t x = 0; x < s.out_columns; ++x) {
            const struct vpr_patch patch = vpr_pool_patch(s, y, x);
            const int8_t *from = input + patch.top * row_bytes + patch.left * s.channels;
            /* Whole windows get loops and a divisor that are constants. */
            if (patch.rows == s.kernel_rows && patch.columns == s.kernel_columns) {
                vpr_average_pixel_s8(from, s.channels, row_bytes, s.kernel_rows,
                                     s.kernel_columns, range, output);
            } else {
                vpr_average_pixel_s8(from, s.channels, row_bytes, patch.rows, patch.columns,
                                     range, output);
            }
            output += s.channels;
        }
    }
}

#endif /* VPR_AVERAGE_POOL_S8_H */
