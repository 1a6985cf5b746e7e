"""SPLIT, SPLIT_V and UNPACK: an axis cut into several outputs."""

from typing import ClassVar, Self

import numpy as np

from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import Values
from vpr_edge.firmware_bridge.operators.shared.rearrangement import (
    Rearrangement,
    check_shape,
    read_axis,
    read_integers,
    refuse_shape,
)

TYPES = ("int8", "int16", "int32", "float32")


def _cut(node: Node, source: Tensor, axis: int) -> tuple[int, ...]:
    """Where along the axis each output ends, from the outputs' shapes."""
    for index, output in enumerate(node.outputs):
        length = output.shape[axis] if len(output.shape) == len(source.shape) else 0
        check_shape(node, source, (*source.shape[:axis], length, *source.shape[axis + 1 :]), index)
    ends = np.cumsum([output.shape[axis] for output in node.outputs])
    if ends[-1] != source.shape[axis]:
        raise refuse_shape(node, source)
    return tuple(int(end) for end in ends)


class Split(Rearrangement):
    """SPLIT, into equal parts."""

    code = "SPLIT"
    types = TYPES
    source_index = 1
    axis_index: ClassVar[int] = 0
    inputs_read: ClassVar[int] = 2

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((cls.inputs_read, cls.inputs_read), max(len(node.outputs), 1))
        source, given = cls.moved(node), read_integers(node, cls.axis_index)
        axis = read_axis(node, given[0], len(source.shape))
        ends = cls.checked(node, source, _cut(node, source, axis))

        def pick(array: Values) -> tuple[Values, ...]:
            return tuple(np.split(array, ends[:-1], axis))

        return cls(node, pick)

    @classmethod
    def checked(cls, node: Node, source: Tensor, ends: tuple[int, ...]) -> tuple[int, ...]:
        """The same ends.

        Raises:
            ModelError: the parts are not what the operator gives.
        """
        parts = {output.shape for output in node.outputs}
        if len(parts) != 1:
            raise refuse_shape(node, source)
        return ends


class SplitV(Split):
    """SPLIT_V, into parts of the outputs' sizes; the sizes given, which TFLM ignores, agree."""

    code = "SPLIT_V"
    source_index = 0
    axis_index = 2
    inputs_read = 3

    @classmethod
    def checked(cls, node: Node, source: Tensor, ends: tuple[int, ...]) -> tuple[int, ...]:
        """See `Split`."""
        given = read_integers(node, 1, "int32", "int64")
        sizes = np.diff((0, *ends))
        if len(given) != len(sizes) or any(
            wanted not in (-1, size) for wanted, size in zip(given, sizes, strict=True)
        ):
            raise refuse_shape(node, source)
        return ends


class Unpack(Rearrangement):
    """UNPACK: an output for each index along the axis, which goes away."""

    code = "UNPACK"
    types = TYPES

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((1, 1), max(len(node.outputs), 1))
        source = cls.moved(node)
        axis = read_axis(node, int(node.option("axis", 0)), len(source.shape))
        if len(node.outputs) != source.shape[axis]:
            raise refuse_shape(node, source)
        for index in range(len(node.outputs)):
            check_shape(node, source, source.shape[:axis] + source.shape[axis + 1 :], index)

        def pick(array: Values) -> tuple[Values, ...]:
            first = np.moveaxis(array, axis, 0)
            # The dots keep a view where nothing else is left.
            return tuple(first[index, ...] for index in range(len(first)))

        return cls(node, pick)
