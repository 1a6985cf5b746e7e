/* RESIZE_NEAREST_NEIGHBOR by any factors, from tables of the nearest rows and columns. */
#ifndef VPR_RESIZE_NEAREST_H
#define VPR_RESIZE_NEAREST_H

#include "vpr_gather.h"

VPR_INLINE void vpr_resize_nearest(int32_t input_row_bytes, int32_t pixel_bytes, int32_t out_rows,
                                   int32_t out_columns, const int32_t *rows,
                                   const int32_t *columns, const uint8_t *input, uint8_t *output)
{
    const int32_t row_bytes = out_columns * pixel_bytes;
    for (int32_t y = 0; y < out_rows; ++y) {
        uint8_t *row = output + y * row_bytes;
        /* The same row as before is there already. */
        if (y > 0 && rows[y] == rows[y - 1]) {
            memcpy(row, row - row_bytes, (size_t)row_bytes);
        } else {
            vpr_gather(out_columns, pixel_bytes, input + rows[y] * input_row_bytes, columns, row);
        }
    }
}

#endif /* VPR_RESIZE_NEAREST_H */
