"""CONV_2D and DEPTHWISE_CONV_2D by CMSIS-NN; weights keep TFLite's layout."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpr_edge.firmware_bridge.cmsis_nn.call import (
    LANES,
    Call,
    activation,
    check_scratch,
    dims,
    image_dims,
    library_kernel,
    tile,
    whole_lanes,
)
from vpr_edge.firmware_bridge.operators.convolution import (
    Convolution,
    DepthwiseConvolution,
    WindowedWeights,
)
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Constant,
    Kernel,
    Scratch,
    c_struct,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.window import Window

# CMSIS-NN counts in 16 bits: sizes and coordinates signed, the taps of a filter unsigned.
LARGEST_SIZE, MOST_TAPS = (1 << 15) - 1, (1 << 16) - 1
# Channels that Helium's depthwise kernel gathers at once, for four output pixels.
DEPTHWISE_BLOCK, DEPTHWISE_PIXELS = 124, 4


class ConvolutionCall(Call, Convolution):
    """CONV_2D by `arm_convolve_wrapper_s8`."""

    @property
    def is_exact(self) -> bool:
        """See `Call`."""
        channels = self.source.shape[3]
        return _is_countable(self) and (
            self.weights.shape[3] != channels or _is_exact_row(self.window, channels)
        )

    @property
    def scratch_bytes(self) -> int:
        """See `Operator`: `arm_convolve_wrapper_s8_get_buffer_size`, the largest of all builds."""
        whole = self.weights.shape[3] == self.source.shape[3]
        return convolution_scratch(self.window, self.source.shape[3], whole)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        channels, rows, columns, depth = self.weights.shape
        shape = dims(channels, rows, columns, depth)
        return _kernel(self, "convolve", "conv", shape, self.weights)


class DepthwiseCall(Call, DepthwiseConvolution):
    """DEPTHWISE_CONV_2D by `arm_depthwise_conv_wrapper_s8`."""

    @property
    def is_exact(self) -> bool:
        """See `Call`.

        The 3x3 kernel takes the middle column for one inside the image. Helium makes a layer of one
        input channel a CONV_2D.
        """
        w = self.window
        beyond = (w.result[1] - 1) * w.stride[1] - w.pad[1] + w.kernel[1] - w.source[1]
        return (
            _is_countable(self)
            and (w.kernel != (3, 3) or beyond <= 1)
            and (self.source.shape[3] > 1 or _is_exact_row(w, 1))
        )

    @property
    def multiplier(self) -> int:
        """Output channels for each input channel."""
        return self.weights.shape[3] // self.source.shape[3]

    @property
    def scratch_bytes(self) -> int:
        """See `Operator`: `arm_depthwise_conv_wrapper_s8_get_buffer_size`, likewise."""
        channels, taps = self.source.shape[3], int(np.prod(self.window.kernel))
        sizes = [0]
        if self.multiplier == 1 and self.window.dilation == (1, 1):
            sizes += [DEPTHWISE_PIXELS * DEPTHWISE_BLOCK * taps, 2 * channels * taps]
        if channels == 1:
            sizes.append(convolution_scratch(self.window, 1) + self.weights.size)
        return max(sizes)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        _, rows, columns, channels = self.weights.shape
        return _kernel(
            self,
            "depthwise_conv",
            "dw_conv",
            dims(1, rows, columns, channels),
            np.pad(self.weights.reshape(-1), (0, LANES - 1 if channels % LANES else 0)),
            ch_mult=self.multiplier,
        )


def convolution_scratch(window: Window, channels: int, whole: bool = True) -> int:
    """Bytes that a CONV_2D may need, whichever the build.

    Args:
        window: the geometry.
        channels: of the input.
        whole: whether filters cover all of them, that is, there are no groups.
    """
    if whole and _is_pointwise(window):
        return 4 * channels if window.stride == (1, 1) else 0
    taps = int(np.prod(window.kernel)) * channels
    # DSP: two patches as int16; Helium: four as int8, by vectors of 16; or one padded row.
    row = (window.kernel[1] + window.pad[1]) * channels
    return max(4 * (-(-taps // 4) * 4), 64 * -(-taps // 16), row)


def _is_pointwise(window: Window) -> bool:
    return window.kernel == (1, 1) and window.pad == (0, 0) and window.dilation == (1, 1)


def _is_countable(operator: WindowedWeights) -> bool:
    """Whether the sizes fit CMSIS-NN's types and no patch lies wholly outside the image."""
    w = operator.window
    channels = (operator.source.shape[3], operator.outputs[0].shape[3])
    overlapping = all(
        pad <= (kernel - 1) * dilation and (result - 1) * stride - pad < source
        for pad, kernel, dilation, result, stride, source in zip(
            w.pad, w.kernel, w.dilation, w.result, w.stride, w.source, strict=True
        )
    )
    return (
        overlapping
        and max(*w.source, *w.result, *channels) <= LARGEST_SIZE
        and int(np.prod(w.kernel)) * channels[0] <= MOST_TAPS
    )


