"""CONV_2D and DEPTHWISE_CONV_2D, int8."""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vpr_edge.firmware_bridge.operators.shared.depthwise_nine import (
    depthwise_nine,
    nine_scratch_bytes,
)
from vpr_edge.firmware_bridge.operators.shared.depthwise_planes import (
    DepthwisePlanes,
    depthwise_planes,
)
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import (
    MVE,
    NOTHING,
    PLANES,
    Constant,
    Kernel,
    Operator,
    Scratch,
    Values,
    c_struct,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.pointwise import (
    Matrix,
    packed_depth,
    pointwise_kernel,
    scratch_bytes,
)
from vpr_edge.firmware_bridge.operators.shared.requantize import (
    Requantization,
    channel_requantization,
    settle,
)
from vpr_edge.firmware_bridge.operators.shared.window import Window, batch_of_one, read_window

# Bytes of a layer's weights, groups spread out: more than any microcontroller's flash.
LARGEST_WEIGHTS = 1 << 26


@dataclass(frozen=True, eq=False)
class WindowedWeights(Operator):
    """What both convolutions have.

    Attributes:
        window: the geometry.
        zero_point: of the input.
        requantization: from sums to outputs.
    """

    one_image = True
    window: Window
    zero_point: int
    requantization: Requantization

    @property
    def weights(self) -> NDArray[np.int8]:
        """As the file has them."""
        tensor = self.inputs[1]
        assert tensor is not None and tensor.values is not None
        return tensor.values

    def clearance(self, index: int) -> int | None:
        """See `Operator`."""
        return self.window.clearance(self.source.shape[3], self.outputs[0].shape[3])

    def geometry(self) -> dict[str, Any]:
        """The fields of the kernel's C struct that both convolutions share."""
        rows, columns = self.window.dilation
        return self.window.fields() | {
            "in_channels": self.source.shape[3],
            "dilation_rows": rows,
            "dilation_columns": columns,
        }


def _inputs(node: Node) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    """Image, weights, bias and output, their types checked."""
    node.expect((2, 3))
    source = node.input(0, "int8", rank=4)
    weights = node.constant(1, "int8", rank=4)
    has_bias = len(node.inputs) > 2 and node.inputs[2] is not None
    bias = node.constant(2, "int32") if has_bias else None
    output = node.output(0, "int8", rank=4)
    batch_of_one(node, source, output)
    return source, weights, bias, output


class Convolution(WindowedWeights):
    """CONV_2D. Grouped weights are spread out with zeros, so that there is one kernel."""

    code = "CONV_2D"

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        source, weights, bias, output = _inputs(node)
        channels, rows, columns, depth = weights.shape
        groups = source.shape[3] // depth
        if groups * depth != source.shape[3] or channels % groups or output.shape[3] != channels:
            raise node.refuse(
                f"the weights {list(weights.shape)} do not fit {source.shape[3]} input and "
                f"{output.shape[3]} output channels",
                "the file is corrupt, so convert the model again",
                weights,
            )
        if channels * rows * columns * source.shape[3] > LARGEST_WEIGHTS:
            raise node.refuse(
                f"its grouped weights {list(weights.shape)} spread out over {source.shape[3]} "
                f"input channels are more than {LARGEST_WEIGHTS:,} B",
                "split the layer or use DEPTHWISE_CONV_2D",
                weights,
            )
        requantization = channel_requantization(node, source, weights, bias, channels)
        assert weights.values is not None
        requantization = settle(node, source, weights.values.reshape(channels, -1), requantization)
        window = read_window(node, source, (rows, columns), output)
        return cls(node, window, node.affine(source).zero_point, requantization)

    @property
    def dense(self) -> NDArray[np.int8]:
        """Weights [O, rows, columns, input channels], groups spread out."""
        weights, depth = self.weights, self.source.shape[3]
        groups = depth // weights.shape[3]
        if groups == 1:
            return weights
        spread = np.zeros((*weights.shape[:3], depth), np.int8)
        for o, block in enumerate(weights):
            start = o // (len(weights) // groups) * block.shape[-1]
            spread[o, ..., start : start + block.shape[-1]] = block
        return spread

    @property
    def macs(self) -> int:
        """See `Operator`."""
        return int(np.prod(self.window.result)) * self.weights.size

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        image = values[0][0].astype(np.int64) - self.zero_point
        dense = self.dense.astype(np.float64)
        # Float64 products and sums of these integers are exact below 2^53.
        sums = sum(
            tap.astype(np.float64) @ dense[:, index // dense.shape[2], index % dense.shape[2]].T
            for index, tap in enumerate(self.window.taps(image, 0))
        )
        return (self.requantization.apply(np.asarray(sums).astype(np.int64), np.dtype("i1"))[None],)

    @property
    def depth(self) -> int:
        """Bytes of one output channel's weights in the kernel's layout."""
        return packed_depth(prod(self.dense.shape[1:]))

    @property
    def scratch_bytes(self) -> int:
        """See `Operator`."""
        return scratch_bytes(prod(self.dense.shape[1:]))

    @property
    def taps_by_words(self) -> NDArray[np.intp] | None:
        """Order of the taps where the rows of a patch are no whole words.

        Whole words of all rows come first, then what is left over of each
        (runtime/vpr_conv_extended_dsp_s8.h). None where that is the order in the file.
        """
        _, rows, columns, channels = self.dense.shape
        width = columns * channels
        whole = width - width % 4
        if whole in (0, width) or self.window.dilation[1] != 1:
            return None
        at = np.arange(rows * width).reshape(rows, width)
        return np.concatenate([at[:, :whole].reshape(-1), at[:, whole:].reshape(-1)])

    def kernel(self) -> Kernel:
        """See `Operator`."""
        weights = self.dense.reshape(len(self.dense), -1)
        q = self.requantization
        if self.window.is_pointwise:
            return pointwise_kernel(self.source, self.outputs[0], weights, self.zero_point, q)
        shape = self.geometry() | {"out_channels": len(weights), "depth": self.depth}
        matrix = Matrix.of(weights, self.zero_point, q, self.taps_by_words)
        return Kernel(
            "vpr_conv_s8.h",
            "conv_s8",
            parameters(
                [
                    ("const int8_t *input", self.source),
                    *matrix.parameters(),
                    ("int8_t *output", self.outputs[0]),
                    ("void *scratch", Scratch()),
                ]
            ),
            f"const struct vpr_conv shape = {c_struct(**shape)};\n"
            f"{matrix.c()}"
            f"const struct vpr_range range = {q.range.c()};\n"
            f"vpr_conv_s8(shape, input, {self.zero_point}, matrix, range, output, scratch);",
        )


class DepthwiseConvolution(WindowedWeights):
    """DEPTHWISE_CONV_2D."""

    code = "DEPTHWISE_CONV_2D"

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        source, weights, bias, output = _inputs(node)
        _, rows, columns, channels = weights.shape
        repeat = int(node.needed("depthMultiplier"))
        if weights.shape[0] != 1 or not channels == repeat * source.shape[3] == output.shape[3]:
            raise node.refuse(
                f"the weights {list(weights.shape)} do not fit {source.shape[3]} input and "
                f"{output.shape[3]} output channels with a depth multiplier of {repeat}",
                "the file is corrupt, so convert the model again",
                weights,
            )
        requantization = channel_requantization(node, source, weights, bias, channels)
        assert weights.values is not None
        requantization = settle(
            node, source, weights.values.reshape(-1, channels).T, requantization
        )
        window = read_window(node, source, (rows, columns), output)
        return cls(node, window, node.affine(source).zero_point, requantization)

    @property
    def macs(self) -> int:
        """See `Operator`."""
        return int(np.prod(self.window.result)) * self.weights.size

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        weights = self.weights.astype(np.int64)[0]
        repeat = weights.shape[2] // self.source.shape[3]
        image = np.repeat(values[0][0].astype(np.int64) - self.zero_point, repeat, axis=2)
        sums = sum(
            tap * weights[index // weights.shape[1], index % weights.shape[1]]
            for index, tap in enumerate(self.window.taps(image, 0))
        )
        return (self.requantization.apply(np.asarray(sums), np.dtype("i1"))[None],)

    @property
    def multiplier(self) -> int:
        """Output channels an input channel."""
        return self.weights.shape[3] // self.source.shape[3]

    @cached_property
    def planes(self) -> DepthwisePlanes | None:
        """The layer as cores with the DSP extension compute it by planes, where they can."""
        return depthwise_planes(
            self.window, self.weights, self.zero_point, self.requantization, self.multiplier
        )

    @cached_property
    def nine(self) -> NDArray[np.uint32] | None:
        """The constants of the layer as cores with Helium compute it, where they can."""
        return depthwise_nine(self.weights, self.zero_point, self.requantization, self.multiplier)

    @property
    def scratch_bytes(self) -> int:
        """See `Operator`: the input under one kernel, or a band of planes."""
        channels = self.source.shape[3]
        planes = self.planes.scratch_bytes if self.planes else 0
        return max(prod(self.window.kernel) * channels, nine_scratch_bytes(channels), planes)

    def clearance(self, index: int) -> int | None:
        """See `Operator`."""
        pixels = self.source.shape[3], self.outputs[0].shape[3]
        return self.window.clearance(*pixels, rows=self.planes.band if self.planes else 1)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        q, planes, nine = self.requantization, self.planes, self.nine
        weights: dict[str, Values] = {}
        if planes is not None:
            weights[PLANES] = planes.constants
        if nine is not None:
            weights[MVE] = nine
        unread = dict.fromkeys(weights, NOTHING)
        taps = self.weights.reshape(-1, self.weights.shape[3]).astype(np.int64)
        folded = (q.bias - self.zero_point * taps.sum(axis=0)).astype(np.int32)
        shape = self.geometry() | {
            "multiplier": self.multiplier,
            "nine": int(nine is not None),
            "band": planes.band if planes else 0,
        }
        return Kernel(
            "vpr_depthwise_s8.h",
            "depthwise_s8",
            parameters(
                [
                    ("const int8_t *input", self.source),
                    ("const void *weights", Constant("weights", self.weights, weights)),
                    ("const int32_t *bias", Constant("bias", folded, unread)),
                    ("const int32_t *multiplier", Constant("multiplier", q.multiplier, unread)),
                    ("const int8_t *shift", Constant("shift", q.shift, unread)),
                    ("int8_t *output", self.outputs[0]),
                    ("void *scratch", Scratch()),
                ]
            ),
            f"const struct vpr_depthwise shape = {c_struct(**shape)};\n"
            f"const struct vpr_channels channels = {q.c_channels()};\n"
            f"const struct vpr_range range = {q.range.c()};\n"
            f"vpr_depthwise_s8(shape, input, {self.zero_point}, channels, range, output, scratch);",
        )
