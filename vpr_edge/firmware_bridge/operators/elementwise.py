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
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Kernel,
    Operator,
    Values,
    c_struct,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.requantize import Range, fused_range

# The largest left shift of a product of two int8 differences that int32 holds.
LARGEST_PRODUCT_SHIFT = 14


class Arithmetic(Protocol):
    """What happens to each pair of elements.

    Attributes:
        kernel: name of the C function and, with ".h", of its file.
    """

    kernel: ClassVar[str]

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
        broadcast: how the inputs are walked over.
        arithmetic: what happens to each pair.
    """

    broadcast: Broadcast
    arithmetic: Arithmetic

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 2))
        a = node.input(0, "int8", "float32")
        b, output = node.input(1, a.dtype.name), node.output(0, a.dtype.name)
        broadcast = read_broadcast(node, a, b, output)
        if a.dtype == np.float32:
            return cls(node, broadcast, cls.floating(node))
        return cls(node, broadcast, cls.quantized(node, a, b, output))

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

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        a, b = values
        assert a is not None and b is not None
        return (self.arithmetic.apply(a, b).reshape(self.outputs[0].shape),)

    def clearance(self, index: int) -> int | None:
        """See `Operator`: an input that is not repeated is read once, just before the write."""
        source = self.inputs[index]
        assert source is not None
        return 0 if np.prod(source.shape) == np.prod(self.outputs[0].shape) else None

    def kernel(self) -> Kernel:
        """See `Operator`."""
        function, arguments = self.arithmetic.kernel, self.arithmetic.arguments
        declarations = {"struct vpr_broadcast shape": self.broadcast.c()} | arguments
        names = ", ".join(declaration.split()[-1] for declaration in arguments)
        c_type = "float" if self.outputs[0].dtype == np.float32 else "int8_t"
        return Kernel(
            f"{function}.h",
            function.removeprefix("vpr_"),
            parameters(
                [
                    (f"const {c_type} *a", self.inputs[0]),
                    (f"const {c_type} *b", self.inputs[1]),
                    (f"{c_type} *output", self.outputs[0]),
                ]
            ),
            "".join(f"const {left} = {right};\n" for left, right in declarations.items())
            + f"{function}(shape, a, b, {names}, output);",
        )


class Add(Binary):
    """ADD."""

    code = "ADD"

    @classmethod
    def quantized(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`; tflite-micro `add_common.cc`."""
        first, second = node.affine(a), node.affine(b)
        found = add_parameters(first, second, node.affine(output))
        return _sum(node, (first.zero_point, second.zero_point), found.inputs, 1, found.output)


class Sub(Binary):
    """SUB."""

    code = "SUB"

    @classmethod
    def quantized(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`; the scales are divided in float32 (tflite-micro `sub_common.cc`)."""
        first, second, result = node.affine(a), node.affine(b), node.affine(output)
        with np.errstate(over="ignore"):
            doubled = np.float32(2) * np.maximum(first.scale, second.scale)
            real = doubled / (np.float32(1 << ADD_LEFT_SHIFT) * result.scale)
        if not np.isfinite(doubled) or not np.isfinite(real):
            raise refuse_scales(node)
        factors = (
            quantize_multiplier(first.scale / doubled),
            quantize_multiplier(second.scale / doubled),
        )
        zero_points = (first.zero_point, second.zero_point)
        return _sum(node, zero_points, factors, -1, quantize_multiplier(real))


class Mul(Binary):
    """MUL."""

    code = "MUL"

    @classmethod
    def quantized(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`; tflite-micro `mul_common.cc`."""
        first, second = node.affine(a), node.affine(b)
        factor = output_multiplier(first.scale, second.scale, node.affine(output).scale)
        if factor.shift > LARGEST_PRODUCT_SHIFT:
            raise refuse_scales(node)
        return Product((first.zero_point, second.zero_point), factor, fused_range(node, output))


class Maximum(Binary):
    """MAXIMUM."""

    code = "MAXIMUM"

    @classmethod
    def floating(cls, node: Node) -> Arithmetic:
        """See `Binary`."""
        return FloatPair(cls.code.lower())

    @classmethod
    def quantized(cls, node: Node, a: Tensor, b: Tensor, output: Tensor) -> Arithmetic:
        """See `Binary`; TFLM compares the integers, whatever their scales."""
        same_parameters(node, a, b, output)
        return Extremum(1)


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


def c_factor(factor: Multiplier) -> str:
    """The initialiser of a `struct vpr_factor`."""
    return c_struct(multiplier=factor.value, shift=factor.shift)


def refuse_scales(node: Node) -> ModelError:
    """The error for an output whose scale makes multipliers overflow."""
    return node.refuse(
        "the output's scale is too small beside the inputs' for 32-bit arithmetic",
        "its scales are corrupt, so quantise the model again",
    )
