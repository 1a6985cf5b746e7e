"""Operations that slide a window: convolutions and pools, and the padding around their input.

ONNX declares explicit pads; TFLite knows VALID (none) and SAME (the odd one goes after), so any
other padding becomes a PAD operator in front.
"""

from dataclasses import dataclass, replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from vpr_edge.export.qdq_graph import Operation, Tensor, uncovered
from vpr_edge.export.tflite_weights import weights_and_bias
from vpr_edge.export.tflite_write import TfliteWriter, nhwc

ACTIVATIONS = {
    "none": schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
}
LOWEST = -128


@dataclass(frozen=True)
class Window:
    """Geometry of a sliding window, each entry (rows, columns); pads are ((top, bottom), ...)."""

    size: tuple[int, int]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[tuple[int, int], tuple[int, int]]

    @property
    def valid(self) -> bool:
        """Whether there is no padding at all."""
        return self.pads == ((0, 0), (0, 0))

    @property
    def same(self) -> bool:
        """Whether the padding is TFLite's SAME."""
        return self.pads == self.same_pads(extra_after=True)

    def same_pads(self, extra_after: bool) -> tuple[tuple[int, int], tuple[int, int]]:
        """The padding that makes the output ceil(size / stride); the odd one after or before."""
        pads = []
        for size, kernel, stride, dilation in zip(
            self.size, self.kernel, self.strides, self.dilations, strict=True
        ):
            reach = (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1
            total = max(reach - size, 0)
            small, large = total // 2, total - total // 2
            pads.append((small, large) if extra_after else (large, small))
        return pads[0], pads[1]

    def output_size(self) -> tuple[int, int]:
        """Rows and columns of the output, a partial last window cut."""
        rows, columns = (
            (size + before + after - (kernel - 1) * dilation - 1) // stride + 1
            for size, (before, after), kernel, stride, dilation in zip(
                self.size, self.pads, self.kernel, self.strides, self.dilations, strict=True
            )
        )
        return rows, columns


def window_of(op: Operation, kernel: tuple[int, ...]) -> Window:
    """Read a node's window attributes.

    Raises:
        ModelError: the window is not two-dimensional, or its output is not the declared one.
    """
    x, attributes = op.activations()[0], op.attributes
    if len(x.shape) != 4 or len(kernel) != 2:
        raise uncovered(op, "only two-dimensional windows over (1, C, H, W) are")
    strides, dilations = (tuple(attributes.get(name, (1, 1))) for name in ("strides", "dilations"))
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    window = Window(
        size=(x.shape[2], x.shape[3]),
        kernel=(kernel[0], kernel[1]),
        strides=(strides[0], strides[1]),
        dilations=(dilations[0], dilations[1]),
        pads=((top, bottom), (left, right)),
    )
    automatic = attributes.get("auto_pad", "NOTSET")
    if automatic.startswith("SAME"):
        pads = window.same_pads(extra_after=automatic == "SAME_UPPER")
        window = replace(window, pads=pads)
    if min(min(pair) for pair in window.pads) < 0:
        raise uncovered(op, "its padding is negative")
    if window.output_size() != op.output.shape[2:]:
        raise uncovered(op, f"its output {op.output.shape} is not that of a floored window")
    return window


def _padded(
    writer: TfliteWriter,
    op: Operation,
    window: Window,
    fill: int | None = None,
    may_be_same: bool = True,
) -> tuple[int, int]:
    """Index of the input with `window`'s padding, and the padding left for the operator.

    Args:
        writer: where a PAD operator goes if SAME and VALID do not say it.
        op: the operation whose first input is padded.
        window: its geometry.
        fill: integer to pad with; None for the zero point, which is real zero.
        may_be_same: whether the operator's own SAME pads with the right value.
    """
    x = op.activations()[0]
    if window.valid:
        return writer.activation(x), schema.Padding.VALID
    if window.same and may_be_same:
        return writer.activation(x), schema.Padding.SAME
    (top, bottom), (left, right) = window.pads
    height, width = window.size
    shape = (1, x.shape[1], height + top + bottom, width + left + right)
    padded = replace(x, name=f"{op.output.name}/padded", shape=shape)
    amounts = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
    inputs = [writer.activation(x), writer.constant(f"{padded.name}/amounts", amounts)]
    if fill is None:
        writer.operator("PAD", 2, inputs, writer.activation(padded), schema.PadOptionsT())
    else:
        value = np.array([fill], np.int8)
        inputs.append(writer.constant(f"{padded.name}/fill", value, x))
        writer.operator("PADV2", 2, inputs, writer.activation(padded), schema.PadV2OptionsT())
    return writer.activation(padded), schema.Padding.VALID


def convolution(writer: TfliteWriter, op: Operation) -> None:
    """Conv to CONV_2D, or DEPTHWISE_CONV_2D where every input channel is a group."""
    weights, bias = weights_and_bias(op)
    window = window_of(op, weights.shape[2:])
    group, channels = op.attributes.get("group", 1), op.activations()[0].shape[1]
    if channels % group or weights.shape[0] % group:
        raise uncovered(op, f"its {group} groups do not divide its channels")
    x, padding = _padded(writer, op, window)
    depthwise = group > 1 and group == channels
    options = (schema.DepthwiseConv2DOptionsT if depthwise else schema.Conv2DOptionsT)(
        padding=padding,
        strideH=window.strides[0],
        strideW=window.strides[1],
        dilationHFactor=window.dilations[0],
        dilationWFactor=window.dilations[1],
        fusedActivationFunction=ACTIVATIONS[op.activation],
    )
    if depthwise:
        options.depthMultiplier = weights.shape[0] // channels
    # OIHW to [1, H, W, O] for depthwise (I is 1) and to OHWI otherwise.
    order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
    name = op.output.name
    values = np.ascontiguousarray(weights.values.transpose(order))
    inputs = [
        x,
        writer.constant(f"{name}/weights", values, weights, axis=3 if depthwise else 0),
        writer.constant(f"{name}/bias", bias.values, bias),
    ]
    code = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    writer.operator(code, 3, inputs, writer.activation(op.output), options)


def transpose_convolution(writer: TfliteWriter, op: Operation) -> None:
    """ConvTranspose without padding to TRANSPOSE_CONV."""
    weights, bias = weights_and_bias(op, output_axis=1)
    attributes, x = op.attributes, op.activations()[0]
    strides = tuple(attributes.get("strides", (1, 1)))
    plain = (
        not any(attributes.get("pads", ())) and not any(attributes.get("output_padding", ())),
        set(attributes.get("dilations", (1, 1))) == {1},
        attributes.get("group", 1) == 1,
        attributes.get("auto_pad", "NOTSET") in ("NOTSET", "VALID"),
        len(x.shape) == 4 and op.activation == "none",
    )
    if not all(plain):
        raise uncovered(op, "it has padding, groups, a dilation or a fused activation")
    name = op.output.name
    # IOHW to OHWI.
    values = np.ascontiguousarray(weights.values.transpose(1, 2, 3, 0))
    inputs = [
        writer.constant(f"{name}/shape", np.array(nhwc(op.output.shape), np.int32)),
        writer.constant(f"{name}/weights", values, weights, axis=0),
        writer.activation(x),
        writer.constant(f"{name}/bias", bias.values, bias),
    ]
    options = schema.TransposeConvOptionsT(
        padding=schema.Padding.VALID, strideH=strides[0], strideW=strides[1]
    )
    writer.operator("TRANSPOSE_CONV", 3, inputs, writer.activation(op.output), options)


def pool(writer: TfliteWriter, op: Operation, output: Tensor) -> None:
    """AveragePool or MaxPool; `output` has the input's quantisation parameters."""
    window = window_of(op, tuple(op.attributes["kernel_shape"]))
    if window.dilations != (1, 1):
        raise uncovered(op, "its windows are dilated")
    average = op.kind == "AveragePool"
    # TFLite's SAME divides by the pixels inside the image; zeros from a PAD count.
    counts_padding = average and bool(op.attributes.get("count_include_pad", 0))
    if average and not (counts_padding or window.same or window.valid):
        raise uncovered(op, "it leaves padding out of the mean, and the padding is not SAME")
    fill = None if average else LOWEST
    x, padding = _padded(writer, op, window, fill, may_be_same=not counts_padding)
    options = schema.Pool2DOptionsT(
        padding=padding,
        strideH=window.strides[0],
        strideW=window.strides[1],
        filterHeight=window.kernel[0],
        filterWidth=window.kernel[1],
        fusedActivationFunction=ACTIVATIONS[op.activation],
    )
    code = "AVERAGE_POOL_2D" if average else "MAX_POOL_2D"
    writer.operator(code, 2, [x], writer.activation(output), options)
