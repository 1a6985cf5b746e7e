/* The dot product of two int8 vectors: portable C, Armv7E-M's SMLAD, or Helium. */
#ifndef VPR_DOT_S8_H
#define VPR_DOT_S8_H

#include "vpr_common.h"

#if defined(VPR_MVE)
#include <arm_mve.h>
#elif defined(VPR_DSP)
#include "vpr_dsp.h"
#endif

static inline int32_t vpr_dot_s8(const int8_t *a, const int8_t *b, int32_t length)
{
    int32_t sum = 0, i = 0;
#if defined(VPR_MVE)
    for (; i < length; i += 16) {
        const mve_pred16_t lanes = vctp8q((uint32_t)(length - i));
        sum = vmladavaq_s8(sum, vldrbq_z_s8(a + i, lanes), vldrbq_z_s8(b + i, lanes));
    }
#elif defined(VPR_DSP)
    for (; i + 4 <= length; i += 4) {
        const uint32_t x = vpr_load_u32(a + i), y = vpr_load_u32(b + i);
        sum = vpr_smlad(vpr_sxtb16(x), vpr_sxtb16(y), sum);
        sum = vpr_smlad(vpr_sxtb16_ror8(x), vpr_sxtb16_ror8(y), sum);
    }
#endif
    for (; i < length; ++i) {
        sum += a[i] * b[i];
    }
    return sum;
}

#endif /* VPR_DOT_S8_H */
