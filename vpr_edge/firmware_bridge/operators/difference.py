"""SQUARED_DIFFERENCE, DIV, FLOOR_DIV and FLOOR_MOD."""

from dataclasses import dataclass

import numpy as np

from vpr_edge.arithmetic.integers import Multiplier, multiply, quantize_multiplier
from vpr_edge.firmware_bridge.operators.elementwise import (
    Arithmetic,
    Binary,
    c_factor,
    refuse_scales,
)
from vpr_edge.firmware_bridge.operators.shared.floats import FloatPair
from vpr_edge.firmware_bridge.operators.shared.integers import integers
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor, integer_limits
from vpr_edge.firmware_bridge.operators.shared.operator import Values, c_struct
from vpr_edge.firmware_bridge.operators.shared.requantize import Range
from vpr_edge.firmware_bridge.operators.tap_sums import symmetric_range

# How much finer than half the coarser input's steps differences are, in bits.
FINER_BITS = {"int8": 7, "int16": 0}


@dataclass(frozen=True)
class Squares:
    """(a - b)^2 of quantised integers.

    Attributes:
        kernel: see `Arithmetic`.
        zero_points: of the inputs.
        bits: how much finer the grid is.
        factors: of the inputs to the grid.
        factor: from the square to the output.
        range: of the output.
    """

    header = "vpr_squared_difference.h"
    kernel: str
    zero_points: tuple[int, int]
    bits: int
    factors: tuple[Multiplier, Multiplier]
    factor: Multiplier
    range: Range

    @property
    def arguments(self) -> dict[str, str]:
        """See `Arithmetic`."""
        scaling = c_struct(
            a_zero_point=self.zero_points[0],
            b_zero_point=self.zero_points[1],
            bits=self.bits,
            a=c_factor(self.factors[0]),
            b=c_factor(self.factors[1]),
            factor=c_factor(self.factor),
        )
        return {
            "struct vpr_squared_difference scaling": scaling,
            "struct vpr_range range": self.range.c(),
        }

    def apply(self, a: Values, b: Values) -> Values:
        """See `Arithmetic`."""
        first, second = (
            multiply((x.astype(np.int64) - zero) << self.bits, factor.value, factor.shift)
            for x, zero, factor in zip((a, b), self.zero_points, self.factors, strict=True)
        )
        scaled = multiply((first - second) ** 2, self.factor.value, self.factor.shift)
        return self.range.apply(np.asarray(scaled), a.dtype)


class SquaredDifference(Binary):
    """SQUARED_DIFFERENCE."""

    code = "SQUARED_DIFFERENCE"
    types = ("int8", "int16", "int32", "float32")

    @classmethod
    def floating(cls, node: Node) -> Arithmetic:
        """See `Binary`."""
        return FloatPair("squared_difference")

    @classmethod
    def quantized(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`; tflite-micro `squared_difference.cc`."""
        first, second, result = node.affine(a), node.affine(b), node.affine(output)
        bits = FINER_BITS[a.dtype.name]
        doubled = 2.0 * max(float(first.scale), float(second.scale))
        with np.errstate(over="ignore"):
            real = doubled * doubled / float(np.float32(1 << 2 * bits) * result.scale)
        if not np.isfinite(real):
            raise refuse_scales(node)
        factor = quantize_multiplier(real)
        if factor.shift > 0:
            raise refuse_scales(node)
        factors = (
            quantize_multiplier(float(first.scale) / doubled),
            quantize_multiplier(float(second.scale) / doubled),
        )
        return Squares(
            f"vpr_squared_difference_s{8 * a.dtype.itemsize}",
            (first.zero_point, second.zero_point),
            bits,
            factors,
            factor,
            Range(result.zero_point, *integer_limits(output)),
        )

    @classmethod
    def wide(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`."""
        if a.dtype == np.int32:
            return integers(node, a)
        symmetric_range(node, a, b, output)
        return cls.quantized(node, a, b, output)


class FloorDiv(Binary):
    """FLOOR_DIV; where TFLM stops at a division by 0, the quotient is what IEEE 754 says."""

    code = "FLOOR_DIV"
    types = ("float32",)

    @classmethod
    def floating(cls, node: Node) -> Arithmetic:
        """See `Binary`."""
        return FloatPair(cls.code.lower())

    @classmethod
    def quantized(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`."""
        return cls.wide(node, a, b, output)


class FloorMod(FloorDiv):
    """FLOOR_MOD."""

    code = "FLOOR_MOD"
