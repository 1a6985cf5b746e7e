/* Pieces of an array, in the order of a table of indices. */
#ifndef VPR_GATHER_H
#define VPR_GATHER_H

#include "vpr_common.h"

VPR_INLINE void vpr_gather(int32_t count, int32_t bytes, const uint8_t *input,
                           const int32_t *indices, uint8_t *output)
{
    for (int32_t k = 0; k < count; ++k) {
        memcpy(output + k * bytes, input + indices[k] * bytes, (size_t)bytes);
    }
}

#endif /* VPR_GATHER_H */
