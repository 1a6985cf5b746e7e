/* Any function of one int8 by its table of all 256 results. */
#ifndef VPR_TABLE_S8_H
#define VPR_TABLE_S8_H

#include "vpr_common.h"

/* `table` begins with the result of -128. */
VPR_INLINE void vpr_table_s8(const int8_t *input, const int8_t *table, int32_t count,
                             int8_t *output)
{
    for (int32_t k = 0; k < count; ++k) {
        output[k] = table[input[k] + 128];
    }
}

#endif /* VPR_TABLE_S8_H */
