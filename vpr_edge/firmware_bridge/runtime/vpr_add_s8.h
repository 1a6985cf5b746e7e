/* ADD and SUB, int8: both inputs are brought to a grid 2^20 times finer than the coarser one's. */
#ifndef VPR_ADD_S8_H
#define VPR_ADD_S8_H

#include "vpr_broadcast.h"
#include "vpr_scale.h"
#if defined(VPR_MVE)
#include "vpr_scale_mve.h"
#endif

/* An input's zero point and its factor to the common grid; no factor shifts left. */
struct vpr_addend {
    int32_t zero_point;
    struct vpr_factor factor;
};

struct vpr_add {
    struct vpr_addend a, b;
    int32_t sign; /* of b: 1 or -1 */
    struct vpr_factor factor; /* from the common grid to the output */
};

#if defined(VPR_MVE)
VPR_INLINE int32x4_t vpr_addend(const int8_t *from, int32_t step, mve_pred16_t lanes,
                                const struct vpr_addend p)
{
    const int32x4_t x = step ? vldrbq_z_s32(from, lanes) : vdupq_n_s32(*from);
    return vpr_scale_mve(vshlq_n_s32(vsubq_n_s32(x, p.zero_point), 20), p.factor);
}

VPR_INLINE void vpr_add_row_s8(const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                               int32_t count, const struct vpr_add p,
                               const struct vpr_range range, int8_t *output)
{
    for (int32_t k = 0; k < count; k += 4) {
        const mve_pred16_t lanes = vctp32q((uint32_t)(count - k));
        const int32x4_t x = vpr_addend(a + k * a_step, a_step, lanes, p.a);
        const int32x4_t y = vpr_addend(b + k * b_step, b_step, lanes, p.b);
        const int32x4_t sum = p.sign > 0 ? vaddq_s32(x, y) : vsubq_s32(x, y);
        vpr_store_mve_s8(vpr_scale_mve(sum, p.factor), lanes, range, output + k);
    }
}
#else
VPR_INLINE int32_t vpr_addend(int32_t x, const struct vpr_addend p)
{
    return vpr_scale((x - p.zero_point) * (1 << 20), p.factor);
}

VPR_INLINE void vpr_add_row_s8(const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                               int32_t count, const struct vpr_add p,
                               const struct vpr_range range, int8_t *output)
{
    for (int32_t k = 0; k < count; ++k) {
        const int32_t x = vpr_addend(a[k * a_step], p.a), y = vpr_addend(b[k * b_step], p.b);
        output[k] = vpr_scale_s8(x + p.sign * y, p.factor, range);
    }
}
#endif

VPR_INLINE void vpr_add_s8(const struct vpr_broadcast s, const int8_t *a, const int8_t *b,
                           const struct vpr_add p, const struct vpr_range range, int8_t *output)
{
    const int32_t count = s.count[VPR_AXES - 1];
    struct vpr_position at = {0, 0, {0}};
    do {
        vpr_add_row_s8(a + at.a, s.a_step[VPR_AXES - 1], b + at.b, s.b_step[VPR_AXES - 1], count,
                       p, range, output);
        output += count;
    } while (vpr_broadcast_next(s, &at));
}

#endif /* VPR_ADD_S8_H */
