"""The recurrence of TFLM's int8 LSTM: int8 states, int16 gates and cell.

Gates are int16 with the scale 2^-12 before their function and 2^-15 after it. Sources: tflite-micro
`kernels/unidirectional_sequence_lstm.cc`, `kernels/lstm_eval.cc`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpr_edge.arithmetic.integers import Multiplier, multiply, quantize_multiplier
from vpr_edge.arithmetic.sigmoid_int16 import Integers, logistic_int16, tanh_int16

GATES = ("input", "forget", "cell", "output")
# Scales of gates before their function, and of what functions yield.
GATE_POWER, UNIT_SCALE = -12, 2.0**-15
GATE_SCALE = np.float32(2.0**GATE_POWER)
NO_CLIP = 1 << 15


class Gate(NamedTuple):
    """One of the four gates.

    Attributes:
        weights: int8 [units, inputs + units], those of the input first.
        biases: int32 [units, 2] of the input's and of the recurrent sum, zero points folded in.
        factors: from the two sums to the gate's int16.
    """

    weights: NDArray[np.int8]
    biases: NDArray[np.int32]
    factors: tuple[Multiplier, Multiplier]


def cell_products(
    cell_scale: float, hidden_scale: float
) -> tuple[Multiplier, Multiplier, Multiplier]:
    """Factors of forget x cell, input x cell gate and tanh(cell) x output gate."""
    return (
        quantize_multiplier(UNIT_SCALE * cell_scale / cell_scale),
        quantize_multiplier(UNIT_SCALE * UNIT_SCALE / cell_scale),
        quantize_multiplier(UNIT_SCALE * UNIT_SCALE / hidden_scale),
    )


def recur(
    gates: Sequence[Gate],
    products: Sequence[Multiplier],
    cell: tuple[int, int, int],
    sequence: Integers,
    states: tuple[Integers, Integers],
) -> list[Integers]:
    """The hidden state after each step, stored integers [batches, units].

    Args:
        gates: in the order of `GATES`.
        products: of `cell_products`.
        cell: the power of two that is its scale, its largest magnitude, the hidden zero point.
        sequence: stored integers [steps, batches, inputs].
        states: hidden state and cell at the beginning, [batches, units] each.
    """
    (power, clip, zero), (h, c) = cell, states
    found = []
    for x in sequence:
        before = [_apply(gate, x, h) for gate in gates]
        written, kept, shown = (logistic_int16(before[index]) for index in (0, 1, 3))
        candidate = tanh_int16(before[2], GATE_POWER)
        c = _int16(_scaled(kept * c, products[0]))
        c = _int16(c + _int16(_scaled(written * candidate, products[1])))
        c = np.clip(c, -clip, clip)
        seen = _scaled(tanh_int16(c, power) * shown, products[2])
        h = np.clip(seen + zero, -128, 127)
        found.append(h)
    return found


def _apply(gate: Gate, x: Integers, h: Integers) -> Integers:
    """A gate's int16 before its function, [batches, units]."""
    weights, split = gate.weights.astype(np.int64), x.shape[1]
    sums = (x @ weights[:, :split].T, h @ weights[:, split:].T)
    return _int16(
        sum(
            _int16(_scaled(total + gate.biases[:, part], gate.factors[part]))
            for part, total in enumerate(sums)
        )
    )


def _scaled(x: Integers, factor: Multiplier) -> Integers:
    return np.asarray(multiply(x, int(factor.value), int(factor.shift)))


def _int16(x: Integers | int) -> Integers:
    """Saturated."""
    return np.clip(np.asarray(x), -(1 << 15), (1 << 15) - 1)
