"""Activations that stand alone: RELU, RELU6, LEAKY_RELU, PRELU, HARD_SWISH, LOGISTIC, TANH.

On int8 all but PRELU are tables, computed here with TFLM's arithmetic.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vpr_edge.arithmetic.activations import hard_swish_table
from vpr_edge.arithmetic.fixed_point import high_mul, logistic, shift_left, shift_right, tanh
from vpr_edge.arithmetic.integers import Multiplier, multiply, quantize_multiplier
from vpr_edge.firmware_bridge.operators.elementwise import (
    LARGEST_PRODUCT_SHIFT,
    Arithmetic,
    Binary,
    c_factor,
    refuse_scales,
    same_parameters,
)
from vpr_edge.firmware_bridge.operators.shared.floats import FloatFunction, FloatPair
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import Values, c_struct
from vpr_edge.firmware_bridge.operators.shared.requantize import Range
from vpr_edge.firmware_bridge.operators.shared.unary import INT8, Table, Unary, table

# The largest left shift of a difference of two int8 values that int32 holds.
LARGEST_DIFFERENCE_SHIFT = 22
# LOGISTIC and TANH take their inputs with this many integer bits.
INPUT_BITS = 4


def rescaled(node: Node, x: Values, real: np.float64 | float) -> Values:
    """x times a non-negative factor, rounded as TFLM does; |x| is at most 255.

    Raises:
        ModelError: the factor is too large for int32 arithmetic.
    """
    if not np.isfinite(real):
        raise refuse_scales(node)
    factor = quantize_multiplier(real)
    if factor.shift > LARGEST_DIFFERENCE_SHIFT:
        raise refuse_scales(node)
    return multiply(x, factor.value, factor.shift)


def ratio(source: Tensor, output: Tensor) -> float:
    """The input's scale over the output's.

    TFLM's source divides in float32 and its interpreter, which is what is followed, in float64:
    near ties tell the two apart.
    """
    return float(source.scale[0]) / float(output.scale[0])


class Relu(Unary):
    """RELU."""

    code = "RELU"

    @classmethod
    def quantized(cls, node: Node, source: Tensor, output: Tensor) -> Table:
        """See `Unary`."""
        zero, result = node.affine(source).zero_point, node.affine(output)
        values = rescaled(node, INT8 - zero, ratio(source, output)) + result.zero_point
        return table(values, low=result.zero_point)


class Relu6(Unary):
    """RELU6, where output and input share scale and zero point: TFLM does not rescale it."""

    code = "RELU6"

    @classmethod
    def quantized(cls, node: Node, source: Tensor, output: Tensor) -> Table:
        """See `Unary`."""
        same_parameters(node, source, output)
        affine = node.affine(source)
        with np.errstate(over="ignore"):
            steps = np.floor(np.float64(np.float32(6) / affine.scale) + 0.5)
        high = affine.zero_point + int(min(steps, 255.0))
        return table(INT8, affine.zero_point, min(high, 127))


class LeakyRelu(Unary):
    """LEAKY_RELU."""

    code = "LEAKY_RELU"

    @classmethod
    def floating(cls, node: Node) -> FloatFunction:
        """See `Unary`."""
        return FloatFunction("leaky_relu", float(_slope(node)))

    @classmethod
    def quantized(cls, node: Node, source: Tensor, output: Tensor) -> Table:
        """See `Unary`."""
        x = INT8 - node.affine(source).zero_point
        slope = _slope(node)
        real = ratio(source, output) * float(slope)
        below = int(np.sign(real)) * rescaled(node, np.minimum(x, 0), abs(real))
        above = rescaled(node, np.maximum(x, 0), ratio(source, output))
        return table(np.where(x < 0, below, above) + node.affine(output).zero_point)


def _slope(node: Node) -> np.float32:
    slope = np.float32(node.option("alpha", 0.0))
    if not np.isfinite(slope):
        raise node.refuse(f"the slope is {slope}", "the file is corrupt, so convert it again")
    return slope


@dataclass(frozen=True)
class Slopes:
    """a where it is not negative, else a b, int8.

    Attributes:
        zero_points: of input and slopes.
        factors: to the output: from an input, and from an input times a slope.
        range: of the output.
    """

    kernel: ClassVar[str] = "vpr_prelu_s8"
    zero_points: tuple[int, int]
    factors: tuple[Multiplier, Multiplier]
    range: Range

    @property
    def arguments(self) -> dict[str, str]:
        """See `elementwise.Arithmetic`."""
        scaling = c_struct(
            zero_point=self.zero_points[0],
            slope_zero_point=self.zero_points[1],
            factor=c_factor(self.factors[0]),
            slope_factor=c_factor(self.factors[1]),
        )
        return {"struct vpr_prelu scaling": scaling, "struct vpr_range range": self.range.c()}

    def apply(self, a: Values, b: Values) -> Values:
        """See `elementwise.Arithmetic`."""
        x, slope = (
            values.astype(np.int64) - zero
            for values, zero in zip((a, b), self.zero_points, strict=True)
        )
        above, below = self.factors
        scaled = np.where(
            x >= 0,
            multiply(np.maximum(x, 0), above.value, above.shift),
            multiply(np.minimum(x, 0) * slope, below.value, below.shift),
        )
        return self.range.apply(scaled, np.dtype(np.int8))


class Prelu(Binary):
    """PRELU; slopes broadcast."""

    code = "PRELU"

    @classmethod
    def floating(cls, node: Node) -> Arithmetic:
        """See `Binary`."""
        return FloatPair("prelu")

    @classmethod
    def quantized(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`; tflite-micro `prelu_common.cc`."""
        source, slopes, result = node.affine(a), node.affine(b), node.affine(output)
        one = float(source.scale) / float(result.scale)
        factors = (
            quantize_multiplier(one),
            quantize_multiplier(float(source.scale) * float(slopes.scale) / float(result.scale)),
        )
        limits = (LARGEST_DIFFERENCE_SHIFT, LARGEST_PRODUCT_SHIFT)
        if any(factor.shift > limit for factor, limit in zip(factors, limits, strict=True)):
            raise refuse_scales(node)
        zero_points = (source.zero_point, slopes.zero_point)
        return Slopes(zero_points, factors, Range(result.zero_point, -128, 127))


