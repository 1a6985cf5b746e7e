"""GATHER along one axis, its indices constant."""

from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Constant,
    Kernel,
    Operator,
    Values,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.rearrangement import check_shape, read_axis


@dataclass(frozen=True, eq=False)
class Gather(Operator):
    """GATHER without batch dimensions.

    Attributes:
        axis: of the input, that the indices are along.
        indices: int32, in the order of the output.
    """

    code = "GATHER"
    axis: int
    indices: NDArray[np.int32]

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 2))
        source, positions = node.input(0, "int8", "int32", "float32"), node.constant(1, "int32")
        node.output(0, source.dtype.name)
        axis = read_axis(node, int(node.option("axis", 0)), len(source.shape))
        if node.option("batchDims", 0):
            raise node.refuse(
                "it gathers by batch", "convert the model so that its GATHER has batch_dims 0"
            )
        indices = positions.values
        assert indices is not None
        length = source.shape[axis]
        if indices.min() < 0 or indices.max() >= length:
            raise node.refuse(
                f"an index is not in the axis of length {length}",
                "the file is corrupt, so convert the model again",
                positions,
            )
        wanted = (*source.shape[:axis], *positions.shape, *source.shape[axis + 1 :])
        check_shape(node, source, wanted)
        return cls(node, axis, indices.reshape(-1))

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        return (values[0].take(self.indices, self.axis).reshape(self.outputs[0].shape),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        shape, count = self.source.shape, self.indices.size
        rounds = prod(shape[: self.axis])
        piece = prod(shape[self.axis + 1 :]) * self.source.dtype.itemsize
        return Kernel(
            "vpr_gather.h",
            "gather",
            parameters(
                [
                    ("const void *input", self.source),
                    ("const int32_t *indices", Constant("indices", self.indices)),
                    ("void *output", self.outputs[0]),
                ]
            ),
            f"for (int32_t k = 0; k < {rounds}; ++k) {{\n"
            f"    vpr_gather({count}, {piece}, (const uint8_t *)input + "
            f"k * {shape[self.axis] * piece}, indices,\n"
            f"               (uint8_t *)output + k * {count * piece});\n"
            "}",
        )
