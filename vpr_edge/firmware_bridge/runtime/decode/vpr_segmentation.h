/* Class labels from the int8 map `segmentation` [rows, columns, classes]. */
#ifndef VPR_SEGMENTATION_H
#define VPR_SEGMENTATION_H

#include "vpr_common.h"

/* The class with the largest logit, the first of equals; every cell becomes a square of `factor` by
 * `factor` pixels. Writes uint8 [rows * factor, columns * factor]; classes at most 256. */
static inline void vpr_segmentation_s8(const int8_t *map, int32_t rows, int32_t columns,
                                       int32_t classes, int32_t factor, uint8_t *labels)
{
    const int32_t width = columns * factor;
    for (int32_t row = 0; row < rows; ++row) {
        uint8_t *line = labels;
        for (int32_t x = 0; x < width; x += factor, map += classes) {
            int32_t best = 0;
            for (int32_t c = 1; c < classes; ++c) {
                best = map[c] > map[best] ? c : best;
            }
            memset(line + x, best, (size_t)factor);
        }
        for (int32_t i = 1; i < factor; ++i) {
            memcpy(line + i * width, line, (size_t)width);
        }
        labels += factor * width;
    }
}

#endif /* VPR_SEGMENTATION_H */