def _is_exact_row(window: Window, channels: int) -> bool:
    """Whether Helium's kernel for images of one row is right about the padding.

    It takes it to be spread as SAME spreads it and, with strides, to end where the last window
    ends.
    """
    w = window
    if not (
        w.source[0] == w.kernel[0] == w.dilation[1] == 1
        and w.stride[1] * channels % 4 == 0
        and not _is_pointwise(w)
    ):
        return True
    total = (w.result[1] - 1) * w.stride[1] + w.kernel[1] - w.source[1]
    return w.pad[1] == total == 0 or (w.stride[1] == 1 and w.pad[1] == total // 2 >= 0)


def _kernel(
    operator: WindowedWeights,
    function: str,
    params: str,
    weight_dims: str,
    weights: NDArray[np.int8],
    **more: Any,
) -> Kernel:
    """The call; both functions take the same arguments but for `params`."""
    w, q = operator.window, operator.requantization
    name = f"arm_{function}_wrapper_s8"
    fields = c_struct(
        input_offset=-operator.zero_point,
        output_offset=q.range.zero_point,
        stride=tile(w.stride),
        padding=tile(w.pad),
        dilation=tile(w.dilation),
        activation=activation(q.range),
        **more,
    )
    channels = operator.outputs[0].shape[3]
    return library_kernel(
        f"{function}_s8",
        parameters(
            [
                ("const int8_t *input", operator.source),
                ("const int8_t *weights", Constant("weights", weights)),
                ("const int32_t *bias", Constant("bias", whole_lanes(q.bias))),
                ("const int32_t *multiplier", Constant("multiplier", whole_lanes(q.multiplier))),
                ("const int32_t *shift", Constant("shift", whole_lanes(q.shift))),
                ("int8_t *output", operator.outputs[0]),
                ("void *scratch", Scratch()),
            ]
        ),
        f"const cmsis_nn_context context = {{.buf = scratch, .size = {operator.scratch_bytes}}};\n"
        f"const cmsis_nn_{params}_params params = {fields};\n"
        "const cmsis_nn_per_channel_quant_params factors = {\n"
        "    .multiplier = (int32_t *)multiplier, .shift = (int32_t *)shift};\n"
        f"const cmsis_nn_dims source = {image_dims(w.source, operator.source.shape[3])};\n"
        f"const cmsis_nn_dims filter = {weight_dims};\n"
        f"const cmsis_nn_dims channels = {dims(1, 1, 1, channels)};\n"
        f"const cmsis_nn_dims result = {image_dims(w.result, channels)};\n"
        + check_scratch(f"{name}_get_buffer_size(&params, &source, &filter, &result)")
        + f"return {name}(&context, &params, &factors, &source, input, &filter, weights,\n"
        "    &channels, bias, &result, output);",
    )
