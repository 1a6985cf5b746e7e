"""int16 activations: RELU, RELU6, LEAKY_RELU, ABS by two slopes; LOGISTIC and TANH by a table."""

from abc import abstractmethod
from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np

from vpr_edge.arithmetic.integers import Multiplier, multiply, quantize_multiplier
from vpr_edge.arithmetic.sigmoid_int16 import TABLE, logistic_of, tanh_of
from vpr_edge.firmware_bridge.operators.elementwise import (
    c_factor,
    refuse_scales,
    same_parameters,
)
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Constant,
    Kernel,
    Operator,
    Values,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.operator import c_struct as struct
from vpr_edge.firmware_bridge.operators.shared.unary import same_shape

LOW, HIGH = -(1 << 15), (1 << 15) - 1
# The largest left shift of an int16 that int32 holds.
LARGEST_SHIFT = 15
# Integer bits of what the table takes.
INPUT_BITS = 3


class WideUnary(Operator):
    """What the int16 operators have: symmetric tensors of one shape."""

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
        for tensor in (source, output):
            if node.affine(tensor).zero_point != 0:
                raise node.refuse(
                    "an int16 tensor has a zero point", "convert the model again", tensor
                )
        return cls.scaled(node, source, output)

    @classmethod
    @abstractmethod
    def scaled(cls, node: Node, source: Tensor, output: Tensor) -> Self:
        """The operator, by the scales.

        Raises:
            ModelError: scales that TFLM's arithmetic does not reach.
        """

    def clearance(self, index: int) -> int | None:
        """See `Operator`."""
        return 0


