"""L2_NORMALIZATION over the last axis, int8 and float32."""

from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np

from vpr_edge.arithmetic.normalization import OUTPUT_BITS, unit_rows
from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Kernel,
    Operator,
    Values,
    c_struct,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.rearrangement import check_rank, check_shape

# Floats are never divided by less.
LEAST_NORM = np.float32(1e-6)


@dataclass(frozen=True, eq=False)
class L2Normalization(Operator):
    """L2_NORMALIZATION.

    Attributes:
        zero_point: of the input; None for float32.
    """

    code = "L2_NORMALIZATION"
    zero_point: int | None

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((1, 1))
        source = node.input(0, "int8", "float32")
        output = node.output(0, source.dtype.name)
        check_rank(node, source, 4)
        check_shape(node, source, source.shape)
        if not source.shape:
            raise node.refuse("the input has no dimensions", "convert the model again", source)
        if node.option("fusedActivationFunction", 0) != 0:
            raise node.refuse(
                "it has a fused activation", "convert the model with the activation apart"
            )
        if source.dtype == np.float32:
            return cls(node, None)
        result = node.affine(output)
        if result.zero_point != 0 or float(result.scale) != 2.0**-OUTPUT_BITS:
            raise node.refuse(
                f"the output has the scale {result.scale:g} and zero point {result.zero_point}",
                "L2_NORMALIZATION gives scale 1/128 and zero point 0, so convert again",
                output,
            )
        zero = node.affine(source).zero_point
        if source.shape[-1] * max(127 - zero, 128 + zero) ** 2 >= 1 << 31:
            raise node.refuse(
                f"the squares of {source.shape[-1]} elements can overflow a 32-bit sum",
                "normalise shorter vectors",
                source,
            )
        return cls(node, zero)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        x = values[0]
        assert x is not None
        if self.zero_point is None:
            with np.errstate(all="ignore"):
                norm = np.sqrt(np.cumsum(x * x, axis=-1, dtype=np.float32)[..., -1:])
                return (x / np.where(norm < LEAST_NORM, LEAST_NORM, norm),)
        rows = x.reshape(-1, x.shape[-1]).astype(np.int64) - self.zero_point
        return (np.clip(unit_rows(rows), -128, 127).astype(np.int8).reshape(x.shape),)

    def clearance(self, index: int) -> int | None:
        """See `Operator`: an element is read for the last time just before it is written."""
        return 0

    def kernel(self) -> Kernel:
        """See `Operator`."""
        source, output = self.inputs[0], self.outputs[0]
        kind, c_type = ("f32", "float") if self.zero_point is None else ("s8", "int8_t")
        depth = output.shape[-1]
        more = "" if self.zero_point is None else f"{self.zero_point}, "
        return Kernel(
            f"vpr_l2_normalization_{kind}.h",
            f"l2_normalization_{kind}",
            parameters([(f"const {c_type} *input", source), (f"{c_type} *output", output)]),
            f"const struct vpr_rows shape = "
            f"{c_struct(rows=prod(output.shape) // depth, depth=depth)};\n"
            f"vpr_l2_normalization_{kind}(shape, input, {more}output);",
        )
