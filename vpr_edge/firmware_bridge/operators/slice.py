"""SLICE and STRIDED_SLICE, their bounds constants."""

from typing import Self

from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.rearrangement import (
    Rearrangement,
    check_rank,
    check_shape,
    read_integers,
)


class Slice(Rearrangement):
    """SLICE, up to five dimensions."""

    code = "SLICE"
    types = ("int8", "int16", "int32", "float32", "bool")

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((3, 3))
        source = cls.moved(node)
        check_rank(node, source, 5)
        begin = _bounds(node, 1, source, "int32", "int64")
        size = tuple(
            length - first if wanted == -1 else wanted
            for length, first, wanted in zip(
                source.shape, begin, _bounds(node, 2, source, "int32", "int64"), strict=True
            )
        )
        for length, first, count in zip(source.shape, begin, size, strict=True):
            if first < 0 or count < 1 or first + count > length:
                raise node.refuse(
                    f"{list(size)} elements from {list(begin)} on leave {list(source.shape)}",
                    "the file is corrupt, so convert the model again",
                )
        check_shape(node, source, size)
        index = tuple(slice(a, a + n) for a, n in zip(begin, size, strict=True))
        return cls(node, lambda array: (array[index],))


class StridedSlice(Rearrangement):
    """STRIDED_SLICE, up to four dimensions, without ellipsis or new axes, as in TFLM."""

    code = "STRIDED_SLICE"
    types = ("int8", "int16", "int32", "float32", "bool")

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((4, 4))
        source = cls.moved(node)
        check_rank(node, source, 4)
        for name in ("ellipsisMask", "newAxisMask", "offset"):
            if node.option(name, 0):
                raise node.refuse(
                    f"TFLM ignores the option {name}, which is set",
                    "convert the model without it (index every dimension by begin and end)",
                )
        bounds = (_bounds(node, index, source, "int32") for index in (1, 2, 3))
        index: list[int | slice] = []
        shape: list[int] = []
        for axis, (length, first, end, step) in enumerate(zip(source.shape, *bounds, strict=True)):
            if _is_set(node, "shrinkAxisMask", axis):
                found = _shrunk(node, axis, length, first, step)
                index.append(found)
                continue
            reach = _range(node, axis, length, (first, end, step))
            index.append(slice(reach.start, reach.stop if reach.stop >= 0 else None, step))
            shape.append(len(reach))
        check_shape(node, source, tuple(shape))
        # The dots keep a view where every axis goes away.
        return cls(node, lambda array: (array[(*index, ...)],))


def _bounds(node: Node, index: int, source: Tensor, *dtypes: str) -> tuple[int, ...]:
    values = read_integers(node, index, *dtypes)
    if len(values) != len(source.shape):
        raise node.refuse(
            f"input {index} has {len(values)} values for {len(source.shape)} dimensions",
            "convert the model again",
        )
    return values


def _is_set(node: Node, mask: str, axis: int) -> bool:
    return bool(int(node.option(mask, 0)) >> axis & 1)


def _shrunk(node: Node, axis: int, length: int, first: int, step: int) -> int:
    """The one index that an axis which goes away is taken at."""
    first = 0 if _is_set(node, "beginMask", axis) else first
    found = first + length if first < 0 else first
    if step < 1 or not 0 <= found < length:
        raise node.refuse(
            f"index {first} with step {step} is not in axis {axis} of length {length}",
            "the file is corrupt, so convert the model again",
        )
    return found


def _range(node: Node, axis: int, length: int, bounds: tuple[int, int, int]) -> range:
    """The indices along an axis; a stop of -1 is one before the first."""
    first, end, step = bounds
    if step == 0:
        raise node.refuse(
            f"the step along axis {axis} is 0", "the file is corrupt, so convert the model again"
        )
    # Forward bounds lie in [0, length], backward ones in [-1, length - 1].
    low, high = (0, length) if step > 0 else (-1, length - 1)
    ends = (low, high) if step > 0 else (high, low)
    first, end = (
        edge if _is_set(node, mask, axis) else min(max(i + length if i < 0 else i, low), high)
        for i, mask, edge in zip((first, end), ("beginMask", "endMask"), ends, strict=True)
    )
    return range(first, end, step)
