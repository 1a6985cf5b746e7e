"""SHAPE, a constant: what it gives mostly feeds a RESHAPE, which does not read it."""

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
from vpr_edge.firmware_bridge.operators.shared.rearrangement import check_shape


class Shape(Operator):
    """SHAPE."""

    code = "SHAPE"

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((1, 1))
        source = node.input(0)
        node.output(0, "int32")
        check_shape(node, source, (len(source.shape),))
        return cls(node)

    @property
    def lengths(self) -> Values:
        """The input's dimensions."""
        source = self.inputs[0]
        assert source is not None
        return np.array(source.shape, np.int32)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        return (self.lengths,)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        lengths = self.lengths
        return Kernel(
            "vpr_common.h",
            "shape",
            parameters(
                [
                    ("const int32_t *lengths", Constant("lengths", lengths)),
                    ("int32_t *output", self.outputs[0]),
                ]
            ),
            f"memcpy(output, lengths, {lengths.nbytes});",
        )