@dataclass(frozen=True, eq=False)
class Slopes(WideUnary):
    """A factor for numbers below 0, one for the others, and a range.

    Attributes:
        below, above: the factors; `sign` is that of `below`.
        sign: 1 or -1.
        low, high: of the output.
    """

    below: Multiplier
    above: Multiplier
    sign: int
    low: int
    high: int

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        x = values[0].astype(np.int64)
        scaled = np.where(
            x < 0,
            self.sign * multiply(np.minimum(x, 0), int(self.below.value), int(self.below.shift)),
            multiply(np.maximum(x, 0), int(self.above.value), int(self.above.shift)),
        )
        return (np.clip(scaled, self.low, self.high).astype(np.int16),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        shape = struct(
            below=c_factor(self.below),
            above=c_factor(self.above),
            sign=self.sign,
            low=self.low,
            high=self.high,
        )
        return Kernel(
            "vpr_slopes_s16.h",
            "slopes_s16",
            parameters(
                [("const int16_t *input", self.source), ("int16_t *output", self.outputs[0])]
            ),
            f"const struct vpr_slopes_s16 slopes = {shape};\n"
            f"vpr_slopes_s16(slopes, input, {prod(self.source.shape)}, output);",
        )


def _factor(node: Node, real: float) -> Multiplier:
    if not np.isfinite(real):
        raise refuse_scales(node)
    factor = quantize_multiplier(real)
    if factor.shift > LARGEST_SHIFT:
        raise refuse_scales(node)
    return factor


def _ratio(source: Tensor, output: Tensor) -> float:
    return float(source.scale[0]) / float(output.scale[0])


class WideRelu(Slopes):
    """RELU."""

    code = "RELU"

    @classmethod
    def scaled(cls, node: Node, source: Tensor, output: Tensor) -> Self:
        """See `WideUnary`."""
        above = _factor(node, _ratio(source, output))
        return cls(node, above, above, 1, 0, HIGH)


class WideRelu6(Slopes):
    """RELU6, where output and input share their scale."""

    code = "RELU6"

    @classmethod
    def scaled(cls, node: Node, source: Tensor, output: Tensor) -> Self:
        """See `WideUnary`."""
        same_parameters(node, source, output)
        one = quantize_multiplier(1.0)
        with np.errstate(over="ignore"):
            six = np.floor(np.float64(np.float32(6) / source.scale[0]) + 0.5)
        return cls(node, one, one, 1, 0, int(min(six, HIGH)))


class WideLeakyRelu(Slopes):
    """LEAKY_RELU."""

    code = "LEAKY_RELU"

    @classmethod
    def scaled(cls, node: Node, source: Tensor, output: Tensor) -> Self:
        """See `WideUnary`."""
        slope = np.float32(node.option("alpha", 0.0))
        real = _ratio(source, output) * float(slope)
        below = _factor(node, abs(real))
        sign = -1 if real < 0 else 1
        return cls(node, below, _factor(node, _ratio(source, output)), sign, LOW, HIGH)


class WideAbs(Slopes):
    """ABS."""

    code = "ABS"

    @classmethod
    def scaled(cls, node: Node, source: Tensor, output: Tensor) -> Self:
        """See `WideUnary`; tflite-micro `elementwise.cc`."""
        factor = _factor(node, _ratio(source, output))
        return cls(node, factor, factor, -1, LOW, HIGH)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`: the magnitude is scaled, as rounding tells the two apart."""
        assert values[0] is not None
        return super().reference(np.abs(values[0].astype(np.int64)))

    def kernel(self) -> Kernel:
        """See `Operator`."""
        kernel = super().kernel()
        return Kernel(
            kernel.header,
            "abs_s16",
            kernel.parameters,
            kernel.body.replace("vpr_slopes_s16(slopes,", "vpr_magnitudes_s16(slopes,"),
        )


@dataclass(frozen=True, eq=False)
class Sigmoid(WideUnary):
    """LOGISTIC and TANH: the input times `factor` / 2^shift is a place in the table.

    Attributes:
        factor: of 15 bits.
        shift: to the right.
    """

    code = "LOGISTIC"
    factor: int
    shift: int

    @classmethod
    def scaled(cls, node: Node, source: Tensor, output: Tensor) -> Self:
        """See `WideUnary`; tflite-micro `logistic_common.cc` and `tanh.cc`."""
        if _power(float(output.scale[0])) != -15:
            raise node.refuse(
                f"the output's scale is {output.scale[0]:g} where the operator has 2^-15",
                "the file is corrupt, so convert the model again",
            )
        scale = float(source.scale[0])
        power = _power(scale)
        left = None if power is None else 15 - INPUT_BITS + power
        if left in ((0,) if cls.code == "LOGISTIC" else (0, 1)):
            assert left is not None
            return cls(node, 3 << left, 0)
        real, shift = scale * 4096.0 * 3.0, 0
        while real <= 32767.0 / 2.0 and shift <= 30:
            shift, real = shift + 1, real * 2.0
        if not real <= 32767.0:
            raise refuse_scales(node)
        return cls(node, int(real), shift)

    def places(self, x: Values) -> Values:
        """Where inputs lie in the table."""
        half = 1 << (self.shift - 1) if self.shift else 0
        return np.asarray((x.astype(np.int64) * self.factor + half) >> self.shift)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        function = logistic_of if self.code == "LOGISTIC" else tanh_of
        return (function(self.places(values[0])).astype(np.int16),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        name = f"vpr_{self.code.lower()}_row_s16"
        return Kernel(
            "vpr_sigmoid_s16.h",
            f"{self.code.lower()}_s16",
            parameters(
                [
                    ("const int16_t *input", self.source),
                    ("const uint16_t *table", Constant("table", TABLE)),
                    ("int16_t *output", self.outputs[0]),
                ]
            ),
            f"{name}(table, input, {prod(self.source.shape)}, {self.factor}, {self.shift},\n"
            "    output);",
        )


class WideTanh(Sigmoid):
    """TANH."""

    code = "TANH"


def _power(scale: float) -> int | None:
    """The binary logarithm where it is whole, as TFLM's `CheckedLog2` finds it."""
    logarithm = np.log2(scale)
    rounded = round(float(logarithm))
    return rounded if abs(float(logarithm) - rounded) < 1e-3 else None
