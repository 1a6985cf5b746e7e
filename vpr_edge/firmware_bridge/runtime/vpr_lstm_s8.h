/* UNIDIRECTIONAL_SEQUENCE_LSTM: int8 vectors, int16 cells, both states kept from run to run.
 *
 * Weights lie by unit, in it by gate in the order input, forget, cell, output, and in that those
 * of the input before those of the hidden state. Biases lie by unit, gate and the same pair; the
 * zero points are in them.
 */
#ifndef VPR_LSTM_S8_H
#define VPR_LSTM_S8_H

#include "vpr_scale.h"
#include "vpr_sigmoid_s16.h"

struct vpr_lstm {
    int32_t batches, steps, inputs, units;
    int32_t batch_stride, step_stride; /* in vectors of the input, and of the output */
    struct vpr_factor gates[4][2];     /* sums to 12 fraction bits */
    struct vpr_factor keep, add, emit; /* forget x cell, input x cell gate, tanh x output */
    int32_t clip;                      /* greatest magnitude of a cell */
    struct vpr_factor tanh;            /* cells to arguments of vpr_tanh_s16; shifts right */
};

VPR_INLINE int32_t vpr_clamp_s16(int32_t x)
{
    return vpr_clamp(x, -32768, 32767);
}

/* A gate's sum, in 12 fraction bits and 3 above them, as an argument of the table's functions. */
VPR_INLINE int32_t vpr_lstm_gate_s8(const struct vpr_lstm s, int32_t gate, const int8_t *input,
                                    const int8_t *hidden, const int8_t *weights,
                                    const int32_t *bias)
{
    int32_t a = bias[0], b = bias[1];
    for (int32_t k = 0; k < s.inputs; ++k) {
        a += input[k] * weights[k];
    }
    for (int32_t k = 0; k < s.units; ++k) {
        b += hidden[k] * weights[s.inputs + k];
    }
    a = vpr_clamp_s16(vpr_scale(a, s.gates[gate][0]));
    b = vpr_clamp_s16(vpr_scale(b, s.gates[gate][1]));
    return 3 * vpr_clamp_s16(a + b);
}

/* One step of one sequence; the new hidden state goes to `output`, as all units read the old. */
VPR_INLINE void vpr_lstm_step_s8(const struct vpr_lstm s, const int8_t *input,
                                 const int8_t *weights, const int32_t *bias, const uint16_t *table,
                                 const struct vpr_range range, const int8_t *hidden, int16_t *cell,
                                 int8_t *output)
{
    const int32_t depth = s.inputs + s.units;
    for (int32_t u = 0; u < s.units; ++u) {
        int32_t gates[4];
        for (int32_t g = 0; g < 4; ++g) {
            const int32_t x = vpr_lstm_gate_s8(s, g, input, hidden, weights, bias);
            gates[g] = g == 2 ? vpr_tanh_s16(table, x) : vpr_logistic_s16(table, x);
            weights += depth;
            bias += 2;
        }
        const int32_t kept = vpr_clamp_s16(vpr_scale(gates[1] * cell[u], s.keep));
        const int32_t added = vpr_clamp_s16(vpr_scale(gates[0] * gates[2], s.add));
        const int32_t value = vpr_clamp(vpr_clamp_s16(kept + added), -s.clip, s.clip);
        cell[u] = (int16_t)value;
        const int32_t half = s.tanh.shift > 0 ? 1 << (s.tanh.shift - 1) : 0;
        const int32_t x = (value * s.tanh.multiplier + half) >> s.tanh.shift;
        output[u] = vpr_scale_s8(vpr_tanh_s16(table, x) * gates[3], s.emit, range);
    }
}

VPR_INLINE void vpr_lstm_s8(const struct vpr_lstm s, const int8_t *input, const int8_t *weights,
                            const int32_t *bias, const uint16_t *table,
                            const struct vpr_range range, int8_t *hidden, int16_t *cell,
                            int8_t *output)
{
    for (int32_t b = 0; b < s.batches; ++b) {
        for (int32_t t = 0; t < s.steps; ++t) {
            const int32_t at = b * s.batch_stride + t * s.step_stride;
            vpr_lstm_step_s8(s, input + at * s.inputs, weights, bias, table, range,
                             hidden + b * s.units, cell + b * s.units, output + at * s.units);
            memcpy(hidden + b * s.units, output + at * s.units, (size_t)s.units);
        }
    }
}

#endif /* VPR_LSTM_S8_H */
