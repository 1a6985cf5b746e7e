/* An image enlarged by whole factors, each pixel a block of its copies. */
#ifndef VPR_REPEAT_H
#define VPR_REPEAT_H

#include "vpr_common.h"

VPR_INLINE void vpr_repeat(int32_t rows, int32_t columns, int32_t pixel_bytes, int32_t row_factor,
                           int32_t column_factor, const uint8_t *input, uint8_t *output)
{
    const int32_t row_bytes = columns * column_factor * pixel_bytes;
    for (int32_t y = 0; y < rows; ++y) {
        const uint8_t *row = output;
        for (int32_t x = 0; x < columns; ++x) {
            for (int32_t i = 0; i < column_factor; ++i) {
                memcpy(output, input, (size_t)pixel_bytes);
                output += pixel_bytes;
            }
            input += pixel_bytes;
        }
        for (int32_t j = 1; j < row_factor; ++j) {
            memcpy(output, row, (size_t)row_bytes);
            output += row_bytes;
        }
    }
}

#endif /* VPR_REPEAT_H */
