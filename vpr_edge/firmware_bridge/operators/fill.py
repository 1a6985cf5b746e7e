"""FILL and ZEROS_LIKE: one number all over."""

from dataclasses import dataclass, replace
from math import prod
from typing import Self

import numpy as np

from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.operator import Kernel, Operator, Values, parameters
from vpr_edge.firmware_bridge.operators.shared.storage import size


@dataclass(frozen=True, eq=False)
class Fill(Operator):
    """FILL; the shape that the file declares for the output counts, as in TFLM."""

    code = "FILL"

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 2))
        shape = node.input(0, "int32", "int64")
        value = node.input(1, "int8", "int16", "int32", "float32")
        output = node.output(0, value.dtype.name)
        wrong = shape.values is not None and tuple(shape.values.reshape(-1)) != output.shape
        if prod(value.shape) != 1 or wrong:
            raise node.refuse(
                f"{prod(value.shape)} values fill {list(output.shape)}",
                "the file is corrupt, so convert the model again",
            )
        # Without the shape, which is not read, the layers that compute it have no readers.
        return cls(replace(node, inputs=(value,)))

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        output = self.outputs[0]
        return (np.full(output.shape, values[0].reshape(-1)[0], output.dtype),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        output = self.outputs[0]
        return Kernel(
            "vpr_pad.h",
            "fill",
            parameters([("const void *value", self.source), ("void *output", output)]),
            f"vpr_fill(value, {output.dtype.itemsize}, {prod(output.shape)}, (uint8_t *)output);",
        )


class ZerosLike(Operator):
    """ZEROS_LIKE; of int8 it is the integer 0, as in TFLM."""

    code = "ZEROS_LIKE"

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((1, 1))
        source = node.input(0, "int8", "int32", "int64", "float32")
        if node.output(0, source.dtype.name).shape != source.shape:
            raise node.refuse("the shapes differ", "the file is corrupt, so convert it again")
        return cls(replace(node, inputs=()))

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        return (np.zeros(self.outputs[0].shape, self.outputs[0].dtype),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        return Kernel(
            "vpr_common.h",
            "zeros",
            parameters([("void *output", self.outputs[0])]),
            f"memset(output, 0, {size(self.outputs[0])});",
        )
