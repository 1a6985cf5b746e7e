"""BROADCAST_TO, REVERSE_V2 and MIRROR_PAD: the same elements repeated, or in reverse."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Constant,
    Kernel,
    Operator,
    Values,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.rearrangement import (
    Rearrangement,
    check_rank,
    check_shape,
    read_axis,
    read_integers,
    refuse_shape,
)

# Loops that the C takes (VPR_MIRROR_AXES in vpr_mirror_pad.h).
AXES = 5
REFLECT = 0


class BroadcastTo(Rearrangement):
    """BROADCAST_TO."""

    code = "BROADCAST_TO"
    types = ("int8", "int16", "int32", "float32")

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 2))
        source, shape = cls.moved(node), read_integers(node, 1, "int32", "int64")
        check_shape(node, source, shape)
        if len(shape) > AXES:
            raise refuse_shape(node, source)
        try:
            np.broadcast_to(np.empty(source.shape, np.int8), shape)
        except ValueError:
            raise refuse_shape(node, source) from None
        return cls(node, lambda array: (np.broadcast_to(array, shape),))

    def clearance(self, index: int) -> int | None:
        """See `Operator`: elements are read again after others are written."""
        return None


class Reverse(Rearrangement):
    """REVERSE_V2."""

    code = "REVERSE_V2"
    types = ("int8", "uint8", "int16", "int32", "int64", "float32", "bool")

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 2))
        source, given = cls.moved(node), read_integers(node, 1)
        check_rank(node, source, AXES)
        check_shape(node, source, source.shape)
        axes = tuple(read_axis(node, axis, len(source.shape)) for axis in given)
        if len(set(axes)) != len(axes):
            raise node.refuse(f"the axes {list(given)} repeat", "convert the model again")
        return cls(node, lambda array: (np.flip(array, axes),))

    def clearance(self, index: int) -> int | None:
        """See `Operator`: the end is read first."""
        return None


@dataclass(frozen=True, eq=False)
class MirrorPad(Operator):
    """MIRROR_PAD, up to five dimensions.

    Attributes:
        indices: along each axis where the elements come from.
    """

    code = "MIRROR_PAD"
    indices: tuple[tuple[int, ...], ...]

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 2))
        source = node.input(0, "int8", "float32")
        node.output(0, source.dtype.name)
        check_rank(node, source, AXES)
        edge = int(node.needed("mode") == REFLECT)
        amounts = read_integers(node, 1, "int32", "int64")
        pairs = list(zip(amounts[::2], amounts[1::2], strict=False))
        if len(amounts) != 2 * len(source.shape) or any(
            not 0 <= amount <= length - edge
            for pair, length in zip(pairs, source.shape, strict=False)
            for amount in pair
        ):
            raise node.refuse(
                f"{list(amounts)} are no mirrored edges of {list(source.shape)}",
                "the file is corrupt, so convert the model again",
            )
        mode = "reflect" if edge else "symmetric"
        indices = tuple(
            tuple(np.pad(np.arange(length), pair, mode=mode).tolist())  # type: ignore[call-overload]
            for pair, length in zip(pairs, source.shape, strict=True)
        )
        check_shape(node, source, tuple(map(len, indices)))
        return cls(node, indices)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        if not self.indices:
            return (values[0],)
        return (np.ascontiguousarray(values[0][np.ix_(*self.indices)]),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        size = self.source.dtype.itemsize
        steps = np.empty(self.source.shape, self.source.dtype).strides
        columns = [
            np.array(index, np.int32) * step
            for index, step in zip(self.indices, steps, strict=True)
        ]
        idle = AXES - len(columns)
        tables = np.concatenate([np.zeros(idle, np.int32), *columns]).astype(np.int32)
        counts = ", ".join(map(str, (*(1,) * idle, *self.outputs[0].shape)))
        return Kernel(
            "vpr_mirror_pad.h",
            "mirror_pad",
            parameters(
                [
                    ("const void *input", self.source),
                    ("const int32_t *offsets", Constant("offsets", tables)),
                    ("void *output", self.outputs[0]),
                ]
            ),
            f"const int32_t count[VPR_MIRROR_AXES] = {{{counts}}};\n"
            f"vpr_mirror_pad(count, {size}, (const uint8_t *)input, offsets, (uint8_t *)output);",
        )
