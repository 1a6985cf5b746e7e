"""RESHAPE, SQUEEZE, EXPAND_DIMS: the same bytes under another shape."""

from dataclasses import replace
from math import prod
from typing import Self

from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.operator import Values
from vpr_edge.firmware_bridge.operators.shared.rearrangement import (
    Rearrangement,
    check_shape,
    read_integers,
    refuse_shape,
)


def _unchanged(array: Values) -> tuple[Values, ...]:
    return (array,)


class Reshape(Rearrangement):
    """RESHAPE; the shape that the file declares for the output counts, as in TFLM."""

    code = "RESHAPE"
    types = ("int8", "uint8", "int16", "int32", "int64", "float32", "bool")

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((1, 2))
        source = cls.moved(node)
        if prod(source.shape) != prod(node.outputs[0].shape):
            raise refuse_shape(node, source)
        # Without the shape, which is not read, the layers that compute it have no readers.
        return cls(replace(node, inputs=node.inputs[:1]), _unchanged)


class Squeeze(Rearrangement):
    """SQUEEZE."""

    code = "SQUEEZE"
    types = Reshape.types

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((1, 1))
        source, output = cls.moved(node), node.outputs[0]
        kept = [length for length in source.shape if length != 1]
        if kept != [length for length in output.shape if length != 1]:
            raise refuse_shape(node, source)
        return cls(node, _unchanged)


class ExpandDims(Rearrangement):
    """EXPAND_DIMS."""

    code = "EXPAND_DIMS"

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 2))
        source, axis = cls.moved(node), read_integers(node, 1)
        place = axis[0] + len(source.shape) + 1 if axis[0] < 0 else axis[0]
        if len(axis) != 1 or not 0 <= place <= len(source.shape):
            raise refuse_shape(node, source)
        check_shape(node, source, (*source.shape[:place], 1, *source.shape[place:]))
        return cls(node, _unchanged)
