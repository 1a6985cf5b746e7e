"""CUMSUM and ADD_N, which TFLM sums on a grid finer than int8."""

from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np

from vpr_edge.arithmetic.integers import (
    ADD_LEFT_SHIFT,
    Multiplier,
    add_parameters,
    multiply,
)
from vpr_edge.firmware_bridge.operators.elementwise import c_factor, refuse_scales, same_parameters
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Kernel,
    Operator,
    Values,
    c_struct,
    c_type,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.rearrangement import (
    check_shape,
    read_axis,
    read_integers,
)
from vpr_edge.firmware_bridge.operators.shared.requantize import INT32_MAX, Range


@dataclass(frozen=True)
class FineSum:
    """Sums of int8 values of one scale.

    Attributes:
        zero_point: of the terms.
        to_grid: factor from a term, shifted left, to the grid.
        factor: from the grid to the output.
        range: of the output.
    """

    zero_point: int
    to_grid: Multiplier
    factor: Multiplier
    range: Range

    def term(self, x: Values) -> Values:
        """Stored integers on the grid; TFLM begins a sum with that of 0."""
        steps = (x.astype(np.int64) - self.zero_point) << ADD_LEFT_SHIFT
        return np.asarray(multiply(steps, int(self.to_grid.value), int(self.to_grid.shift)))

    def output(self, sums: Values) -> Values:
        """Sums on the grid as the output's integers."""
        scaled = multiply(sums, int(self.factor.value), int(self.factor.shift))
        return self.range.apply(scaled, np.dtype(np.int8))

    def c(self) -> str:
        """The initialiser of a `struct vpr_fine_sum`."""
        return c_struct(
            zero_point=self.zero_point,
            to_grid=c_factor(self.to_grid),
            factor=c_factor(self.factor),
            range=self.range.c(),
        )


def fine_sum(node: Node, source: Tensor, terms: int) -> FineSum:
    """How an operator sums `terms` int8 values.

    Raises:
        ModelError: scales, or a number of terms, that TFLM's int32 does not hold.
    """
    before, after = node.affine(source), node.affine(node.outputs[0])
    found = add_parameters(before, before, after)
    # A term on the grid is at most half of 255 steps.
    if found.output.shift > 0 or (terms + 1) * 255 << (ADD_LEFT_SHIFT - 1) > INT32_MAX:
        raise refuse_scales(node)
    return FineSum(
        before.zero_point, found.inputs[0], found.output, Range(after.zero_point, -128, 127)
    )


@dataclass(frozen=True, eq=False)
class CumSum(Operator):
    """CUMSUM.

    Attributes:
        axis: along which elements are summed.
        exclusive: whether an output leaves out the element at its place.
        reverse: whether it begins at the end.
        fine: None for float32.
    """

    code = "CUMSUM"
    axis: int
    exclusive: bool
    reverse: bool
    fine: FineSum | None

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 2))
        source = node.input(0, "int8", "float32")
        node.output(0, source.dtype.name)
        check_shape(node, source, source.shape)
        given = read_integers(node, 1)
        if len(given) != 1:
            raise node.refuse(f"it names the axes {list(given)}", "convert it with one axis")
        axis = read_axis(node, given[0], len(source.shape))
        fine = None
        if source.dtype == np.int8:
            fine = fine_sum(node, source, source.shape[axis])
        options = bool(node.option("exclusive", False)), bool(node.option("reverse", False))
        return cls(node, axis, *options, fine)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        moved = np.moveaxis(values[0], self.axis, 0)
        terms = moved[::-1] if self.reverse else moved
        if self.fine is None:
            start, steps = np.zeros(terms.shape[1:], np.float32), terms
        else:
            steps = self.fine.term(terms)
            start = np.broadcast_to(self.fine.term(np.zeros(1, np.int64)), terms.shape[1:])
        sums, total = [], start
        with np.errstate(all="ignore"):
            for step in steps:
                after = total + step
                sums.append(total if self.exclusive else after)
                total = after
        found = np.stack(sums)
        if self.fine is not None:
            found = self.fine.output(found)
        found = found[::-1] if self.reverse else found
        return (np.ascontiguousarray(np.moveaxis(found, 0, self.axis)).astype(values[0].dtype),)

    def clearance(self, index: int) -> int | None:
        """See `Operator`: an element is read just before it is written."""
        return 0

    def kernel(self) -> Kernel:
        """See `Operator`."""
        shape, kind = self.source.shape, "f32" if self.fine is None else "s8"
        walk = c_struct(
            outer=prod(shape[: self.axis]),
            count=shape[self.axis],
            inner=prod(shape[self.axis + 1 :]),
            exclusive=int(self.exclusive),
            reverse=int(self.reverse),
        )
        body = f"const struct vpr_cumsum shape = {walk};\n"
        if self.fine is not None:
            body += f"const struct vpr_fine_sum sum = {self.fine.c()};\n"
        return Kernel(
            "vpr_cumsum.h",
            f"cumsum_{kind}",
            parameters(
                [
                    (f"const {c_type(self.source)} *input", self.source),
                    (f"{c_type(self.source)} *output", self.outputs[0]),
                ]
            ),
            f"{body}vpr_cumsum_{kind}(shape, {'' if self.fine is None else 'sum, '}input, output);",
        )


@dataclass(frozen=True, eq=False)
class AddN(Operator):
    """ADD_N.

    Attributes:
        fine: None for float32.
    """

    code = "ADD_N"
    fine: FineSum | None

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 16))
        source = node.input(0, "int8", "float32")
        tensors = [node.input(i, source.dtype.name) for i in range(len(node.inputs))]
        node.output(0, source.dtype.name)
        for tensor in tensors:
            check_shape(node, tensor, tensor.shape)
        if source.dtype == np.float32:
            return cls(node, None)
        same_parameters(node, *tensors)
        return cls(node, fine_sum(node, source, len(tensors)))

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        given = [value for value in values if value is not None]
        if self.fine is None:
            total = np.zeros(given[0].shape, np.float32)
            with np.errstate(all="ignore"):
                for value in given:
                    total = total + value
            return (total,)
        start = self.fine.term(np.zeros(1, np.int64))
        return (self.fine.output(sum((self.fine.term(x) for x in given), start)),)

    def clearance(self, index: int) -> int | None:
        """See `Operator`."""
        return 0

    def kernel(self) -> Kernel:
        """See `Operator`."""
        names = [f"input{index}" for index in range(len(self.inputs))]
        kind, c_name = ("f32", "float") if self.fine is None else ("s8", "int8_t")
        count = prod(self.outputs[0].shape)
        declared = (
            "" if self.fine is None else f"const struct vpr_fine_sum sum = {self.fine.c()};\n"
        )
        given = "" if self.fine is None else "sum, "
        return Kernel(
            "vpr_cumsum.h",
            f"add_n_{kind}",
            parameters(
                [
                    *((f"const {c_name} *{n}", t) for n, t in zip(names, self.inputs, strict=True)),
                    (f"{c_name} *output", self.outputs[0]),
                ]
            ),
            f"const {c_name} *const inputs[] = {{{', '.join(names)}}};\n{declared}"
            f"vpr_add_n_{kind}({count}, {len(names)}, {given}inputs, output);",
        )
