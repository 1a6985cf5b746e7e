/* Any function of one int8 by its table of all 256 results. */
#ifndef VPR_TABLE_S8_H
#define VPR_TABLE_S8_H

#include "vpr_common.h"
#if defined(VPR_MVE)
#include <arm_mve.h>
#endif

/* `table` begins with the result of -128. */
VPR_INLINE void vpr_table_s8(const int8_t *input, const int8_t *table, int32_t count,
                             int8_t *output)
{
#if defined(VPR_MVE)
    for (int32_t k = 0; k < count; k += 16) {
        const mve_pred16_t lanes = vctp8q((uint32_t)(count - k));
        const int8x16_t x = veorq_s8(vldrbq_z_s8(input + k, lanes), vdupq_n_s8(-128));
        const uint8x16_t index = vreinterpretq_u8_s8(x);
        vstrbq_p_s8(output + k, vldrbq_gather_offset_z_s8(table, index, lanes), lanes);
    }
#else
    for (int32_t k = 0; k < count; ++k) {
        output[k] = table[input[k] + 128];
    }
#endif
}

#endif /* VPR_TABLE_S8_H */
