"""FULLY_CONNECTED, int8: of several rows a 1x1 convolution over them, by the same kernel."""

from dataclasses import dataclass, replace
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
from vpr_edge.firmware_bridge.operators.shared.pointwise import (
    pointwise_kernel,
    scratch_bytes,
)
from vpr_edge.firmware_bridge.operators.shared.requantize import (
    Requantization,
    settle,
)
from vpr_edge.firmware_bridge.operators.shared.window import Window
from vpr_edge.firmware_bridge.operators.tap_sums import layer_requantization, weights_zero_point


@dataclass(frozen=True, eq=False)
class FullyConnected(Operator):
    """FULLY_CONNECTED with constant weights.

    Attributes:
        rows: how many vectors the input is.
        zero_point: of the input.
        requantization: from sums to outputs.
    """

    code = "FULLY_CONNECTED"
    rows: int
    zero_point: int
    requantization: Requantization

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 3))
        source = node.input(0, "int8")
        weights = node.constant(1, "int8", rank=2)
        output = node.output(0, "int8")
        channels, depth = weights.shape
        rows = prod(source.shape) // depth
        if rows * depth != prod(source.shape) or prod(output.shape) != rows * channels:
            raise node.refuse(
                f"the weights {list(weights.shape)} do not fit the input {list(source.shape)} and "
                f"the output {list(output.shape)}",
                "the file is corrupt, so convert the model again",
                weights,
            )
        if node.option("weightsFormat", 0) != 0:
            raise node.refuse("the weights are shuffled", "convert the model without it", weights)
        found = cls(
            node, rows, node.affine(source).zero_point, layer_requantization(node, channels)
        )
        return replace(
            found, requantization=settle(node, source, found.weights, found.requantization)
        )

    @property
    def weights(self) -> NDArray[np.int8]:
        """[outputs, inputs], without a zero point, which `TapsFullyConnected` takes where the
        weights would leave int8."""
        tensor = self.inputs[1]
        assert tensor is not None and tensor.values is not None
        zero = weights_zero_point(self.node, tensor)
        return (tensor.values.astype(np.int64) - zero).astype(np.int8)

    @property
    def macs(self) -> int:
        """See `Operator`."""
        return self.rows * self.weights.size

    @property
    def scratch_bytes(self) -> int:
        """See `Operator`: one vector is read as it is."""
        return 0 if self.rows == 1 else scratch_bytes(self.weights.shape[1])

    def clearance(self, index: int) -> int | None:
        """See `Operator`: as a 1x1 convolution's; one vector is read for every output."""
        if self.rows == 1:
            return None
        channels, taps = self.weights.shape
        row = (1, self.rows)
        return Window(row, row, (1, 1), (1, 1), (1, 1), (0, 0)).clearance(taps, channels)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        vectors = values[0].reshape(self.rows, -1).astype(np.float64) - self.zero_point
        # Float64 sums of these integers are exact.
        sums = vectors @ self.weights.astype(np.float64).T
        result = self.requantization.apply(sums.astype(np.int64), np.dtype(np.int8))
        return (result.reshape(self.outputs[0].shape),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        source, output, q = self.source, self.outputs[0], self.requantization
        if self.rows > 1:
            return pointwise_kernel(source, output, self.weights, self.zero_point, q)
        channels, taps = self.weights.shape
        sums = self.weights.astype(np.int64).sum(axis=1)
        folded = (q.bias.astype(np.int64) - self.zero_point * sums).astype(np.int32)
        return Kernel(
            "vpr_dense_s8.h",
            "dense_s8",
            parameters(
                [
                    ("const int8_t *input", source),
                    ("int32_t taps", str(taps)),
                    ("int32_t outputs", str(channels)),
                    ("const int8_t *weights", Constant("weights", self.weights)),
                    ("const int32_t *bias", Constant("bias", folded)),
                    ("const int32_t *multiplier", Constant("multiplier", q.multiplier)),
                    ("const int8_t *shift", Constant("shift", q.shift)),
                    ("int8_t *output", output),
                ]
            ),
            f"const struct vpr_channels channels = {q.c_channels()};\n"
            f"const struct vpr_range range = {q.range.c()};\n"
            "vpr_dense_s8(taps, outputs, input, channels, range, output);",
        )
