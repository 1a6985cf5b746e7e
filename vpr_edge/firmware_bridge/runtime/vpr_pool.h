/* What pools have in common: their geometry, and the part of a window that lies in the image. */
#ifndef VPR_POOL_H
#define VPR_POOL_H

#include "vpr_common.h"

struct vpr_pool {
    int32_t in_rows, in_columns, channels;
    int32_t out_rows, out_columns;
    int32_t kernel_rows, kernel_columns, stride_rows, stride_columns;
    int32_t pad_top, pad_left;
};

/* Rows and columns of the image from `top`, `left` on; none is empty. */
struct vpr_patch {
    int32_t top, left, rows, columns;
};

/* A window's part of one axis, which begins at `origin`, inside or not. */
VPR_INLINE void vpr_clip(int32_t origin, int32_t kernel, int32_t size, int32_t *first,
                         int32_t *count)
{
    const int32_t end = origin + kernel < size ? origin + kernel : size;
    *first = origin > 0 ? origin : 0;
    *count = end - *first;
}

VPR_INLINE struct vpr_patch vpr_pool_patch(const struct vpr_pool s, int32_t y, int32_t x)
{
    struct vpr_patch patch;
    vpr_clip(y * s.stride_rows - s.pad_top, s.kernel_rows, s.in_rows, &patch.top, &patch.rows);
    vpr_clip(x * s.stride_columns - s.pad_left, s.kernel_columns, s.in_columns, &patch.left,
             &patch.columns);
    return patch;
}

#endif /* VPR_POOL_H */
