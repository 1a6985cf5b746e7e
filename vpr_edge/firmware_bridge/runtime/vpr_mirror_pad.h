/* MIRROR_PAD: along each axis a table says where the elements come from. */
#ifndef VPR_MIRROR_PAD_H
#define VPR_MIRROR_PAD_H

#include "vpr_common.h"

#define VPR_MIRROR_AXES 5

/* `offsets` has the tables of the axes one after the other, bytes; `bytes` is an element's size. */
VPR_INLINE void vpr_mirror_pad(const int32_t count[VPR_MIRROR_AXES], int32_t bytes,
                               const uint8_t *input, const int32_t *offsets, uint8_t *output)
{
    const int32_t *second = offsets + count[0], *third = second + count[1];
    const int32_t *fourth = third + count[2], *fifth = fourth + count[3];
    for (int32_t a = 0; a < count[0]; ++a) {
        for (int32_t b = 0; b < count[1]; ++b) {
            for (int32_t c = 0; c < count[2]; ++c) {
                for (int32_t d = 0; d < count[3]; ++d) {
                    const uint8_t *from = input + offsets[a] + second[b] + third[c] + fourth[d];
                    for (int32_t e = 0; e < count[4]; ++e) {
                        memcpy(output, from + fifth[e], (size_t)bytes);
                        output += bytes;
                    }
                }
            }
        }
    }
}

#endif /* VPR_MIRROR_PAD_H */
