/* What operators work on that treat each row of the last axis by itself. */
#ifndef VPR_ROWS_H
#define VPR_ROWS_H

#include "vpr_common.h"

struct vpr_rows {
    int32_t rows, depth;
};

#endif /* VPR_ROWS_H */
