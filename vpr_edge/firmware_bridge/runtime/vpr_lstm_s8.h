/* UNIDIRECTIONAL_SEQUENCE_LSTM, int8 with an int16 cell.
 *
 * Weights lie by unit, within it by gate (input, forget, cell, output), within that the input's
 * before the recurrent ones; biases likewise, one for each of the two sums, with the zero points
 * folded in.
 */
#ifndef VPR_LSTM_S8_H
#define VPR_LSTM_S8_H

#include "vpr_scale.h"

struct vpr_lstm {
    int32_t steps, batches, inputs, units;
    int32_t time_major; /* whether the first axis is time, not the batch */
    int32_t clip;       /* largest magnitude of the cell */
    int32_t zero_point; /* of the hidden state and the output */
    int32_t tanh_left, tanh_right; /* shifts that bring the cell to the scale 2^-12 */
};

struct vpr_lstm_factors {
    struct vpr_factor input[4], recurrent[4];
    struct vpr_factor product[3]; /* forget x cell, input x cell gate, tanh(cell) x output */
};

VPR_INLINE int32_t vpr_clamp_s16(int32_t x)
{
    return vpr_clamp(x, -32768, 32767);
}

/* table[magnitude / 2^bits] 2^bits, between its entries by the chord. */
VPR_INLINE int32_t vpr_interpolate(const uint16_t *table, int32_t magnitude, int32_t bits,
                                   int32_t beyond)
{
    const int32_t index = magnitude >> bits;
    if (index >= 255) {
        return beyond << bits;
    }
    const int32_t low = table[index], high = table[index + 1];
    return (low << bits) + (magnitude & ((1 << bits) - 1)) * (high - low);
}

/* 2^15 / (1 + exp(-x / 2^12)). */
VPR_INLINE int32_t vpr_logistic_s16(const uint16_t *table, int32_t x)
{
    const int32_t y = vpr_interpolate(table, 3 * (x < 0 ? -x : x), 9, 0xfffe);
    return (x < 0 ? (1 << 25) - y + 511 : y + 512) >> 10;
}

/* 2^15 tanh(x / 2^12 2^left / 2^right). */
VPR_INLINE int32_t vpr_tanh_s16(const uint16_t *table, int32_t x, int32_t left, int32_t right)
{
    x *= 3 * (1 << left);
    if (right > 0) {
        x = (x + (1 << (right - 1))) >> right;
    }
    const int32_t y = vpr_interpolate(table, x < 0 ? -x : x, 8, 0xffff) - (1 << 23);
    return (x < 0 ? 127 - y : y + 128) >> 8;
}

VPR_INLINE int32_t vpr_lstm_dot_s8(const int8_t *a, const int8_t *b, int32_t count, int32_t sum)
{
    for (int32_t k = 0; k < count; ++k) {
        sum += a[k] * b[k];
    }
    return sum;
}

/* A gate of one unit before its function. */
VPR_INLINE int32_t vpr_lstm_gate_s8(const struct vpr_lstm s, const struct vpr_lstm_factors *f,
                                    int32_t gate, const int8_t *x, const int8_t *hidden,
                                    const int8_t *weights, const int32_t *biases)
{
    weights += gate * (s.inputs + s.units);
    biases += gate * 2;
    const int32_t from_input = vpr_lstm_dot_s8(x, weights, s.inputs, biases[0]);
    const int32_t recurrent = vpr_lstm_dot_s8(hidden, weights + s.inputs, s.units, biases[1]);
    return vpr_clamp_s16(vpr_clamp_s16(vpr_scale(from_input, f->input[gate])) +
                         vpr_clamp_s16(vpr_scale(recurrent, f->recurrent[gate])));
}

/* One step of one batch: the cell in place, the new hidden state to `output`. */
VPR_INLINE void vpr_lstm_step_s8(const struct vpr_lstm s, const struct vpr_lstm_factors *f,
                                 const int8_t *x, const int8_t *weights, const int32_t *biases,
                                 const uint16_t *table, const int8_t *hidden, int16_t *cell,
                                 int8_t *output)
{
    const struct vpr_range range = {s.zero_point, -128, 127};
    for (int32_t u = 0; u < s.units; ++u) {
        int32_t gates[4];
        for (int32_t k = 0; k < 4; ++k) {
            gates[k] = vpr_lstm_gate_s8(s, f, k, x, hidden, weights, biases);
        }
        const int32_t kept = vpr_logistic_s16(table, gates[1]) * cell[u];
        const int32_t written =
            vpr_logistic_s16(table, gates[0]) * vpr_tanh_s16(table, gates[2], 0, 0);
        int32_t c = vpr_clamp_s16(vpr_scale(kept, f->product[0])) +
                    vpr_clamp_s16(vpr_scale(written, f->product[1]));
        c = vpr_clamp(vpr_clamp_s16(c), -s.clip, s.clip);
        cell[u] = (int16_t)c;
        const int32_t shown = vpr_tanh_s16(table, c, s.tanh_left, s.tanh_right) *
                              vpr_logistic_s16(table, gates[3]);
        output[u] = vpr_scale_s8(shown, f->product[2], range);
        weights += 4 * (s.inputs + s.units);
        biases += 4 * 2;
    }
}

VPR_INLINE void vpr_lstm_s8(const struct vpr_lstm s, const struct vpr_lstm_factors f,
                            const int8_t *input, const int8_t *weights, const int32_t *biases,
                            const uint16_t *table, int8_t *hidden, int16_t *cell, int8_t *output)
{
    for (int32_t t = 0; t < s.steps; ++t) {
        for (int32_t b = 0; b < s.batches; ++b) {
            const int32_t row = s.time_major ? t * s.batches + b : b * s.steps + t;
            int8_t *state = hidden + b * s.units;
            vpr_lstm_step_s8(s, &f, input + row * s.inputs, weights, biases, table, state,
                             cell + b * s.units, output + row * s.units);
            memcpy(state, output + row * s.units, (size_t)s.units);
        }
    }
}

#endif /* VPR_LSTM_S8_H */
