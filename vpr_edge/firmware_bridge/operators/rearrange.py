"""TRANSPOSE, DEPTH_TO_SPACE, SPACE_TO_DEPTH: the same elements in another order."""

from typing import Self

from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.rearrangement import (
    Rearrangement,
    check_rank,
    check_shape,
    read_integers,
    refuse_shape,
)


class Transpose(Rearrangement):
    """TRANSPOSE, up to five dimensions."""

    code = "TRANSPOSE"

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 2))
        source, order = cls.moved(node), read_integers(node, 1)
        check_rank(node, source, 5)
        if sorted(order) != list(range(len(source.shape))):
            raise node.refuse(
                f"{list(order)} is no order of {len(source.shape)} dimensions",
                "the file is corrupt, so convert the model again",
            )
        check_shape(node, source, tuple(source.shape[axis] for axis in order))
        return cls(node, lambda array: (array.transpose(order),))


class DepthToSpace(Rearrangement):
    """DEPTH_TO_SPACE: the channels of a pixel become a block of pixels."""

    code = "DEPTH_TO_SPACE"
    types = ("int8", "float32")

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((1, 1))
        source, block = cls.moved(node), _block(node)
        n, rows, columns, channels = node.typed(source, rank=4).shape
        inner = channels // block**2
        if channels % block**2:
            raise refuse_shape(node, source)
        check_shape(node, source, (n, rows * block, columns * block, inner))
        split = (n, rows, columns, block, block, inner)
        return cls(node, lambda array: (array.reshape(split).transpose(0, 1, 3, 2, 4, 5),))


class SpaceToDepth(Rearrangement):
    """SPACE_TO_DEPTH: a block of pixels becomes the channels of one."""

    code = "SPACE_TO_DEPTH"
    types = ("int8", "float32")

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((1, 1))
        source, block = cls.moved(node), _block(node)
        n, rows, columns, channels = node.typed(source, rank=4).shape
        split = (n, rows // block, block, columns // block, block, channels)
        if rows % block or columns % block:
            raise refuse_shape(node, source)
        check_shape(node, source, (n, split[1], split[3], channels * block**2))
        return cls(node, lambda array: (array.reshape(split).transpose(0, 1, 3, 2, 4, 5),))


def _block(node: Node) -> int:
    block = int(node.option("blockSize", 0))
    if not 1 <= block <= 1 << 10:
        raise node.refuse(
            f"the block size is {block}", "the file is corrupt, so convert the model again"
        )
    return block
