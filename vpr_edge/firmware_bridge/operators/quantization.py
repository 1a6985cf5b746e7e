"""QUANTIZE and DEQUANTIZE: from one number type or scale to another."""

from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np

from vpr_edge.arithmetic.affine import Affine
from vpr_edge.arithmetic.integers import Multiplier, multiply, quantize_multiplier
from vpr_edge.firmware_bridge.operators.elementwise import (
    LARGEST_PRODUCT_SHIFT,
    c_factor,
    refuse_scales,
)
from vpr_edge.firmware_bridge.operators.shared.floats import c_float
from vpr_edge.firmware_bridge.operators.shared.node import Node, integer_limits
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Constant,
    Kernel,
    Operator,
    Values,
    c_struct,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.requantize import Range
from vpr_edge.firmware_bridge.operators.shared.unary import INT8, TABLE_BODY, same_shape

# Number types by the suffix of the kernels' names, with their C types.
SUFFIXES = {"int8": "s8", "uint8": "u8", "int16": "s16", "int32": "s32", "float32": "f32"}
C_TYPES = {"s8": "int8_t", "u8": "uint8_t", "s16": "int16_t", "s32": "int32_t", "f32": "float"}
# What QUANTIZE takes, and what it makes of it.
PAIRS = (
    *(("float32", after) for after in ("int8", "int16")),
    *((before, after) for before in ("int8", "int16") for after in ("int8", "int16")),
    ("uint8", "int8"),
    ("int8", "uint8"),
    ("int8", "int32"),
    ("int16", "int32"),
    ("int32", "int8"),
    ("int32", "int16"),
)


@dataclass(frozen=True, eq=False)
class Conversion(Operator):
    """What both operators have.

    Attributes:
        affine: of the integers: of QUANTIZE's output, of DEQUANTIZE's input.
    """

    affine: Affine

    @property
    def suffixes(self) -> tuple[str, str]:
        """Of input and output."""
        return SUFFIXES[self.source.dtype.name], SUFFIXES[self.outputs[0].dtype.name]

    def clearance(self, index: int) -> int | None:
        """See `Operator`: wider results need the input to end where they end.

        None between types that C does not let share memory.
        """
        before, after = self.source.dtype, self.outputs[0].dtype
        if before != after and 1 not in (before.itemsize, after.itemsize):
            return None
        return max(after.itemsize - before.itemsize, 0) * prod(self.source.shape)

    def called(self, header: str, function: str, declarations: str, arguments: str) -> Kernel:
        """The C of a layer that calls function(input, count, arguments, output)."""
        before, after = (C_TYPES[suffix] for suffix in self.suffixes)
        return Kernel(
            header,
            function.removeprefix("vpr_"),
            parameters(
                [
                    (f"const {before} *input", self.source),
                    ("int32_t count", str(prod(self.source.shape))),
                    (f"{after} *output", self.outputs[0]),
                ]
            ),
            f"{declarations}{function}(input, count, {arguments}, output);",
        )


class Dequantize(Conversion):
    """DEQUANTIZE; the same bits as TFLM's, which multiplies in double."""

    code = "DEQUANTIZE"

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((1, 1))
        source = node.input(0, "int8", "uint8", "int16")
        same_shape(node, source, node.output(0, "float32"))
        return cls(node, node.affine(source))

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        (x,) = values
        assert x is not None
        steps = x.astype(np.int64) - self.affine.zero_point
        return ((float(self.affine.scale) * steps).astype(np.float32),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        function = f"vpr_dequantize_{self.suffixes[0]}_f32"
        arguments = f"{c_float(self.affine.scale)}, {self.affine.zero_point}"
        return self.called("vpr_quantize_f32.h", function, "", arguments)


@dataclass(frozen=True, eq=False)
class Quantize(Conversion):
    """QUANTIZE, from float32 or from integers; a table between 8-bit types.

    From float32, NaN gives the least integer and what is too large for int32 saturates, where
    TFLM's conversion is undefined.

    Attributes:
        zero_point: of an integer input.
        factor: from an integer input to the output; None from float32.
    """

    code = "QUANTIZE"
    zero_point: int = 0
    factor: Multiplier | None = None

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((1, 1))
        source, output = node.input(0), node.outputs[0]
        same_shape(node, source, output)
        if (source.dtype.name, output.dtype.name) not in PAIRS:
            raise node.refuse(
                f"it goes from {source.dtype.name} to {output.dtype.name}",
                "quantise the model to full int8 before compiling it",
            )
        after = node.affine(output)
        if source.dtype == np.float32:
            return cls(node, after)
        before = node.affine(source)
        factor = quantize_multiplier(float(before.scale) / float(after.scale))
        # An int32 is as large as it gets, and so would be a difference to its zero point.
        most = 0 if source.dtype == np.int32 else LARGEST_PRODUCT_SHIFT
        zeros = [
            affine.zero_point
            for affine, tensor in ((before, source), (after, output))
            if tensor.dtype == np.int32
        ]
        if factor.shift > most or any(zeros):
            raise refuse_scales(node)
        return cls(node, after, before.zero_point, factor)

    @property
    def range(self) -> Range:
        """Of the output."""
        return Range(self.affine.zero_point, *integer_limits(self.outputs[0]))

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        (x,) = values
        assert x is not None
        if self.factor is not None:
            steps = x.astype(np.int64) - self.zero_point
            scaled = multiply(steps, self.factor.value, self.factor.shift)
            return (self.range.apply(scaled, self.outputs[0].dtype),)
        with np.errstate(all="ignore"):
            real = (x / self.affine.scale).astype(np.float64)
        rounded = np.copysign(np.floor(np.abs(real) + 0.5), real)
        low, high = self.range.low - self.range.zero_point, self.range.high - self.range.zero_point
        inside = np.where(np.isnan(rounded), low, np.clip(rounded, low, high)).astype(np.int64)
        return (self.range.apply(inside, self.outputs[0].dtype),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        before, after = self.suffixes
        declarations = f"const struct vpr_range range = {self.range.c()};\n"
        if self.factor is None:
            arguments = f"{c_float(self.affine.scale)}, range"
            function = f"vpr_quantize_f32_{after}"
            return self.called("vpr_quantize_f32.h", function, declarations, arguments)
        if "s16" in (before, after) or "s32" in (before, after):
            rescale = c_struct(zero_point=self.zero_point, factor=c_factor(self.factor))
            declarations += f"const struct vpr_rescale rescale = {rescale};\n"
            function = f"vpr_rescale_{before}_{after}"
            return self.called("vpr_rescale_s16.h", function, declarations, "rescale, range")
        # By the bytes as int8: uint8 values from 128 on come first.
        (results,) = self.reference(INT8.astype(np.int8).view(self.source.dtype))
        return Kernel(
            "vpr_table_s8.h",
            "table_s8",
            parameters(
                [
                    (f"const {C_TYPES[before]} *input", self.source),
                    ("const int8_t *table", Constant("table", results.view(np.int8))),
                    ("int32_t count", str(prod(self.source.shape))),
                    (f"{C_TYPES[after]} *output", self.outputs[0]),
                ]
            ),
            TABLE_BODY
            if before == after
            else "vpr_table_s8((const int8_t *)input, table, count, (int8_t *)output);",
        )
