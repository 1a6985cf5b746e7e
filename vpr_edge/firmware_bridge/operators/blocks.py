"""SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND, which converters put around a dilated convolution."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Kernel,
    Operator,
    Values,
    c_struct,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.rearrangement import read_integers, refuse_shape
from vpr_edge.firmware_bridge.operators.shared.window import Pair


@dataclass(frozen=True, eq=False)
class Blocks(Operator):
    """What both have: large images, and one small image for each place of a block.

    Attributes:
        block: rows and columns of a block.
        before: what the first block has above and left of the image.
        large, small: (images, rows, columns, channels) of both sides.
    """

    block: Pair
    before: Pair
    large: tuple[int, ...]
    small: tuple[int, ...]

    @classmethod
    def read(cls, node: Node, large: Tensor, small: Tensor) -> Self:
        """Check block and edges against the two shapes.

        Raises:
            ModelError: they do not fit, or are computed at run time.
        """
        node.expect((3, 3))
        rank = len(large.shape)
        if rank not in (3, 4) or len(small.shape) != rank:
            raise refuse_shape(node, node.input(0))
        block, edges = read_integers(node, 1), read_integers(node, 2)
        if len(block) != rank - 2 or len(edges) != 2 * len(block) or min(*block, *edges) < 0:
            raise node.refuse(
                f"the blocks {list(block)} and edges {list(edges)} do not fit {rank} dimensions",
                "the file is corrupt, so convert the model again",
            )
        sides = []
        for tensor in (large, small):
            shape = tensor.shape if rank == 4 else (*tensor.shape[:2], 1, tensor.shape[2])
            sides.append(shape)
        blocks = (block[0], block[1] if rank == 4 else 1)
        edge = (*edges, 0, 0)[:4]
        images, rows, columns, channels = sides[0]
        wanted = (images * blocks[0] * blocks[1], rows + edge[0] + edge[1],
                  columns + edge[2] + edge[3], channels)  # fmt: skip
        found = sides[1]
        covered = (found[0], found[1] * blocks[0], found[2] * blocks[1], found[3])
        if min(blocks) < 1 or covered != wanted:
            raise refuse_shape(node, node.input(0))
        return cls(node, blocks, (edge[0], edge[2]), sides[0], sides[1])

    def _padded(self) -> Values:
        """Large images with the edges around them, 0."""
        images, _, _, channels = self.large
        _, rows, columns, _ = self.small
        size = (images, rows * self.block[0], columns * self.block[1], channels)
        return np.zeros(size, self.source.dtype)

    def _inside(self, padded: Values) -> Values:
        top, left = self.before
        return padded[:, top : top + self.large[1], left : left + self.large[2]]

    def _blocks(self, padded: Values) -> Values:
        """The view [block rows, block columns, images, rows, columns, channels]."""
        images, _, _, channels = self.large
        _, rows, columns, _ = self.small
        split = padded.reshape(images, rows, self.block[0], columns, self.block[1], channels)
        return split.transpose(2, 4, 0, 1, 3, 5)

    def c(self) -> str:
        """The initialiser of a `struct vpr_blocks`."""
        return c_struct(
            images=self.large[0],
            rows=self.large[1],
            columns=self.large[2],
            part_rows=self.small[1],
            part_columns=self.small[2],
            block_rows=self.block[0],
            block_columns=self.block[1],
            pixel=self.large[3] * self.source.dtype.itemsize,
            top=self.before[0],
            left=self.before[1],
        )

    def called(self, function: str) -> Kernel:
        """The C of a layer that calls function(shape, input, output)."""
        return Kernel(
            "vpr_blocks.h",
            self.code.lower(),
            parameters([("const void *input", self.source), ("void *output", self.outputs[0])]),
            f"const struct vpr_blocks shape = {self.c()};\n"
            f"{function}(shape, (const uint8_t *)input, (uint8_t *)output);",
        )


class SpaceToBatch(Blocks):
    """SPACE_TO_BATCH_ND; the edges are 0 and not the zero point, as TFLM leaves that unset."""

    code = "SPACE_TO_BATCH_ND"

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        source = node.input(0, "int8", "float32")
        return cls.read(node, source, node.output(0, source.dtype.name))

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        padded = self._padded()
        self._inside(padded)[...] = values[0].reshape(self.large)
        return (self._blocks(padded).reshape(self.outputs[0].shape),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        return self.called("vpr_space_to_batch")


class BatchToSpace(Blocks):
    """BATCH_TO_SPACE_ND; edges are cropped."""

    code = "BATCH_TO_SPACE_ND"

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        source = node.input(0, "int8", "float32")
        return cls.read(node, node.output(0, source.dtype.name), source)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        padded = self._padded()
        view = self._blocks(padded)
        view[...] = values[0].reshape(view.shape)
        inside = np.ascontiguousarray(self._inside(padded))
        return (inside.reshape(self.outputs[0].shape),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        return self.called("vpr_batch_to_space")
