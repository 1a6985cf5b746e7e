/* Runs of bytes from anywhere to anywhere: what slices, transpositions and paddings come to. */
#ifndef VPR_COPY_H
#define VPR_COPY_H

#include "vpr_common.h"

#define VPR_COPY_LOOPS 5

/* Nested loops, the innermost last; how far each moves in source and result, bytes. */
struct vpr_copy {
    int32_t count[VPR_COPY_LOOPS], source[VPR_COPY_LOOPS], result[VPR_COPY_LOOPS];
    int32_t run;
};

VPR_INLINE void vpr_copy(const struct vpr_copy s, const uint8_t *source, uint8_t *result)
{
    for (int32_t a = 0; a < s.count[0]; ++a) {
        for (int32_t b = 0; b < s.count[1]; ++b) {
            for (int32_t c = 0; c < s.count[2]; ++c) {
                const int32_t from = a * s.source[0] + b * s.source[1] + c * s.source[2];
                const int32_t to = a * s.result[0] + b * s.result[1] + c * s.result[2];
                for (int32_t d = 0; d < s.count[3]; ++d) {
                    for (int32_t e = 0; e < s.count[4]; ++e) {
                        memcpy(result + to + d * s.result[3] + e * s.result[4],
                               source + from + d * s.source[3] + e * s.source[4],
                               (size_t)s.run);
                    }
                }
            }
        }
    }
}

#endif /* VPR_COPY_H */
