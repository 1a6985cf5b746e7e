/* BATCH_MATMUL, int8: products of matrices that lie anywhere, transposed or not. */
#ifndef VPR_BATCH_MATMUL_S8_H
#define VPR_BATCH_MATMUL_S8_H

#include "vpr_common.h"

#define VPR_MATMUL_BATCHES 3

struct vpr_matmul {
    int32_t batches[VPR_MATMUL_BATCHES];
    int32_t a_batch[VPR_MATMUL_BATCHES], b_batch[VPR_MATMUL_BATCHES]; /* steps; 0 repeats */
    int32_t rows, columns, terms;
    int32_t a_row, a_term, b_column, b_term; /* steps */
    int32_t a_zero_point, b_zero_point;
};

/* One matrix, two rows and two columns at a time; at odd ends both are the same. */
VPR_INLINE void vpr_matmul_s8(const struct vpr_matmul s, const int8_t *a, const int8_t *b,
                              int32_t multiplier, int32_t shift, const struct vpr_range range,
                              int8_t *output)
{
    for (int32_t i = 0; i < s.rows; i += 2) {
        const int32_t next_row = i + 1 < s.rows ? 1 : 0;
        for (int32_t j = 0; j < s.columns; j += 2) {
            const int32_t next_column = j + 1 < s.columns ? 1 : 0;
            const int8_t *a0 = a + i * s.a_row, *a1 = a0 + next_row * s.a_row;
            const int8_t *b0 = b + j * s.b_column, *b1 = b0 + next_column * s.b_column;
            int32_t sum00 = 0, sum01 = 0, sum10 = 0, sum11 = 0;
            for (int32_t k = 0; k < s.terms; ++k) {
                const int32_t x0 = a0[k * s.a_term] - s.a_zero_point;
                const int32_t x1 = a1[k * s.a_term] - s.a_zero_point;
                const int32_t y0 = b0[k * s.b_term] - s.b_zero_point;
                const int32_t y1 = b1[k * s.b_term] - s.b_zero_point;
                sum00 += x0 * y0;
                sum01 += x0 * y1;
                sum10 += x1 * y0;
                sum11 += x1 * y1;
            }
            int8_t *to = output + i * s.columns + j;
            to[0] = vpr_to_s8(sum00, multiplier, shift, range);
            to[next_column] = vpr_to_s8(sum01, multiplier, shift, range);
            to += next_row * s.columns;
            to[0] = vpr_to_s8(sum10, multiplier, shift, range);
            to[next_column] = vpr_to_s8(sum11, multiplier, shift, range);
        }
    }
}

VPR_INLINE void vpr_batch_matmul_s8(const struct vpr_matmul s, const int8_t *a, const int8_t *b,
                                    int32_t multiplier, int32_t shift,
                                    const struct vpr_range range, int8_t *output)
{
    for (int32_t i = 0; i < s.batches[0]; ++i) {
        for (int32_t j = 0; j < s.batches[1]; ++j) {
            for (int32_t k = 0; k < s.batches[2]; ++k) {
                vpr_matmul_s8(s, a + i * s.a_batch[0] + j * s.a_batch[1] + k * s.a_batch[2],
                              b + i * s.b_batch[0] + j * s.b_batch[1] + k * s.b_batch[2],
                              multiplier, shift, range, output);
                output += s.rows * s.columns;
            }
        }
    }
}

#endif /* VPR_BATCH_MATMUL_S8_H */
