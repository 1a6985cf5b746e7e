"""SOFTMAX of int16: TFLM's two tables with 512 steps, exp(x) on [-10, 0] and 1 / (1 + x) on [0, 1].

Sources: tflite-micro `softmax_common.cc`, tensorflow/lite `reference/softmax.h` and `common.h`
(`LUTPopulate`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vpr_edge.arithmetic.integers import Multiplier, multiply, quantize_multiplier
from vpr_edge.firmware_bridge.operators.elementwise import c_factor, refuse_scales
from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Constant,
    Kernel,
    Operator,
    Values,
    c_struct,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.unary import same_shape

STEPS, RANGE = 512, np.float32(65535)
LOW, HIGH = -32768, 32767
# Of a row; the sum of its exponentials is 31 bits.
LONGEST_ROW = 1 << 15
Table = NDArray[np.int16]


def _round(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Half away from zero."""
    return np.copysign(np.floor(np.abs(x.astype(np.float64)) + 0.5), x).astype(np.float32)


def _table(
    step: np.float32,
    zero: int,
    output: np.float32,
    function: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> Table:
    """A function of int16 with the scale `step` and that zero point, sampled in float32."""
    least, most = (step * np.float32(end - zero) for end in (LOW, HIGH))
    width = (most - least) / np.float32(STEPS)
    inverse = np.float32(65536) / (output * np.float32(HIGH) - output * np.float32(LOW))
    index = np.arange(STEPS).astype(np.float32)
    start = least + index * width
    value = function(start)
    middle = function(start + width / np.float32(2))
    following = function(least + (index + np.float32(1)) * width)
    sample = _round(value * inverse)
    chord = _round((following * inverse + sample) / np.float32(2))
    bias = _round((chord - _round(middle * inverse)) / np.float32(2))
    last = _round(function(np.array([most], np.float32)) * inverse)
    return np.clip(np.concatenate([sample - bias, last]), LOW, HIGH).astype(np.int16)


@cache
def tables() -> tuple[Table, Table]:
    """exp(x) for x in [-10, 0], and 1 / (1 + x) for x in [0, 1]."""
    exponential = _table(
        np.float32(10) / RANGE,
        HIGH,
        np.float32(2) / RANGE,
        lambda x: np.exp(x.astype(np.float64)).astype(np.float32),
    )
    reciprocal = _table(
        np.float32(1) / RANGE,
        LOW,
        np.float32(2) / RANGE,
        lambda x: np.float32(1) / (np.float32(1) + x),
    )
    return exponential, reciprocal


def _look_up(table: Table, x: Values) -> Values:
    """Between the table's entries by the chord; x is int16."""
    index, rest = 256 + (x >> 7), x & 0x7F
    base, following = (table.astype(np.int64)[index + k] for k in (0, 1))
    # The slope is cut to int16.
    slope = (following - base).astype(np.int16).astype(np.int64)
    return np.asarray(base + ((slope * rest + 64) >> 7))


@dataclass(frozen=True, eq=False)
class WideSoftmax(Operator):
    """SOFTMAX.

    Attributes:
        factor: from differences to where they lie in the table of exponentials.
    """

    code = "SOFTMAX"
    factor: Multiplier

    @classmethod
    def takes(cls, node: Node) -> bool:
        """See `Operator`."""
        source = node.inputs[0] if node.inputs else None
        return source is not None and source.dtype == np.int16

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((1, 1))
        source, output = node.input(0, "int16"), node.output(0, "int16")
        same_shape(node, source, output)
        before, after = node.affine(source), node.affine(output)
        beta = float(node.option("beta", 0.0))
        if not 0 < beta < math.inf or not source.shape:
            raise node.refuse(f"beta is {beta:g}", "convert the model with a positive beta")
        if before.zero_point or after.zero_point or abs(float(after.scale) * 32768 - 1) > 1e-3:
            raise node.refuse(
                f"the output's scale is {after.scale:g} where the operator has 2^-15, or there is "
                "a zero point",
                "the file is corrupt, so convert the model again",
            )
        if source.shape[-1] >= LONGEST_ROW:
            raise node.refuse(f"the last axis is {LONGEST_ROW} or longer", "use a shorter one")
        factor = quantize_multiplier(float(before.scale) * beta / (10.0 / 65535.0))
        if factor.shift > 14:
            raise refuse_scales(node)
        return cls(node, factor)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        exponential, reciprocal = tables()
        x = values[0].astype(np.int64)
        below = x - x.max(axis=-1, keepdims=True)
        at = multiply(below, int(self.factor.value), int(self.factor.shift)) + HIGH
        powers = _look_up(exponential, np.clip(at, LOW, HIGH))
        total = powers.sum(axis=-1, keepdims=True)
        zeros = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
        shifted = ((total << (zeros - 1)) + (1 << 13)) >> 14
        inverse = _look_up(reciprocal, np.clip(shifted - (1 << 15) - (1 << 16), LOW, HIGH))
        right = 31 - zeros
        found = (powers * inverse + np.left_shift(1, right - 1)) >> right
        return (np.clip(found, 0, HIGH).astype(np.int16),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        depth = self.source.shape[-1]
        exponential, reciprocal = tables()
        shape = c_struct(
            rows=prod(self.source.shape) // depth, depth=depth, factor=c_factor(self.factor)
        )
        return Kernel(
            "vpr_softmax_s16.h",
            "softmax_s16",
            parameters(
                [
                    ("const int16_t *input", self.source),
                    ("const int16_t *exponential", Constant("exponential", exponential)),
                    ("const int16_t *reciprocal", Constant("reciprocal", reciprocal)),
                    ("int16_t *output", self.outputs[0]),
                ]
            ),
            f"const struct vpr_softmax_s16 shape = {shape};\n"
            "vpr_softmax_s16(shape, exponential, reciprocal, input, output);",
        )
