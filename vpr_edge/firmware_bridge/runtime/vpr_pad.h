/* PAD and PADV2: everything is filled, then the input copied to its place. */
#ifndef VPR_PAD_H
#define VPR_PAD_H

#include "vpr_copy.h"

VPR_INLINE void vpr_fill(const void *value, int32_t bytes, int32_t count, uint8_t *output)
{
    for (int32_t k = 0; k < count; ++k) {
        memcpy(output + k * bytes, value, (size_t)bytes);
    }
}

#endif /* VPR_PAD_H */
