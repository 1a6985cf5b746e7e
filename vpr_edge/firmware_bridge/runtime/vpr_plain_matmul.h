/* BATCH_MATMUL of int16 and of float32. */
#ifndef VPR_PLAIN_MATMUL_H
#define VPR_PLAIN_MATMUL_H

#include "vpr_batch_matmul_s8.h"
#include "vpr_float.h"
#include "vpr_wide.h"

/* Where the matrices of product n begin. */
VPR_INLINE void vpr_matmul_at(const struct vpr_matmul s, int32_t n, int32_t *a, int32_t *b)
{
    const int32_t k = n % s.batches[2], j = n / s.batches[2] % s.batches[1];
    const int32_t i = n / s.batches[2] / s.batches[1];
    *a = i * s.a_batch[0] + j * s.a_batch[1] + k * s.a_batch[2];
    *b = i * s.b_batch[0] + j * s.b_batch[1] + k * s.b_batch[2];
}

VPR_INLINE void vpr_batch_matmul_s16(const struct vpr_matmul s, const int16_t *a, const int16_t *b,
                                     int32_t multiplier, int32_t shift, int16_t *output)
{
    for (int32_t n = 0; n < s.batches[0] * s.batches[1] * s.batches[2]; ++n) {
        int32_t from_a, from_b;
        vpr_matmul_at(s, n, &from_a, &from_b);
        for (int32_t i = 0; i < s.rows; ++i) {
            for (int32_t j = 0; j < s.columns; ++j) {
                int64_t sum = 0;
                for (int32_t k = 0; k < s.terms; ++k) {
                    sum += a[from_a + i * s.a_row + k * s.a_term] *
                           b[from_b + j * s.b_column + k * s.b_term];
                }
                const int32_t scaled = vpr_requantize_wide(sum, multiplier, shift);
                *output++ = (int16_t)vpr_clamp(scaled, INT16_MIN, INT16_MAX);
            }
        }
    }
}

VPR_INLINE void vpr_batch_matmul_f32(const struct vpr_matmul s, const float *a, const float *b,
                                     float *output)
{
    for (int32_t n = 0; n < s.batches[0] * s.batches[1] * s.batches[2]; ++n) {
        int32_t from_a, from_b;
        vpr_matmul_at(s, n, &from_a, &from_b);
        for (int32_t i = 0; i < s.rows; ++i) {
            for (int32_t j = 0; j < s.columns; ++j) {
                float sum = 0.0f;
                for (int32_t k = 0; k < s.terms; ++k) {
                    sum += a[from_a + i * s.a_row + k * s.a_term] *
                           b[from_b + j * s.b_column + k * s.b_term];
                }
                *output++ = sum;
            }
        }
    }
}

#endif /* VPR_PLAIN_MATMUL_H */
