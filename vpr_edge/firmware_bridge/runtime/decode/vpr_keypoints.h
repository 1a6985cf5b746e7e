/* Keypoints from the int8 maps `score` [rows, columns, 1] and `location` [rows, columns, 2].
 *
 * Each cell offers one candidate. Positions are in 1/64 pixel of the network's input, (0, 0) the
 * centre of its first pixel, so the picture may have at most 1024 pixels a side.
 */
#ifndef VPR_KEYPOINTS_H
#define VPR_KEYPOINTS_H

#include "vpr_common.h"

#define VPR_KEYPOINT_STEPS 64 /* a pixel */

struct vpr_keypoint_settings {
    int32_t rows, columns; /* cells of the maps */
    int32_t log2_cell;     /* a cell is 2^log2_cell pixels wide, at most 32 */
    int32_t log2_fine;     /* the same of the map `descriptor`, whose cells may be smaller */
    int32_t threshold;     /* the least score that counts, as the map has it; 128 lets none pass */
    int32_t border;        /* without keypoints along the picture's edge, 1/64 pixel */
    int32_t radius;        /* a keypoint silences weaker ones nearer than this, 1/64 pixel */
    const int16_t *offset; /* [256] by location + 128: how far from the cell's centre, 1/64 pixel */
    /* [256] by score + 128, at least 1, in 1/255: for vpr_snapped_keypoints.h alone */
    const uint8_t *probability;
};

struct vpr_keypoint {
    uint16_t x, y; /* 1/64 pixel */
    int8_t score;  /* as the map has it */
};

struct vpr_keypoint_point {
    int32_t x, y;
};

/* Bytes of working memory. */
#define VPR_KEYPOINTS_WORK_SIZE(rows, columns) ((rows) * (columns))

VPR_INLINE struct vpr_keypoint_point vpr_keypoint_at(const struct vpr_keypoint_settings *s,
                                                     const int8_t *location, int32_t row,
                                                     int32_t column)
{
    const int8_t *shift = location + 2 * (row * s->columns + column);
    const int32_t half = (VPR_KEYPOINT_STEPS / 2) << s->log2_cell;
    const struct vpr_keypoint_point at = {
        (2 * column + 1) * half - VPR_KEYPOINT_STEPS / 2 + s->offset[shift[0] + 128],
        (2 * row + 1) * half - VPR_KEYPOINT_STEPS / 2 + s->offset[shift[1] + 128]};
    return at;
}

VPR_INLINE int vpr_keypoint_inside(const struct vpr_keypoint_settings *s,
                                   const struct vpr_keypoint_point at)
{
    const int32_t right = ((s->columns << s->log2_cell) - 1) * VPR_KEYPOINT_STEPS - s->border;
    const int32_t bottom = ((s->rows << s->log2_cell) - 1) * VPR_KEYPOINT_STEPS - s->border;
    return at.x >= s->border && at.y >= s->border && at.x <= right && at.y <= bottom;
}

/* Whether a stronger keypoint that was kept lies nearer than the radius. */
static inline int vpr_keypoint_silenced(const struct vpr_keypoint_settings *s,
                                        const int8_t *location, const uint8_t *kept, int32_t row,
                                        int32_t column)
{
    const struct vpr_keypoint_point at = vpr_keypoint_at(s, location, row, column);
    /* Each of two keypoints strays from its cell's centre by less than a cell. */
    const int32_t cell = VPR_KEYPOINT_STEPS << s->log2_cell;
    const int32_t reach = (2 * cell + s->radius) / cell;
    const int32_t first_row = row > reach ? row - reach : 0;
    const int32_t last_row = row + reach < s->rows ? row + reach : s->rows - 1;
    const int32_t first_column = column > reach ? column - reach : 0;
    const int32_t last_column = column + reach < s->columns ? column + reach : s->columns - 1;
    for (int32_t i = first_row; i <= last_row; ++i) {
        for (int32_t j = first_column; j <= last_column; ++j) {
            if (kept[i * s->columns + j]) {
                const struct vpr_keypoint_point other = vpr_keypoint_at(s, location, i, j);
                const int64_t dx = other.x - at.x, dy = other.y - at.y;
                if (dx * dx + dy * dy < (int64_t)s->radius * s->radius) {
                    return 1;
                }
            }
        }
    }
    return 0;
}

/* Greedy non-maximum suppression: finds at most `most` keypoints, strongest first, those of one
 * score in the order of their cells row by row. Returns how many. `work` has
 * VPR_KEYPOINTS_WORK_SIZE bytes.
 *
 * It goes through the maps once for each score that occurs; that takes no memory for sorting. */
static inline int32_t vpr_keypoints_s8(const struct vpr_keypoint_settings *s, const int8_t *score,
                                       const int8_t *location, int32_t most, uint8_t *work,
                                       struct vpr_keypoint *found)
{
    int32_t count = 0, level = 127;
    memset(work, 0, (size_t)(s->rows * s->columns));
    while (level >= s->threshold) {
        int32_t next = -129;
        for (int32_t i = 0; i < s->rows * s->columns; ++i) {
            if (score[i] < level && score[i] > next) {
                next = score[i];
            }
            if (score[i] != level) {
                continue;
            }
            const int32_t row = i / s->columns, column = i % s->columns;
            const struct vpr_keypoint_point at = vpr_keypoint_at(s, location, row, column);
            if (!vpr_keypoint_inside(s, at) ||
                vpr_keypoint_silenced(s, location, work, row, column)) {
                continue;
            }
            if (count == most) {
                return count;
            }
            const struct vpr_keypoint keypoint = {(uint16_t)at.x, (uint16_t)at.y, (int8_t)level};
            found[count++] = keypoint;
            work[i] = 1;
        }
        level = next;
    }
    return count;
}

#endif /* VPR_KEYPOINTS_H */
