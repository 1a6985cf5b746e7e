"""REDUCE_MAX, REDUCE_MIN and REDUCE_ALL over any axes."""

from typing import ClassVar, Self

import numpy as np

from vpr_edge.arithmetic.integers import Multiplier, quantize_multiplier
from vpr_edge.firmware_bridge.operators.elementwise import same_parameters
from vpr_edge.firmware_bridge.operators.mean import Reduction
from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.operator import Kernel, Values, parameters


class Extreme(Reduction):
    """The greatest or smallest element; inputs and output of int8 share scale and zero point."""

    divides = False
    types: ClassVar[tuple[str, ...]] = ("int8", "float32")
    sign: ClassVar[int]

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        found = cls.over_axes(node)
        if found.source.dtype == np.int8:
            same_parameters(node, found.source, node.outputs[0])
        return found

    @classmethod
    def factor(cls, source: np.float32, output: np.float32, terms: int) -> Multiplier:
        """See `Reduction`: nothing is scaled."""
        return quantize_multiplier(1.0)

    @property
    def start(self) -> str:
        """C: what every element of the type is at least, or at most."""
        low, high = {
            "int8": ("INT8_MIN", "INT8_MAX"),
            "bool": ("0", "1"),
            "float32": ("-FLT_MAX", "FLT_MAX"),
        }[self.source.dtype.name]
        return low if self.sign > 0 else high

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`: one after the other, so that NaN and -0 are TFLM's."""
        assert values[0] is not None
        rows = self.rows(values[0])
        if rows.dtype == np.float32:
            limit = np.float32(np.finfo(np.float32).max)
            found = np.full(len(rows), -limit if self.sign > 0 else limit, np.float32)
            for term in rows.T:
                better = term > found if self.sign > 0 else term < found
                found = np.where(better, term, found)
        else:
            found = rows.max(axis=1) if self.sign > 0 else rows.min(axis=1)
        return (found.reshape(self.outputs[0].shape),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        kind, c_type = {"int8": ("s8", "int8_t"), "bool": ("u8", "uint8_t")}.get(
            self.source.dtype.name, ("f32", "float")
        )
        return Kernel(
            "vpr_reduce_extreme.h",
            self.code.lower(),
            parameters(
                [(f"const {c_type} *input", self.source), (f"{c_type} *output", self.outputs[0])]
            ),
            f"const struct vpr_reduce shape = {self.c_shape()};\n"
            f"vpr_reduce_extreme_{kind}(shape, input, {self.sign}, {self.start}, output);",
        )


class ReduceMax(Extreme):
    """REDUCE_MAX."""

    code = "REDUCE_MAX"
    sign = 1


class ReduceMin(Extreme):
    """REDUCE_MIN."""

    code = "REDUCE_MIN"
    sign = -1


class ReduceAll(Extreme):
    """REDUCE_ALL."""

    code = "REDUCE_ALL"
    sign = -1
    types = ("bool",)
