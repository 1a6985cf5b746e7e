/* FULLY_CONNECTED of one vector, int8: every input is read once for two outputs, so a widened copy
 * of it would not pay, and there is no scratch memory.
 *
 * Weights lie as in the file, [outputs, taps]; the bias has the input's zero point folded in.
 */
#ifndef VPR_DENSE_S8_H
#define VPR_DENSE_S8_H

#include "vpr_common.h"
#if defined(VPR_MVE)
#include "vpr_mve.h"
#elif defined(VPR_DSP)
#include "vpr_dsp.h"
#endif

/* Adds the products of the input with two rows of weights to two sums. */
VPR_INLINE void vpr_dense_pair_s8(int32_t taps, const int8_t *input, const int8_t *w,
                                  const int8_t *v, int32_t sums[2])
{
    int32_t a = sums[0], b = sums[1], k = 0;
#if defined(VPR_MVE)
    for (; k < taps; k += 16) {
        const mve_pred16_t lanes = vctp8q((uint32_t)(taps - k));
        const int8x16_t x = vldrbq_z_s8(input + k, lanes);
        a = vmladavaq_s8(a, x, vldrbq_z_s8(w + k, lanes));
        b = vmladavaq_s8(b, x, vldrbq_z_s8(v + k, lanes));
    }
#elif defined(VPR_DSP)
    for (; k + 4 <= taps; k += 4) {
        const uint32_t x = vpr_load_u32(input + k), y = vpr_load_u32(w + k);
        const uint32_t z = vpr_load_u32(v + k);
        const uint32_t even = vpr_sxtb16(x), odd = vpr_sxtb16_ror8(x);
        a = vpr_smlad(odd, vpr_sxtb16_ror8(y), vpr_smlad(even, vpr_sxtb16(y), a));
        b = vpr_smlad(odd, vpr_sxtb16_ror8(z), vpr_smlad(even, vpr_sxtb16(z), b));
    }
#endif
    for (; k < taps; ++k) {
        a += input[k] * w[k];
        b += input[k] * v[k];
    }
    sums[0] = a;
    sums[1] = b;
}

VPR_INLINE void vpr_dense_s8(int32_t taps, int32_t outputs, const int8_t *input,
                             const struct vpr_channels c, const struct vpr_range range,
                             int8_t *output)
{
    for (int32_t o = 0; o < outputs; o += 2) {
        const int32_t p = o + 1 < outputs ? o + 1 : o;
        int32_t sums[2] = {c.bias[o], c.bias[p]};
        vpr_dense_pair_s8(taps, input, c.weights + o * taps, c.weights + p * taps, sums);
        output[o] = vpr_to_s8(sums[0], c.multiplier[o], c.shift[o], range);
        output[p] = vpr_to_s8(sums[1], c.multiplier[p], c.shift[p], range);
    }
}

#endif /* VPR_DENSE_S8_H */
