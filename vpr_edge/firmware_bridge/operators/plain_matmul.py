"""BATCH_MATMUL of int16 and of float32."""

from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np

from vpr_edge.firmware_bridge.operators.matmul import Matrix, matmul_shape, read_matrices
from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Kernel,
    Operator,
    Values,
    c_type,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.requantize import Range, product_multiplier
from vpr_edge.firmware_bridge.operators.shared.wide import WideScaling, wide_scaling


@dataclass(frozen=True, eq=False)
class PlainMatmul(Operator):
    """BATCH_MATMUL.

    Attributes:
        a, b: the factors.
        scaling: from 64-bit sums to int16; None for float32.
    """

    code = "BATCH_MATMUL"
    a: Matrix
    b: Matrix
    scaling: WideScaling | None

    @classmethod
    def takes(cls, node: Node) -> bool:
        """See `Operator`."""
        source = node.inputs[0] if node.inputs else None
        return source is not None and source.dtype.name in ("int16", "float32")

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 2))
        source = node.input(0, "int16", "float32")
        output = node.output(0, source.dtype.name)
        a, b = read_matrices(node, source.dtype.name)
        if source.dtype == np.float32:
            return cls(node, a, b, None)
        tensors = (source, node.input(1), output)
        if any(node.affine(tensor).zero_point for tensor in tensors):
            raise node.refuse("an int16 tensor has a zero point", "convert the model again")
        factor = product_multiplier(node, *(node.affine(tensor).scale for tensor in tensors))
        most = np.asarray(a.columns << 30)
        return cls(node, a, b, wide_scaling(node, factor, (-most, most), wide=True))

    @property
    def macs(self) -> int:
        """See `Operator`."""
        return prod(self.outputs[0].shape) * self.a.columns

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        first, second = values
        assert first is not None and second is not None
        shape = self.outputs[0].shape
        if self.scaling is not None:
            # Float64 sums of these integers are exact.
            sums = (self.a.of(first) @ self.b.of(second)).astype(np.int64)
            scaled = self.scaling.apply(sums)
            return (Range(0, -32768, 32767).apply(scaled, np.dtype(np.int16)).reshape(shape),)
        a = np.swapaxes(first, -1, -2) if self.a.transposed else first
        b = np.swapaxes(second, -1, -2) if self.b.transposed else second
        total = np.zeros(shape, np.float32)
        with np.errstate(all="ignore"):
            for k in range(self.a.columns):
                total = total + a[..., :, k, None] * b[..., None, k, :]
        return (total,)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        kind = "f32" if self.scaling is None else "s16"
        more = ""
        if self.scaling is not None:
            more = f"{int(self.scaling.multiplier)}, {int(self.scaling.shift)}, "
        element = c_type(self.source)
        return Kernel(
            "vpr_plain_matmul.h",
            f"batch_matmul_{kind}",
            parameters(
                [
                    (f"const {element} *a", self.inputs[0]),
                    (f"const {element} *b", self.inputs[1]),
                    (f"{element} *output", self.outputs[0]),
                ]
            ),
            f"const struct vpr_matmul shape = {matmul_shape(self.a, self.b)};\n"
            f"vpr_batch_matmul_{kind}(shape, a, b, {more}output);",
        )
