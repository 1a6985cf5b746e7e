"""Element-wise operators of two inputs, int8 and float32: ADD, SUB, MUL, MAXIMUM, MINIMUM."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

import numpy as np

from vpr_edge.arithmetic.integers import (
    ADD_LEFT_SHIFT,
    Multiplier,
    add_parameters,
    multiply,
    output_multiplier,
    quantize_multiplier,
)
from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.operators.shared.broadcast import Broadcast, read_broadcast
from vpr_edge.firmware_bridge.operators.shared.floats import FloatPair, float_range
from vpr_edge.firmware_bridge.operators.shared.integers import integers
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Kernel,
    Operator,
    Values,
    c_struct,
    c_type,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.requantize import Range, fused_range
from vpr_edge.firmware_bridge.operators.tap_sums import symmetric_range

# What ADD, SUB and MUL take.
WIDE_TYPES = ("int8", "int16", "int32", "float32")
# int16 inputs of ADD and SUB are aligned on a grid this many bits finer.
WIDE_LEFT_SHIFT = 15
# The largest left shift of a product of two int8 differences that int32 holds.
LARGEST_PRODUCT_SHIFT = 14


class Arithmetic(Protocol):
    """What happens to each pair of elements."""

    @property
    def kernel(self) -> str:
        """Name of the C function and, with ".h", of its file, unless `header` names that."""

    @property
    def arguments(self) -> dict[str, str]:
        """What the C function takes between inputs and output: by declaration the initialiser."""

    def apply(self, a: Values, b: Values) -> Values:
        """The result of two arrays that broadcast."""


@dataclass(frozen=True)
class Sum:
    """a + b or a - b, int8, each brought to a common grid first.

    Attributes:
        zero_points: of the inputs.
        factors: of the inputs, to the common grid.
        sign: of the second input, 1 or -1.
        factor: from the common grid to the output.
        range: of the output.
    """

    kernel: ClassVar[str] = "vpr_add_s8"
    zero_points: tuple[int, int]
    factors: tuple[Multiplier, Multiplier]
    sign: int
    factor: Multiplier
    range: Range

    @property
    def arguments(self) -> dict[str, str]:
        """See `Arithmetic`."""
        a, b = (
            c_struct(zero_point=zero_point, factor=c_factor(factor))
            for zero_point, factor in zip(self.zero_points, self.factors, strict=True)
        )
        scaling = c_struct(a=a, b=b, sign=self.sign, factor=c_factor(self.factor))
        return {"struct vpr_add scaling": scaling, "struct vpr_range range": self.range.c()}

    def apply(self, a: Values, b: Values) -> Values:
        """See `Arithmetic`."""
        first, second = (
            multiply(
                (values.astype(np.int64) - zero_point) << ADD_LEFT_SHIFT, factor.value, factor.shift
            )
            for values, zero_point, factor in zip(
                (a, b), self.zero_points, self.factors, strict=True
            )
        )
        total = first + self.sign * second
        scaled = multiply(total, self.factor.value, self.factor.shift)
        return self.range.apply(scaled, np.dtype(np.int8))


@dataclass(frozen=True)
class Product:
    """a b, int8.

    Attributes:
        zero_points: of the inputs.
        factor: from the product to the output.
        range: of the output.
    """

    kernel: ClassVar[str] = "vpr_mul_s8"
    zero_points: tuple[int, int]
    factor: Multiplier
    range: Range

    @property
    def arguments(self) -> dict[str, str]:
        """See `Arithmetic`."""
        scaling = c_struct(
            a_zero_point=self.zero_points[0],
            b_zero_point=self.zero_points[1],
            factor=c_factor(self.factor),
        )
        return {"struct vpr_mul scaling": scaling, "struct vpr_range range": self.range.c()}

    def apply(self, a: Values, b: Values) -> Values:
        """See `Arithmetic`."""
        product = (a.astype(np.int64) - self.zero_points[0]) * (
            b.astype(np.int64) - self.zero_points[1]
        )
        scaled = multiply(product, self.factor.value, self.factor.shift)
        return self.range.apply(scaled, np.dtype(np.int8))


@dataclass(frozen=True)
class Extremum:
    """The greater or the smaller of a and b, int8, all of one scale and zero point.

    Attributes:
        sign: 1 for the greater, -1 for the smaller.
    """

    kernel: ClassVar[str] = "vpr_maximum_s8"
    sign: int

    @property
    def arguments(self) -> dict[str, str]:
        """See `Arithmetic`."""
        return {"int32_t sign": str(self.sign)}

    def apply(self, a: Values, b: Values) -> Values:
        """See `Arithmetic`."""
        return np.maximum(a, b) if self.sign > 0 else np.minimum(a, b)


@dataclass(frozen=True, eq=False)
class Binary(Operator):
    """An operator on pairs of elements; shapes broadcast, either input may be a constant.

    float32 results are the same bits on every machine.

    Attributes:
        types: of the inputs, that the operator takes.
        result: type of the output; None where it is the inputs'.
        broadcast: how the inputs are walked over.
        arithmetic: what happens to each pair.
    """

    types: ClassVar[tuple[str, ...]] = ("int8", "float32")
    result: ClassVar[str | None] = None
    broadcast: Broadcast
    arithmetic: Arithmetic

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 2))
        a = node.input(0, *cls.types)
        b, output = node.input(1, a.dtype.name), node.output(0, cls.result or a.dtype.name)
        broadcast = read_broadcast(node, a, b, output)
        if a.dtype == np.float32:
            return cls(node, broadcast, cls.floating(node))
        if a.dtype == np.int8:
            return cls(node, broadcast, cls.quantized(node, a, b, output))
        return cls(node, broadcast, cls.wide(node, a, b, output))

    @classmethod
    def floating(cls, node: Node) -> Arithmetic:
        """The float32 arithmetic.

        Raises:
            ModelError: an unknown fused activation.
        """
        return FloatPair(cls.code.lower(), float_range(node))

    @classmethod
    @abstractmethod
    def quantized(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """The int8 arithmetic.

        Raises:
            ModelError: scales that TFLM's arithmetic does not reach.
        """

    @classmethod
    def wide(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """The arithmetic of the other types that the operator takes.

        Raises:
            ModelError: scales that TFLM's arithmetic does not reach.
        """
        raise node.refuse(f"there is no {a.dtype} kernel", "convert it as int8", a)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        a, b = values
        assert a is not None and b is not None
        return (self.arithmetic.apply(a, b).reshape(self.outputs[0].shape),)

    def clearance(self, index: int) -> int | None:
        """See `Operator`: an input that is not repeated is read once, just before the write."""
        source, result = self.inputs[index], self.outputs[0]
        assert source is not None
        if source.dtype != result.dtype and 1 not in (source.dtype.itemsize, result.dtype.itemsize):
            return None
        if source.dtype.itemsize < result.dtype.itemsize:
            return None
        return 0 if np.prod(source.shape) == np.prod(self.outputs[0].shape) else None

    def kernel(self) -> Kernel:
        """See `Operator`."""
        function, arguments = self.arithmetic.kernel, self.arithmetic.arguments
        declarations = {"struct vpr_broadcast shape": self.broadcast.c()} | arguments
        names = ", ".join(declaration.split()[-1] for declaration in arguments)
        read, written = c_type(self.source), c_type(self.outputs[0])
        return Kernel(
            getattr(self.arithmetic, "header", f"{function}.h"),
            function.removeprefix("vpr_"),
            parameters(
                [
                    (f"const {read} *a", self.inputs[0]),
                    (f"const {read} *b", self.inputs[1]),
                    (f"{written} *output", self.outputs[0]),
                ]
            ),
            "".join(f"const {left} = {right};\n" for left, right in declarations.items())
            + f"{function}(shape, a, b, {names}, output);",
        )


@dataclass(frozen=True)
class WideSum:
    """a + b or a - b, int16 without zero points.

    Attributes:
        factors: of the inputs, to the common grid.
        sign: of the second input, 1 or -1.
        factor: from the common grid to the output.
        range: of the output.
    """

    kernel: ClassVar[str] = "vpr_add_s16"
    factors: tuple[Multiplier, Multiplier]
    sign: int
    factor: Multiplier
    range: Range

    @property
    def arguments(self) -> dict[str, str]:
        """See `Arithmetic`."""
        a, b = map(c_factor, self.factors)
        scaling = c_struct(a=a, b=b, sign=self.sign, factor=c_factor(self.factor))
        return {"struct vpr_add_s16 scaling": scaling, "struct vpr_range range": self.range.c()}

    def apply(self, a: Values, b: Values) -> Values:
        """See `Arithmetic`."""
        first, second = (
            multiply(x.astype(np.int64) << WIDE_LEFT_SHIFT, factor.value, factor.shift)
            for x, factor in zip((a, b), self.factors, strict=True)
        )
        total = first + self.sign * second
        scaled = multiply(total, self.factor.value, self.factor.shift)
        return self.range.apply(scaled, np.dtype(np.int16))


@dataclass(frozen=True)
class WideProduct:
    """a b, int16 without zero points.

    Attributes:
        factor: from the product to the output.
        range: of the output.
    """

    header: ClassVar[str] = "vpr_add_s16.h"
    kernel: ClassVar[str] = "vpr_mul_s16"
    factor: Multiplier
    range: Range

    @property
    def arguments(self) -> dict[str, str]:
        """See `Arithmetic`."""
        return {
            "struct vpr_factor factor": c_factor(self.factor),
            "struct vpr_range range": self.range.c(),
        }

    def apply(self, a: Values, b: Values) -> Values:
        """See `Arithmetic`."""
        product = a.astype(np.int64) * b.astype(np.int64)
        scaled = multiply(product, self.factor.value, self.factor.shift)
        return self.range.apply(scaled, np.dtype(np.int16))


class Add(Binary):
    """ADD."""

    code = "ADD"
    types = WIDE_TYPES

    @classmethod
    def quantized(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`; tflite-micro `add_common.cc`."""
        first, second = node.affine(a), node.affine(b)
        found = add_parameters(first, second, node.affine(output))
        return _sum(node, (first.zero_point, second.zero_point), found.inputs, 1, found.output)

    @classmethod
    def wide(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`; tflite-micro `add_common.cc`."""
        if a.dtype == np.int32:
            return integers(node, a)
        limits = symmetric_range(node, a, b, output)
        scales = [float(node.affine(tensor).scale) for tensor in (a, b, output)]
        doubled = 2 * max(scales[:2])
        factors = (
            quantize_multiplier(scales[0] / doubled),
            quantize_multiplier(scales[1] / doubled),
        )
        factor = quantize_multiplier(doubled / ((1 << WIDE_LEFT_SHIFT) * scales[2]))
        return _wide_sum(node, factors, 1, factor, limits)


class Sub(Binary):
    """SUB."""

    code = "SUB"
    types = WIDE_TYPES

    @classmethod
    def quantized(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`; the scales are divided in float32 (tflite-micro `sub_common.cc`)."""
        factors, factor = _differences(node, a, b, output, ADD_LEFT_SHIFT)
        zero_points = (node.affine(a).zero_point, node.affine(b).zero_point)
        return _sum(node, zero_points, factors, -1, factor)

    @classmethod
    def wide(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`; likewise."""
        if a.dtype == np.int32:
            return integers(node, a)
        limits = symmetric_range(node, a, b, output)
        factors, factor = _differences(node, a, b, output, WIDE_LEFT_SHIFT)
        return _wide_sum(node, factors, -1, factor, limits)


class Mul(Binary):
    """MUL."""

    code = "MUL"
    types = WIDE_TYPES

    @classmethod
    def quantized(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`; tflite-micro `mul_common.cc`."""
        first, second = node.affine(a), node.affine(b)
        factor = output_multiplier(first.scale, second.scale, node.affine(output).scale)
        if factor.shift > LARGEST_PRODUCT_SHIFT:
            raise refuse_scales(node)
        return Product((first.zero_point, second.zero_point), factor, fused_range(node, output))

    @classmethod
    def wide(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`; tflite-micro `mul_common.cc`."""
        if a.dtype == np.int32:
            return integers(node, a)
        limits = symmetric_range(node, a, b, output)
        factor = output_multiplier(*(node.affine(tensor).scale for tensor in (a, b, output)))
        if factor.shift > 0:
            raise refuse_scales(node)
        return WideProduct(factor, limits)


class Maximum(Binary):
    """MAXIMUM."""

    code = "MAXIMUM"
    types = (*WIDE_TYPES, "int64")

    @classmethod
    def floating(cls, node: Node) -> Arithmetic:
        """See `Binary`."""
        return FloatPair(cls.code.lower())

    @classmethod
    def quantized(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`; TFLM compares the integers, whatever their scales."""
        same_parameters(node, a, b, output)
        return Extremum(1)

    @classmethod
    def wide(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`."""
        if a.dtype == np.int16:
            same_parameters(node, a, b, output)
        return integers(node, a)


class Minimum(Maximum):
    """MINIMUM."""

    code = "MINIMUM"

    @classmethod
    def quantized(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Maximum`."""
        same_parameters(node, a, b, output)
        return Extremum(-1)


def same_parameters(node: Node, *tensors: Tensor) -> None:
    """Check that TFLM, which does not rescale here, would compute what the model means.

    Raises:
        ModelError: the tensors differ in scale or zero point.
    """
    if len({node.affine(tensor) for tensor in tensors}) > 1:
        raise node.refuse(
            "its inputs and output differ in scale or zero point, and TFLM would not rescale them",
            "quantise the model so that they share both",
        )


def _sum(
    node: Node,
    zero_points: tuple[int, int],
    factors: tuple[Multiplier, Multiplier],
    sign: int,
    factor: Multiplier,
) -> Sum:
    if factor.shift > 0:
        raise refuse_scales(node)
    return Sum(zero_points, factors, sign, factor, fused_range(node, node.outputs[0]))


def _differences(
    node: Node, a: Tensor, b: Tensor, output: Tensor, left_shift: int
) -> tuple[tuple[Multiplier, Multiplier], Multiplier]:
    """SUB's factors of the inputs and of the result; the scales are divided in float32."""
    first, second, result = node.affine(a), node.affine(b), node.affine(output)
    with np.errstate(over="ignore"):
        doubled = np.float32(2) * np.maximum(first.scale, second.scale)
        real = doubled / (np.float32(1 << left_shift) * result.scale)
    if not np.isfinite(doubled) or not np.isfinite(real):
        raise refuse_scales(node)
    factors = (
        quantize_multiplier(first.scale / doubled),
        quantize_multiplier(second.scale / doubled),
    )
    return factors, quantize_multiplier(real)


def _wide_sum(
    node: Node,
    factors: tuple[Multiplier, Multiplier],
    sign: int,
    factor: Multiplier,
    limits: Range,
) -> WideSum:
    if factor.shift > 0:
        raise refuse_scales(node)
    return WideSum(factors, sign, factor, limits)


def c_factor(factor: Multiplier) -> str:
    """The initialiser of a `struct vpr_factor`."""
    return c_struct(multiplier=factor.value, shift=factor.shift)


def refuse_scales(node: Node) -> ModelError:
    """The error for an output whose scale makes multipliers overflow."""
    return node.refuse(
        "the output's scale is too small beside the inputs' for 32-bit arithmetic",
        "its scales are corrupt, so quantise the model again",
    )
