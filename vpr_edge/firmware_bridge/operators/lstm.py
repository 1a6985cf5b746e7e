"""UNIDIRECTIONAL_SEQUENCE_LSTM, int8: int8 input, output and hidden state, int16 cell state.

As TFLM's: no peephole, no projection, no layer normalisation. Gates are int16 with the scale 2^-12
before their function and 2^-15 after it; the file's intermediate tensors are not asked.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from vpr_edge.arithmetic.integers import Multiplier
from vpr_edge.arithmetic.lstm import (
    GATE_POWER,
    GATE_SCALE,
    GATES,
    NO_CLIP,
    Gate,
    cell_products,
    recur,
)
from vpr_edge.arithmetic.sigmoid_int16 import TABLE
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Constant,
    Kernel,
    Operator,
    Values,
    c_struct,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.requantize import (
    ACCUMULATOR_LIMIT,
    product_multiplier,
)

# Positions among the inputs.
INPUT_WEIGHTS, RECURRENT_WEIGHTS, BIASES, HIDDEN, CELL = 1, 5, 12, 18, 19
ABSENT = (9, 10, 11, 16, 17, 20, 21, 22, 23)
# Of the cell's scale, a power of two: as far as tanh shifts within int32.
CELL_POWERS = (-27, 0)


@dataclass(frozen=True, eq=False)
class SequenceLstm(Operator):
    """UNIDIRECTIONAL_SEQUENCE_LSTM, its two states kept from run to run.

    Attributes:
        gates: in the order of `GATES`.
        time_major: whether the first axis is time and the second the batch, or the reverse.
        power: the cell's scale is 2^power.
        clip: largest magnitude of the cell.
        products: factors of forget x cell, input x cell gate, tanh(cell) x output gate.
    """

    code = "UNIDIRECTIONAL_SEQUENCE_LSTM"
    gates: tuple[Gate, ...]
    time_major: bool
    power: int
    clip: int
    products: tuple[Multiplier, Multiplier, Multiplier]

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((24, 24))
        for index in ABSENT:
            tensor = node.inputs[index]
            if tensor is not None:
                raise node.refuse(
                    "it has peepholes, a projection or layer normalisation",
                    "TFLM runs plain LSTM layers only, so train one",
                    tensor,
                )
        source, output = node.input(0, "int8", rank=3), node.output(0, "int8", rank=3)
        hidden, cell = _state(node, HIDDEN, "int8"), _state(node, CELL, "int16")
        time_major = bool(node.option("timeMajor", False))
        units, batches = output.shape[2], source.shape[1 if time_major else 0]
        if output.shape[:2] != source.shape[:2] or {hidden.shape, cell.shape} != {(batches, units)}:
            raise node.refuse(
                f"the input {list(source.shape)} and the states {list(hidden.shape)} and "
                f"{list(cell.shape)} do not fit",
                "the file is corrupt, so convert the model again",
            )
        if node.affine(hidden) != node.affine(output):
            raise node.refuse(
                "the hidden state and the output have different scales or zero points",
                "the file is corrupt, so convert the model again",
            )
        activation = node.option("fusedActivationFunction", schema.ActivationFunctionType.NONE)
        if activation != schema.ActivationFunctionType.TANH:
            raise node.refuse(
                "the cell gate's activation is not TANH", "train the layer with LSTM's own, tanh"
            )
        power, cell_scale = _power(node, cell), float(node.affine(cell).scale)
        products = cell_products(cell_scale, float(node.affine(hidden).scale))
        if products[2].shift > 0:
            raise node.refuse(
                f"the hidden state's scale {node.affine(hidden).scale:g} is too small",
                "the file is corrupt, so convert the model again",
                hidden,
            )
        return cls(
            node,
            tuple(_gate(node, index, source, hidden) for index in range(len(GATES))),
            time_major,
            power,
            _clip(float(node.option("cellClip", 0.0)), cell_scale),
            products,
        )

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Steps, batches, inputs, units."""
        first, second, units = self.outputs[0].shape
        steps, batches = (first, second) if self.time_major else (second, first)
        return steps, batches, self.gates[0].weights.shape[1] - units, units

    @property
    def macs(self) -> int:
        """See `Operator`."""
        steps, batches, _, _ = self.sizes
        return steps * batches * sum(gate.weights.size for gate in self.gates)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`: one run from the states given, which stay as they are."""
        source, hidden, cell = values[0], values[HIDDEN], values[CELL]
        assert source is not None and hidden is not None and cell is not None
        sequence = source if self.time_major else source.swapaxes(0, 1)
        found = recur(
            self.gates,
            self.products,
            (self.power, self.clip, self.node.affine(self.outputs[0]).zero_point),
            sequence.astype(np.int64),
            (hidden.astype(np.int64), cell.astype(np.int64)),
        )
        result = np.stack(found, axis=0 if self.time_major else 1)
        return (result.astype(np.int8),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        steps, batches, inputs, units = self.sizes
        shift = self.power - GATE_POWER
        shape = c_struct(
            steps=steps,
            batches=batches,
            inputs=inputs,
            units=units,
            time_major=int(self.time_major),
            clip=self.clip,
            zero_point=self.node.affine(self.outputs[0]).zero_point,
            tanh_left=max(shift, 0),
            tanh_right=max(-shift, 0),
        )
        factors = c_struct(
            input=_factors(gate.factors[0] for gate in self.gates),
            recurrent=_factors(gate.factors[1] for gate in self.gates),
            product=_factors(self.products),
        )
        weights = np.stack([gate.weights for gate in self.gates], axis=1)
        biases = np.stack([gate.biases for gate in self.gates], axis=1)
        return Kernel(
            "vpr_lstm_s8.h",
            "lstm_s8",
            parameters(
                [
                    ("const int8_t *input", self.inputs[0]),
                    ("const int8_t *weights", Constant("weights", weights)),
                    ("const int32_t *biases", Constant("biases", biases)),
                    ("const uint16_t *table", Constant("table", TABLE)),
                    ("int8_t *hidden", self.inputs[HIDDEN]),
                    ("int16_t *cell", self.inputs[CELL]),
                    ("int8_t *output", self.outputs[0]),
                ]
            ),
            f"const struct vpr_lstm shape = {shape};\n"
            f"const struct vpr_lstm_factors factors = {factors};\n"
            "vpr_lstm_s8(shape, factors, input, weights, biases, table, hidden, cell, output);",
        )


def _state(node: Node, index: int, dtype: str) -> Tensor:
    """A state tensor, its type checked."""
    tensor = node.input(index, dtype, rank=2)
    if not tensor.variable or tensor.values is not None:
        raise node.refuse(
            "the state is not a variable", "convert the model with an LSTM that keeps it", tensor
        )
    return tensor


def _power(node: Node, cell: Tensor) -> int:
    """The binary logarithm of the cell state's scale."""
    affine = node.affine(cell)
    logarithm = math.log2(float(affine.scale))
    low, high = CELL_POWERS
    if (
        affine.zero_point != 0
        or abs(logarithm - round(logarithm)) >= 1e-3
        or not low <= round(logarithm) <= high
    ):
        raise node.refuse(
            f"the cell state has the scale {affine.scale:g} and zero point {affine.zero_point}",
            f"it must be a power of two from 2^{low} to 2^{high}, so convert the model again",
            cell,
        )
    return round(logarithm)


def _clip(real: float, scale: float) -> int:
    """The largest magnitude of the cell in its integers; 0 in the file is none."""
    if not real > 0:
        return NO_CLIP
    return int(min(real / scale, 32767.0))


def _gate(node: Node, index: int, source: Tensor, hidden: Tensor) -> Gate:
    """A gate's constants, their types and shapes checked."""
    units = hidden.shape[1]
    bias = node.constant(BIASES + index, "int32", rank=1)
    if bias.shape != (units,):
        raise node.refuse(
            f"{bias.shape[0]} biases for {units} units", "convert the model again", bias
        )
    assert bias.values is not None
    weights, biases, factors = [], [], []
    for first, read, own in (
        (INPUT_WEIGHTS, source, bias.values),
        (RECURRENT_WEIGHTS, hidden, np.zeros(units, np.int32)),
    ):
        tensor = node.constant(first + index, "int8", rank=2)
        affine, zero = node.affine(tensor), node.affine(read).zero_point
        if tensor.shape != (units, read.shape[-1]) or affine.zero_point != 0:
            raise node.refuse(
                f"weights {list(tensor.shape)} with the zero point {affine.zero_point} where "
                f"{[units, read.shape[-1]]} with 0 are needed",
                "convert the model again",
                tensor,
            )
        assert tensor.values is not None
        factor = product_multiplier(node, node.affine(read).scale, affine.scale, GATE_SCALE)
        values = tensor.values.astype(np.int64)
        largest = 255 * np.abs(values).sum(axis=1) + np.abs(own.astype(np.int64))
        if int(largest.max()) << max(int(factor.shift), 0) >= ACCUMULATOR_LIMIT:
            raise node.refuse(
                "its weights and biases can overflow a 32-bit sum",
                "the file is corrupt or badly scaled, so quantise the model again",
                tensor,
            )
        weights.append(tensor.values)
        biases.append((own - zero * values.sum(axis=1)).astype(np.int32))
        factors.append(factor)
    return Gate(np.concatenate(weights, axis=1), np.stack(biases, axis=1), (factors[0], factors[1]))


def _factors(factors: Iterable[Multiplier]) -> str:
    """The initialiser of an array of `struct vpr_factor`."""
    return "{" + ", ".join(f"{{{f.value}, {f.shift}}}" for f in factors) + "}"
