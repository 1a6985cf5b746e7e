/* SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND: the pixels at one place of every block are an image. */
#ifndef VPR_BLOCKS_H
#define VPR_BLOCKS_H

#include "vpr_common.h"

struct vpr_blocks {
    int32_t images, rows, columns;             /* of the large images */
    int32_t part_rows, part_columns;           /* of the small ones */
    int32_t block_rows, block_columns, pixel;  /* bytes of a pixel */
    int32_t top, left;                         /* of the first block, above and left of the image */
};

/* Where a pixel of a small image lies in the large one, bytes; -1 outside of it. */
VPR_INLINE int32_t vpr_blocks_at(const struct vpr_blocks s, int32_t part, int32_t y, int32_t x)
{
    const int32_t place = part / s.images, image = part % s.images;
    const int32_t row = y * s.block_rows + place / s.block_columns - s.top;
    const int32_t column = x * s.block_columns + place % s.block_columns - s.left;
    if (row < 0 || row >= s.rows || column < 0 || column >= s.columns) {
        return -1;
    }
    return ((image * s.rows + row) * s.columns + column) * s.pixel;
}

VPR_INLINE void vpr_space_to_batch(const struct vpr_blocks s, const uint8_t *input, uint8_t *output)
{
    for (int32_t part = 0; part < s.images * s.block_rows * s.block_columns; ++part) {
        for (int32_t y = 0; y < s.part_rows; ++y) {
            for (int32_t x = 0; x < s.part_columns; ++x) {
                const int32_t at = vpr_blocks_at(s, part, y, x);
                if (at < 0) {
                    memset(output, 0, (size_t)s.pixel);
                } else {
                    memcpy(output, input + at, (size_t)s.pixel);
                }
                output += s.pixel;
            }
        }
    }
}

VPR_INLINE void vpr_batch_to_space(const struct vpr_blocks s, const uint8_t *input, uint8_t *output)
{
    for (int32_t part = 0; part < s.images * s.block_rows * s.block_columns; ++part) {
        for (int32_t y = 0; y < s.part_rows; ++y) {
            for (int32_t x = 0; x < s.part_columns; ++x) {
                const int32_t at = vpr_blocks_at(s, part, y, x);
                if (at >= 0) {
                    memcpy(output + at, input, (size_t)s.pixel);
                }
                input += s.pixel;
            }
        }
    }
}

#endif /* VPR_BLOCKS_H */
