"""TRANSPOSE_CONV, int8: a convolution run backwards, from its result to its image."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Constant,
    Kernel,
    Operator,
    Values,
    c_struct,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.requantize import (
    Requantization,
    channel_requantization,
    settle,
)
from vpr_edge.firmware_bridge.operators.shared.window import Window, batch_of_one, read_window


@dataclass(frozen=True, eq=False)
class TransposeConvolution(Operator):
    """TRANSPOSE_CONV.

    The shape that it reads may be computed at run time, as converters leave it: TFLM goes by the
    output's declared one.

    Attributes:
        window: of the convolution from this layer's output to its input.
        zero_point: of the input.
        requantization: from sums to outputs.
    """

    code = "TRANSPOSE_CONV"
    source_index = 2
    one_image = True
    window: Window
    zero_point: int
    requantization: Requantization

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((3, 4))
        shape = node.input(0, "int32", rank=1)
        weights = node.constant(1, "int8", rank=4)
        source = node.input(2, "int8", rank=4)
        has_bias = len(node.inputs) > 3 and node.inputs[3] is not None
        bias = node.constant(3, "int32") if has_bias else None
        output = node.output(0, "int8", rank=4)
        batch_of_one(node, source, output)
        channels, rows, columns, depth = weights.shape
        assert weights.values is not None
        if shape.values is not None and tuple(shape.values) != output.shape:
            raise node.refuse(
                f"the output's shape is {list(output.shape)} where {shape.values.tolist()} is "
                "asked for",
                "the file is corrupt, so convert the model again",
            )
        if depth != source.shape[3] or channels != output.shape[3]:
            raise node.refuse(
                f"the weights {list(weights.shape)} do not fit {source.shape[3]} input and "
                f"{output.shape[3]} output channels",
                "the file is corrupt, so convert the model again",
                weights,
            )
        requantization = channel_requantization(node, source, weights, bias, channels)
        requantization = settle(node, source, weights.values.reshape(channels, -1), requantization)
        window = read_window(node, output, (rows, columns), source, role="input")
        return cls(node, window, node.affine(source).zero_point, requantization)

    @property
    def weights(self) -> NDArray[np.int8]:
        """[output channels, rows, columns, input channels]."""
        tensor = self.inputs[1]
        assert tensor is not None and tensor.values is not None
        return tensor.values

    @property
    def macs(self) -> int:
        """See `Operator`."""
        return int(np.prod(self.window.result)) * self.weights.size

    def clearance(self, index: int) -> int | None:
        """See `Operator`: an output row needs input rows from its lowest tap's on."""
        if index != 2:
            return None
        w, output = self.window, self.outputs[0]
        row_in = w.result[1] * self.source.shape[3]
        row_out = w.source[1] * output.shape[3]
        return max(
            (y + 1) * row_out - max(-(-(y + w.pad[0] - w.kernel[0] + 1) // w.stride[0]), 0) * row_in
            for y in range(w.source[0])
        )

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`: scatters every input pixel, times the kernel, into a padded map."""
        assert values[2] is not None
        image = values[2][0].astype(np.float64) - self.zero_point
        weights, w = self.weights.astype(np.float64), self.window
        extent = [
            max((n - 1) * s + k, p + m)
            for n, s, k, p, m in zip(w.result, w.stride, w.kernel, w.pad, w.source, strict=True)
        ]
        # Float64 products and sums of these integers are exact below 2^53.
        sums = np.zeros((*extent, len(weights)))
        last = [(n - 1) * s + 1 for n, s in zip(w.result, w.stride, strict=True)]
        for y, x in np.ndindex(w.kernel):
            reached = sums[y : y + last[0] : w.stride[0], x : x + last[1] : w.stride[1]]
            reached += image @ weights[:, y, x].T
        top, left = w.pad
        inside = sums[top : top + w.source[0], left : left + w.source[1]].astype(np.int64)
        return (self.requantization.apply(inside, np.dtype(np.int8))[None],)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        q, w = self.requantization, self.window
        # The window slides over the output; to the kernel that is where it writes.
        turned = replace(w, source=w.result, result=w.source)
        shape = c_struct(
            **turned.fields(),
            in_channels=self.source.shape[3],
            out_channels=self.outputs[0].shape[3],
        )
        return Kernel(
            "vpr_transpose_conv_s8.h",
            "transpose_conv_s8",
            parameters(
                [
                    ("const int8_t *input", self.source),
                    ("const int8_t *weights", Constant("weights", self.weights)),
                    ("const int32_t *bias", Constant("bias", q.bias)),
                    ("const int32_t *multiplier", Constant("multiplier", q.multiplier)),
                    ("const int8_t *shift", Constant("shift", q.shift)),
                    ("int8_t *output", self.outputs[0]),
                ]
            ),
            f"const struct vpr_transpose_conv shape = {shape};\n"
            f"const struct vpr_channels channels = {q.c_channels()};\n"
            f"const struct vpr_range range = {q.range.c()};\n"
            f"vpr_transpose_conv_s8(shape, input, {self.zero_point}, channels, range, output);",
        )
