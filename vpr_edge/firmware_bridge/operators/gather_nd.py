"""GATHER_ND with constant indices."""

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
from vpr_edge.firmware_bridge.operators.shared.rearrangement import check_shape

# TFLM takes no more.
MOST_INDICES = 5


@dataclass(frozen=True, eq=False)
class GatherNd(Operator):
    """GATHER_ND.

    Attributes:
        indices: which slices of the input, in the order of its bytes.
        piece: elements of a slice.
    """

    code = "GATHER_ND"
    indices: NDArray[np.int32]
    piece: int

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 2))
        source, positions = node.input(0, "int8", "float32"), node.constant(1, "int32")
        node.output(0, source.dtype.name)
        depth = positions.shape[-1] if positions.shape else 0
        if not 1 <= depth <= min(len(source.shape), MOST_INDICES):
            raise node.refuse(
                f"it indexes {depth} of {len(source.shape)} dimensions",
                "the file is corrupt, so convert the model again",
                positions,
            )
        assert positions.values is not None
        rows, lengths = positions.values.reshape(-1, depth), source.shape[:depth]
        if np.any(rows < 0) or np.any(rows >= np.array(lengths)):
            raise node.refuse(
                f"an index is not in {list(lengths)}",
                "the file is corrupt, so convert the model again",
                positions,
            )
        check_shape(node, source, (*positions.shape[:-1], *source.shape[depth:]))
        flat = np.ravel_multi_index(tuple(rows.T), lengths).astype(np.int32)
        return cls(node, flat, prod(source.shape[depth:]))

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        slices = values[0].reshape(-1, self.piece)
        return (slices[self.indices].reshape(self.outputs[0].shape),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        return Kernel(
            "vpr_gather.h",
            "gather_nd",
            parameters(
                [
                    ("const void *input", self.source),
                    ("const int32_t *indices", Constant("indices", self.indices)),
                    ("void *output", self.outputs[0]),
                ]
            ),
            f"vpr_gather({self.indices.size}, {self.piece * self.source.dtype.itemsize}, "
            "(const uint8_t *)input, indices,\n    (uint8_t *)output);",
        )
