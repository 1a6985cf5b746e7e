/* CONCATENATION and PACK: one piece of each input in turn. */
#ifndef VPR_JOIN_H
#define VPR_JOIN_H

#include "vpr_common.h"

/* An input, and how many of its bytes come at a time. */
struct vpr_piece {
    const void *input;
    int32_t bytes;
};

VPR_INLINE void vpr_join(int32_t rounds, int32_t inputs, const struct vpr_piece *pieces,
                         uint8_t *output)
{
    for (int32_t k = 0; k < rounds; ++k) {
        for (int32_t i = 0; i < inputs; ++i) {
            const int32_t bytes = pieces[i].bytes;
            memcpy(output, (const uint8_t *)pieces[i].input + k * bytes, (size_t)bytes);
            output += bytes;
        }
    }
}

#endif /* VPR_JOIN_H */
