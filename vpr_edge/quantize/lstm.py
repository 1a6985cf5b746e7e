"""An LSTM in int8: TFLite's UNIDIRECTIONAL_SEQUENCE_LSTM with an int16 cell, as TFLM computes it.

Input and hidden state are int8, the gates int16 at 2^-12 before their function, the cell int16 at a
power of two; the weights of each gate have one scale. Sources: tflite-micro
`kernels/unidirectional_sequence_lstm.cc`, `kernels/lstm_eval.cc`. Needs no torch.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpr_edge.arithmetic.affine import INT8_MAX, INT8_MIN, Affine
from vpr_edge.arithmetic.integers import matmul_multiplier
from vpr_edge.arithmetic.lstm import GATE_SCALE, GATES, NO_CLIP, Gate, cell_products, recur


class Weights(NamedTuple):
    """Of one gate, from the input or from the hidden state: int8 [units, inputs], one scale."""

    values: NDArray[np.int8]
    scale: np.float32


@dataclass(frozen=True)
class Int8Lstm:
    """The numbers of a quantised LSTM.

    Attributes:
        input, hidden: int8 parameters.
        cell_power: the cell's scale is 2^cell_power.
        from_input, from_hidden: weights of the four gates (input, forget, cell, output).
        biases: int32 [4, units], at the scale of the input times that of its weights.
    """

    input: Affine
    hidden: Affine
    cell_power: int
    from_input: tuple[Weights, ...]
    from_hidden: tuple[Weights, ...]
    biases: NDArray[np.int32]

    def run(self, frames: NDArray[np.int8]) -> NDArray[np.int8]:
        """TFLM's integers from a new beginning.

        Args:
            frames: stored integers [N, T, I].

        Returns:
            The hidden state after each frame, stored integers [N, T, H].
        """
        start = np.full((len(frames), self.biases.shape[1]), self.hidden.zero_point, np.int64)
        found = recur(
            [self._gate(index) for index in range(len(GATES))],
            cell_products(2.0**self.cell_power, float(self.hidden.scale)),
            (self.cell_power, NO_CLIP, self.hidden.zero_point),
            frames.swapaxes(0, 1).astype(np.int64),
            (start, np.zeros_like(start)),
        )
        return np.stack(found, axis=1).astype(np.int8)

    def stored(self, frames: NDArray[np.float32]) -> NDArray[np.int8]:
        """Real inputs as the integers that stand for them."""
        steps = np.rint(frames / self.input.scale) + self.input.zero_point
        return np.clip(steps, INT8_MIN, INT8_MAX).astype(np.int8)

    def _gate(self, index: int) -> Gate:
        parts = (
            (self.from_input[index], self.input, self.biases[index]),
            (self.from_hidden[index], self.hidden, np.zeros(self.biases.shape[1], np.int64)),
        )
        biases = [
            bias - source.zero_point * weights.values.astype(np.int64).sum(axis=1)
            for weights, source, bias in parts
        ]
        first, second = (
            matmul_multiplier(source.scale, weights.scale, GATE_SCALE)
            for weights, source, _ in parts
        )
        values = np.concatenate([weights.values for weights, _, _ in parts], axis=1)
        return Gate(values, np.stack(biases, axis=1).astype(np.int32), (first, second))
