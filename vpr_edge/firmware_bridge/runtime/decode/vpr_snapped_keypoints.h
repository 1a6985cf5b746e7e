/* Keypoints from the maps as in vpr_keypoints.h, each moved to the strongest corner of the picture
 * near it. How strong a keypoint is says its probability times the strength of its corner, plus 1:
 * where the picture is flat the probable ones still come first.
 *
 * RAM: a byte a pixel for the grey picture, which must outlast the network's run, and 12 bytes a
 * cell. For an input of 160x120 with cells of 8 pixels these are 19,200 and 3,600 bytes.
 *
 *     static uint8_t grey[120 * 160];
 *     static struct vpr_snapped_candidate work[NAME_SNAPPED_KEYPOINTS_WORK];
 *     vpr_grey_picture(name_input_image(arena), 120 * 160, grey);
 *     ... run the network ...
 *     count = vpr_snapped_keypoints_s8(&name_keypoint_settings, score, location, grey, most, work,
 *                                      found);
 */
#ifndef VPR_SNAPPED_KEYPOINTS_H
#define VPR_SNAPPED_KEYPOINTS_H

#include "vpr_corner.h"
#include "vpr_keypoints.h"

struct vpr_snapped_candidate {
    uint32_t strength; /* below 2^31 */
    int32_t cell;      /* row by row */
    uint16_t x, y;     /* 1/64 pixel */
};

/* Candidates of working memory. */
#define VPR_SNAPPED_KEYPOINTS_WORK(rows, columns) ((rows) * (columns))

/* Writes the candidates of all cells that border and threshold let pass; returns how many. */
static inline int32_t vpr_snapped_candidates(const struct vpr_keypoint_settings *s,
                                             const int8_t *score, const int8_t *location,
                                             const uint8_t *grey,
                                             struct vpr_snapped_candidate *work)
{
    const struct vpr_picture picture = {grey, s->rows << s->log2_cell, s->columns << s->log2_cell};
    int32_t count = 0;
    for (int32_t i = 0; i < s->rows * s->columns; ++i) {
        const struct vpr_keypoint_point at =
            vpr_keypoint_at(s, location, i / s->columns, i % s->columns);
        if (score[i] < s->threshold || !vpr_keypoint_inside(s, at)) {
            continue;
        }
        const struct vpr_corner corner = vpr_corner_near(&picture, at.x, at.y);
        const struct vpr_keypoint_point moved = {corner.x, corner.y};
        if (vpr_keypoint_inside(s, moved)) {
            work[count].strength = s->probability[score[i] + 128] * (corner.strength + 1);
            work[count].cell = i;
            work[count].x = (uint16_t)moved.x;
            work[count].y = (uint16_t)moved.y;
            ++count;
        }
    }
    return count;
}

VPR_INLINE int vpr_snapped_before(const struct vpr_snapped_candidate *a,
                                  const struct vpr_snapped_candidate *b)
{
    return a->strength != b->strength ? a->strength > b->strength : a->cell < b->cell;
}

/* Puts a candidate into a heap of `count`, the first one on top, whose place `at` is free. */
static inline void vpr_snapped_sift(struct vpr_snapped_candidate *heap, int32_t count, int32_t at,
                                    const struct vpr_snapped_candidate candidate)
{
    for (int32_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && vpr_snapped_before(heap + child + 1, heap + child)) {
            ++child;
        }
        if (!vpr_snapped_before(heap + child, &candidate)) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = candidate;
}

/* Whether one of the keypoints found lies nearer than the radius. */
static inline int vpr_snapped_silenced(const struct vpr_keypoint_settings *s,
                                       const struct vpr_keypoint *found, int32_t count,
                                       const struct vpr_snapped_candidate candidate)
{
    for (int32_t i = 0; i < count; ++i) {
        const int32_t dx = found[i].x - candidate.x, dy = found[i].y - candidate.y;
        /* Most are far apart, which the first comparison tells. */
        if (dx < s->radius && dx > -s->radius &&
            (int64_t)dx * dx + (int64_t)dy * dy < (int64_t)s->radius * s->radius) {
            return 1;
        }
    }
    return 0;
}

/* Greedy non-maximum suppression: finds at most `most` keypoints, strongest first, equally strong
 * ones in the order of their cells row by row. Returns how many. `grey` is the network's input as
 * uint8 [rows << log2_cell, columns << log2_cell]; `work` has VPR_SNAPPED_KEYPOINTS_WORK
 * candidates. */
static inline int32_t vpr_snapped_keypoints_s8(const struct vpr_keypoint_settings *s,
                                               const int8_t *score, const int8_t *location,
                                               const uint8_t *grey, int32_t most,
                                               struct vpr_snapped_candidate *work,
                                               struct vpr_keypoint *found)
{
    int32_t left = vpr_snapped_candidates(s, score, location, grey, work), count = 0;
    for (int32_t i = left / 2 - 1; i >= 0; --i) {
        vpr_snapped_sift(work, left, i, work[i]);
    }
    while (left > 0 && count < most) {
        const struct vpr_snapped_candidate strongest = work[0];
        --left;
        vpr_snapped_sift(work, left, 0, work[left]);
        if (!vpr_snapped_silenced(s, found, count, strongest)) {
            const struct vpr_keypoint keypoint = {strongest.x, strongest.y, score[strongest.cell]};
            found[count++] = keypoint;
        }
    }
    return count;
}

#endif /* VPR_SNAPPED_KEYPOINTS_H */