class HardSwish(Unary):
    """HARD_SWISH: x relu6(x + 3) / 6, on int8 with TFLM's 16-bit arithmetic (`hard_swish.h`)."""

    code = "HARD_SWISH"

    @classmethod
    def quantized(cls, node: Node, source: Tensor, output: Tensor) -> Table:
        """See `Unary`."""
        try:
            return Table(hard_swish_table(node.affine(source), node.affine(output)))
        except ValueError as error:
            raise refuse_scales(node) from error


class Logistic(Unary):
    """LOGISTIC; its int8 output has scale 1/256 and zero point -128."""

    code = "LOGISTIC"

    @classmethod
    def quantized(cls, node: Node, source: Tensor, output: Tensor) -> Table:
        """See `Unary`."""
        _expect_output(node, output, 1 / 256, -128)
        x, radius = _fixed_point(node, source)
        return _saturated(shift_right(logistic(x, INPUT_BITS), 23) - 128, source, radius)


class Tanh(Unary):
    """TANH; its int8 output has scale 1/128 and zero point 0."""

    code = "TANH"

    @classmethod
    def quantized(cls, node: Node, source: Tensor, output: Tensor) -> Table:
        """See `Unary`."""
        _expect_output(node, output, 1 / 128, 0)
        x, radius = _fixed_point(node, source)
        return _saturated(shift_right(tanh(x, INPUT_BITS), 24), source, radius)


def _expect_output(node: Node, output: Tensor, scale: float, zero_point: int) -> None:
    affine = node.affine(output)
    if float(affine.scale) != scale or affine.zero_point != zero_point:
        raise node.refuse(
            f"the output's scale is {affine.scale} and its zero point {affine.zero_point} where "
            f"the operator has {scale} and {zero_point}",
            "the file is corrupt, so convert the model again",
        )


def _fixed_point(node: Node, source: Tensor) -> tuple[Values, int]:
    """Every int8 input with `INPUT_BITS` integer bits, and from what difference on it saturates."""
    real = float(source.scale[0]) * (1 << (31 - INPUT_BITS))
    factor = quantize_multiplier(real)
    shift = int(factor.shift)
    if real < 0.5 or shift > 62:
        raise node.refuse(
            f"the input's scale {source.scale[0]} is out of range",
            "its scales are corrupt, so quantise the model again",
        )
    radius = (((1 << INPUT_BITS) - 1) << (31 - INPUT_BITS)) >> shift
    x = (INT8 - node.affine(source).zero_point).astype(np.int64)
    inside = np.where(np.abs(x) < radius, x, 0)
    return high_mul(shift_left(inside, min(shift, 31)), int(factor.value)), radius


def _saturated(values: Values, source: Tensor, radius: int) -> Table:
    x = INT8 - int(source.zero_point[0])
    values = np.where(x <= -radius, -128, np.where(x >= radius, 127, values))
    return table(values)
