/* MUL, int8. */
#ifndef VPR_MUL_S8_H
#define VPR_MUL_S8_H

#include "vpr_broadcast.h"
#include "vpr_scale.h"
#if defined(VPR_MVE)
#include "vpr_scale_mve.h"
#endif

struct vpr_mul {
    int32_t a_zero_point, b_zero_point;
    struct vpr_factor factor; /* from the product to the output */
};

#if defined(VPR_MVE)
VPR_INLINE void vpr_mul_row_s8(const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                               int32_t count, const struct vpr_mul p,
                               const struct vpr_range range, int8_t *output)
{
    for (int32_t k = 0; k < count; k += 4) {
        const mve_pred16_t lanes = vctp32q((uint32_t)(count - k));
        int32x4_t x = a_step ? vldrbq_z_s32(a + k, lanes) : vdupq_n_s32(*a);
        int32x4_t y = b_step ? vldrbq_z_s32(b + k, lanes) : vdupq_n_s32(*b);
        x = vsubq_n_s32(x, p.a_zero_point);
        y = vsubq_n_s32(y, p.b_zero_point);
        vpr_store_scaled_mve_s8(vmulq_s32(x, y), p.factor, lanes, range, output + k);
    }
}
#else
VPR_INLINE void vpr_mul_row_s8(const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                               int32_t count, const struct vpr_mul p,
                               const struct vpr_range range, int8_t *output)
{
    for (int32_t k = 0; k < count; ++k) {
        const int32_t product =
            (a[k * a_step] - p.a_zero_point) * (b[k * b_step] - p.b_zero_point);
        output[k] = vpr_scale_s8(product, p.factor, range);
    }
}
#endif

VPR_INLINE void vpr_mul_s8(const struct vpr_broadcast s, const int8_t *a, const int8_t *b,
                           const struct vpr_mul p, const struct vpr_range range, int8_t *output)
{
    const int32_t count = s.count[VPR_AXES - 1];
    struct vpr_position at = {0, 0, {0}};
    do {
        vpr_mul_row_s8(a + at.a, s.a_step[VPR_AXES - 1], b + at.b, s.b_step[VPR_AXES - 1], count,
                       p, range, output);
        output += count;
    } while (vpr_broadcast_next(s, &at));
}

#endif /* VPR_MUL_S8_H */
