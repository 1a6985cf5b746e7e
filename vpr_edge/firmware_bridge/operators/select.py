"""SELECT_V2: one of two values by a truth value; the three broadcast."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from vpr_edge.firmware_bridge.operators.elementwise import same_parameters
from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.operator import Kernel, Operator, Values, parameters

# Loops that the C takes (VPR_SELECT_AXES in vpr_select.h), as TFLM does.
AXES = 5


@dataclass(frozen=True, eq=False)
class SelectV2(Operator):
    """SELECT_V2.

    Attributes:
        count: of the loops over the output, the innermost last.
        steps: for each input how far each loop moves in it, elements; 0 repeats.
    """

    code = "SELECT_V2"
    source_index = 1
    count: tuple[int, ...]
    steps: tuple[tuple[int, ...], ...]

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((3, 3))
        condition, a = node.input(0, "bool"), node.input(1, "int8", "int16", "float32")
        b, output = node.input(2, a.dtype.name), node.output(0, a.dtype.name)
        if a.dtype != np.float32:
            same_parameters(node, a, b, output)
        inputs = (condition, a, b)
        try:
            shape = np.broadcast_shapes(*(tensor.shape for tensor in inputs))
        except ValueError:
            shape = None
        if shape != output.shape or len(output.shape) > AXES:
            raise node.refuse(
                f"the shapes {[list(tensor.shape) for tensor in inputs]} do not broadcast to "
                f"{list(output.shape)} in at most {AXES} dimensions",
                "the file is corrupt, so convert the model again",
            )
        # Strides of arrays of bytes are in elements.
        views = (np.broadcast_to(np.empty(t.shape, np.int8), output.shape) for t in inputs)
        idle = AXES - len(output.shape)
        steps = tuple((0,) * idle + view.strides for view in views)
        return cls(node, (1,) * idle + output.shape, steps)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        condition, a, b = values
        assert condition is not None and a is not None and b is not None
        return (np.where(condition, a, b).reshape(self.outputs[0].shape),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        size = self.source.dtype.itemsize
        rows = ", ".join("{" + ", ".join(map(str, row)) + "}" for row in (self.count, *self.steps))
        return Kernel(
            "vpr_select.h",
            "select",
            parameters(
                [
                    ("const uint8_t *condition", self.inputs[0]),
                    ("const void *a", self.inputs[1]),
                    ("const void *b", self.inputs[2]),
                    ("void *output", self.outputs[0]),
                ]
            ),
            f"const struct vpr_select shape = {{{rows}, {size}}};\n"
            "vpr_select(shape, condition, (const uint8_t *)a, (const uint8_t *)b, "
            "(uint8_t *)output);",
        )
