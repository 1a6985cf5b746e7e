"""CAST: the numbers of one type as those of another, whatever their scales."""

from math import prod
from typing import Self

import numpy as np

from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Kernel,
    Operator,
    Values,
    c_type,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.unary import same_shape

SOURCES = ("int8", "int16", "int32", "float32", "bool")
RESULTS = ("int8", "int16", "int32", "float32")
LIMIT = 2.0**31


class Cast(Operator):
    """CAST.

    Integers are cut to the narrower type. Floats lose their fractions; beyond int32, where TFLM's
    conversion is undefined, they saturate, and NaN gives 0.
    """

    code = "CAST"

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((1, 1))
        source = node.input(0, *SOURCES)
        same_shape(node, source, node.output(0, *RESULTS))
        return cls(node)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        result = self.outputs[0].dtype
        if values[0].dtype != np.float32 or result == np.float32:
            return (values[0].astype(result),)
        whole = np.nan_to_num(np.trunc(values[0].astype(np.float64)), posinf=LIMIT, neginf=-LIMIT)
        return (np.clip(whole, -LIMIT, LIMIT - 1).astype(np.int32).astype(result),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        result = c_type(self.outputs[0])
        value = f"({result})input[k]"
        if self.source.dtype == np.float32 and result != "float":
            value = f"({result})vpr_whole_f32(input[k])"
        return Kernel(
            "vpr_cast.h",
            "cast",
            parameters(
                [
                    (f"const {c_type(self.source)} *input", self.source),
                    ("int32_t count", str(prod(self.source.shape))),
                    (f"{result} *output", self.outputs[0]),
                ]
            ),
            f"for (int32_t k = 0; k < count; ++k) {{\n    output[k] = {value};\n}}",
        )
