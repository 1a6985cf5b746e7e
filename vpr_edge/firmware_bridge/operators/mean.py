"""MEAN and SUM over any axes, int8, int16 and float32."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import ClassVar, Self

import numpy as np

from vpr_edge.arithmetic.integers import Multiplier, mean_multiplier, multiply, quantize_multiplier
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor, integer_limits
from vpr_edge.firmware_bridge.operators.shared.operator import (
    C_TYPES,
    Kernel,
    Operator,
    Values,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.rearrangement import (
    read_axis,
    read_integers,
    refuse_shape,
)
from vpr_edge.firmware_bridge.operators.shared.requantize import Range

# Groups of neighbouring axes that the C takes (VPR_REDUCE_LOOPS in vpr_reduce.h).
GROUPS = 3
# Of a sum of int8 values less their zero point, shifted left.
LARGEST_SUM = 1 << 31


@dataclass(frozen=True, eq=False)
class Scaling:
    """From a sum of int8 values to the output.

    Attributes:
        zero_point: of the input.
        factor: from the sum to the output.
        range: of the output.
    """

    zero_point: int
    factor: Multiplier
    range: Range


@dataclass(frozen=True, eq=False)
class Reduction(Operator):
    """A sum over axes, as it is or divided by the number of its terms.

    Attributes:
        axes: that are summed over, in order.
        scaling: None for float32.
    """

    divides: ClassVar[bool]
    types: ClassVar[tuple[str, ...]] = ("int8", "int16", "float32")
    axes: tuple[int, ...]
    scaling: Scaling | None

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        found = cls.over_axes(node)
        if found.source.dtype == np.float32:
            return found
        return cls(node, found.axes, cls.quantized(node, found.source, found.terms))

    @classmethod
    def over_axes(cls, node: Node) -> Self:
        """The operator without a scaling, its axes and shapes checked.

        Raises:
            ModelError: axes that are not there, or that are too scattered for the C.
        """
        node.expect((2, 2))
        source = node.input(0, *cls.types)
        output, shape = node.output(0, source.dtype.name), source.shape
        given = read_integers(node, 1)
        # A number without dimensions has no axes to name.
        axes = sorted({read_axis(node, axis, len(shape)) for axis in given} if shape else ())
        kept = [length for axis, length in enumerate(shape) if axis not in axes]
        if [n for n in kept if n != 1] != [n for n in output.shape if n != 1]:
            raise refuse_shape(node, source)
        found = cls(node, tuple(axes), None)
        if max(len(loops) for loops in found.loops) > GROUPS:
            raise node.refuse(
                f"the axes {axes} of {list(shape)} lie in more than {GROUPS} groups",
                "sum over neighbouring axes in layers of their own",
            )
        return found

    @classmethod
    def quantized(cls, node: Node, source: Tensor, terms: int) -> Scaling:
        """How int8 sums become outputs.

        Raises:
            ModelError: sums that leave int32.
        """
        before, after = node.affine(source), node.affine(node.outputs[0])
        factor = cls.factor(before.scale, after.scale, terms)
        low, high = integer_limits(source)
        if (high - low) * terms << max(int(factor.shift), 0) >= LARGEST_SUM:
            raise node.refuse(
                f"sums of {terms} elements can overflow 32-bit arithmetic at these scales",
                "sum in two layers, or quantise the model again",
            )
        return Scaling(before.zero_point, factor, Range(after.zero_point, low, high))

    @classmethod
    @abstractmethod
    def factor(cls, source: np.float32, output: np.float32, terms: int) -> Multiplier:
        """From an int8 sum of `terms` elements to the output; scales of input and output."""

    @property
    def terms(self) -> int:
        """Of each sum."""
        return prod(self.source.shape[axis] for axis in self.axes)

    @cached_property
    def loops(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """(count, step in elements) of the loops over outputs, and over the terms of each."""
        groups: list[tuple[bool, int, int]] = []
        step = 1
        for axis, length in reversed(list(enumerate(self.source.shape))):
            if length != 1:
                summed = axis in self.axes
                if groups and groups[-1][0] == summed:
                    groups[-1] = (summed, groups[-1][1] * length, groups[-1][2])
                else:
                    groups.append((summed, length, step))
                step *= length
        kept, summed_over = (
            [(count, at) for summed, count, at in reversed(groups) if summed is kind]
            for kind in (False, True)
        )
        return kept, summed_over

    def rows(self, array: Values) -> Values:
        """The terms of each output [outputs, terms], in order."""
        kept = [axis for axis in range(array.ndim) if axis not in self.axes]
        return array.transpose(*kept, *self.axes).reshape(-1, self.terms)

    def c_shape(self) -> str:
        """The initialiser of a `struct vpr_reduce`."""
        kept, summed = (
            [(1, 0)] * (GROUPS - len(loops)) + [(int(n), int(at)) for n, at in loops]
            for loops in self.loops
        )
        rows = [[row[part] for row in loops] for loops in (kept, summed) for part in (0, 1)]
        return "{" + ", ".join("{" + ", ".join(map(str, row)) + "}" for row in rows) + "}"

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        array, output = values[0], self.outputs[0]
        assert array is not None
        rows = self.rows(array)
        if self.scaling is None:
            # One after the other in float32, beginning with a positive zero.
            with np.errstate(all="ignore"):
                sums = np.cumsum(rows, axis=1, dtype=np.float32)[:, -1] + np.float32(0)
                sums = sums / np.float32(self.terms if self.divides else 1)
            return (sums.astype(np.float32).reshape(output.shape),)
        s = self.scaling
        totals = rows.astype(np.int64).sum(axis=1) - s.zero_point * self.terms
        scaled = multiply(totals, int(s.factor.value), int(s.factor.shift))
        return (s.range.apply(scaled, output.dtype).reshape(output.shape),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        body = f"const struct vpr_reduce shape = {self.c_shape()};\n"
        if self.scaling is None:
            divisor = self.terms if self.divides else 1
            c_type, name = "float", "vpr_reduce_f32"
            body += f"vpr_reduce_f32(shape, input, {divisor}.0f, output);"
        else:
            s = self.scaling
            kind = f"s{8 * self.source.dtype.itemsize}"
            c_type, name = C_TYPES[self.source.dtype.name], f"vpr_reduce_{kind}"
            body += (
                f"const struct vpr_range range = {s.range.c()};\n"
                f"{name}(shape, input, {s.zero_point * self.terms}, {s.factor.value}, "
                f"{s.factor.shift}, range, output);"
            )
        header = "vpr_reduce_f32.h" if self.scaling is None else "vpr_reduce_s8.h"
        return Kernel(
            header,
            self.code.lower(),
            parameters(
                [(f"const {c_type} *input", self.source), (f"{c_type} *output", self.outputs[0])]
            ),
            body,
        )


class Mean(Reduction):
    """MEAN."""

    code = "MEAN"
    divides = True

    @classmethod
    def factor(cls, source: np.float32, output: np.float32, terms: int) -> Multiplier:
        """See `Reduction`."""
        return mean_multiplier(source, output, terms)


class Sum(Reduction):
    """SUM."""

    code = "SUM"
    divides = False

    @classmethod
    def factor(cls, source: np.float32, output: np.float32, terms: int) -> Multiplier:
        """See `Reduction`."""
        return quantize_multiplier(float(source) / float(output))
