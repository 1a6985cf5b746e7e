/* Places in flash, and finding the one that a descriptor shows. */
#ifndef VPR_PLACE_MAP_H
#define VPR_PLACE_MAP_H

#include "vpr_dot_s8.h"

struct vpr_place_map {
    int32_t count;             /* places */
    int32_t length;            /* values of a descriptor */
    int32_t stride;            /* from one descriptor to the next, a multiple of 4 */
    int32_t unit;              /* steps in the length 1 of a descriptor */
    const int8_t *descriptors; /* [count][stride] */
    const int32_t *bias;       /* [count]: what rounding took from a typical query's score */
    const int32_t *ids;        /* [count] */
    const char *const *labels; /* [count], or null */
};

struct vpr_place_match {
    int32_t place; /* row of the map */
    int32_t score; /* cosine similarity * unit * unit */
};

/* The `most` best matches of a query [length] that was made with the map's unit, best first; of
 * equal scores the lower row comes first. Returns how many, which is less in a smaller map. */
static inline int32_t vpr_place_search(const struct vpr_place_map *map, const int8_t *query,
                                       int32_t most, struct vpr_place_match *best)
{
    int32_t count = 0;
    for (int32_t place = 0; place < map->count; ++place) {
        const int8_t *descriptor = map->descriptors + (size_t)place * (size_t)map->stride;
        const struct vpr_place_match match = {
            place, map->bias[place] + vpr_dot_s8(descriptor, query, map->length)};
        if (count == most && (most == 0 || match.score <= best[count - 1].score)) {
            continue;
        }
        int32_t at = count < most ? count++ : most - 1;
        for (; at > 0 && best[at - 1].score < match.score; --at) {
            best[at] = best[at - 1];
        }
        best[at] = match;
    }
    return count;
}

#endif /* VPR_PLACE_MAP_H */
