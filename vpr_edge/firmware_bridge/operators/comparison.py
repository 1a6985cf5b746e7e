"""Comparisons, and LOGICAL_AND, LOGICAL_OR, LOGICAL_NOT of truth values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vpr_edge.arithmetic.integers import Multiplier, multiply, quantize_multiplier
from vpr_edge.firmware_bridge.operators.elementwise import (
    Arithmetic,
    Binary,
    c_factor,
    refuse_scales,
)
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import Kernel, Values, c_struct, parameters
from vpr_edge.firmware_bridge.operators.shared.unary import Table, Unary

FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "EQUAL": np.equal,
    "NOT_EQUAL": np.not_equal,
    "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal,
    "LESS": np.less,
    "LESS_EQUAL": np.less_equal,
    "LOGICAL_AND": np.logical_and,
    "LOGICAL_OR": np.logical_or,
}
# TFLM compares int8 on a grid this many bits finer.
FINER_BITS = 8
HEADER = "vpr_compare.h"


@dataclass(frozen=True)
class Compared:
    """a and b as they are.

    Attributes:
        kernel: see `Arithmetic`.
        code: a key of `FUNCTIONS`.
    """

    header: ClassVar[str] = HEADER
    kernel: str
    code: str

    @property
    def arguments(self) -> dict[str, str]:
        """See `Arithmetic`."""
        return {"int32_t operation": f"VPR_{self.code}"}

    def apply(self, a: Values, b: Values) -> Values:
        """See `Arithmetic`."""
        return np.asarray(FUNCTIONS[self.code](a, b))


@dataclass(frozen=True)
class ComparedReal:
    """What int8 a and b mean, rounded to a grid.

    Attributes:
        zero_points, factors: of the two.
        code: a key of `FUNCTIONS`.
    """

    header: ClassVar[str] = HEADER
    kernel: ClassVar[str] = "vpr_compare_s8"
    zero_points: tuple[int, int]
    factors: tuple[Multiplier, Multiplier]
    code: str

    @property
    def arguments(self) -> dict[str, str]:
        """See `Arithmetic`."""
        scaling = c_struct(
            a_zero_point=self.zero_points[0],
            b_zero_point=self.zero_points[1],
            a=c_factor(self.factors[0]),
            b=c_factor(self.factors[1]),
        )
        return {"struct vpr_compare scaling": scaling, "int32_t operation": f"VPR_{self.code}"}

    def apply(self, a: Values, b: Values) -> Values:
        """See `Arithmetic`."""
        first, second = (
            multiply((x.astype(np.int64) - zero) << FINER_BITS, factor.value, factor.shift)
            for x, zero, factor in zip((a, b), self.zero_points, self.factors, strict=True)
        )
        return np.asarray(FUNCTIONS[self.code](first, second))


class Comparison(Binary):
    """What the six have."""

    types: ClassVar[tuple[str, ...]] = ("int8", "int32", "int64", "float32")
    result = "bool"

    @classmethod
    def floating(cls, node: Node) -> Arithmetic:
        """See `Binary`."""
        return Compared("vpr_compare_f32", cls.code)

    @classmethod
    def quantized(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`; tflite-micro `comparisons.cc`."""
        first, second = node.affine(a), node.affine(b)
        factors = (quantize_multiplier(first.scale), quantize_multiplier(second.scale))
        if any(factor.shift > 0 for factor in factors):
            raise refuse_scales(node)
        return ComparedReal((first.zero_point, second.zero_point), factors, cls.code)

    @classmethod
    def wide(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`."""
        kind = {"int32": "s32", "int64": "s64", "bool": "u8"}[a.dtype.name]
        return Compared(f"vpr_compare_{kind}", cls.code)


class Equal(Comparison):
    """EQUAL."""

    code = "EQUAL"
    types = (*Comparison.types, "bool")


class NotEqual(Comparison):
    """NOT_EQUAL."""

    code = "NOT_EQUAL"
    types = (*Comparison.types, "bool")


class Greater(Comparison):
    """GREATER."""

    code = "GREATER"


class GreaterEqual(Comparison):
    """GREATER_EQUAL."""

    code = "GREATER_EQUAL"


class Less(Comparison):
    """LESS."""

    code = "LESS"


class LessEqual(Comparison):
    """LESS_EQUAL."""

    code = "LESS_EQUAL"


class LogicalAnd(Comparison):
    """LOGICAL_AND."""

    code = "LOGICAL_AND"
    types = ("bool",)

    @classmethod
    def wide(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`."""
        return Compared("vpr_compare_logic", cls.code)


class LogicalOr(LogicalAnd):
    """LOGICAL_OR."""

    code = "LOGICAL_OR"


class LogicalNot(Unary):
    """LOGICAL_NOT."""

    code = "LOGICAL_NOT"
    types = ("bool",)

    @classmethod
    def quantized(cls, node: Node, source: Tensor, output: Tensor) -> Table:
        """See `Unary`: truth values are bytes, 0 or 1."""
        return Table(np.where(np.arange(-128, 128) == 0, 1, 0).astype(np.int8))

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        return (np.logical_not(values[0]),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        return Kernel(
            "vpr_common.h",
            "logical_not",
            parameters(
                [
                    ("const uint8_t *input", self.source),
                    ("int32_t count", str(int(np.prod(self.source.shape)))),
                    ("uint8_t *output", self.outputs[0]),
                ]
            ),
            "for (int32_t k = 0; k < count; ++k) {\n    output[k] = !input[k];\n}",
        )
