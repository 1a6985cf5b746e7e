"""How plain layers sum products and what becomes of the sums: float32, int8, and int16."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from vpr_edge.arithmetic.integers import Multiplier, quantize_multiplier
from vpr_edge.firmware_bridge.operators.shared.floats import c_float, float_range
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor, integer_limits
from vpr_edge.firmware_bridge.operators.shared.operator import Constant, Values
from vpr_edge.firmware_bridge.operators.shared.requantize import (
    INT32_MAX,
    Range,
    Requantization,
    channel_requantization,
    fused_range,
    make_requantization,
    product_multiplier,
    reach,
    settle,
)
from vpr_edge.firmware_bridge.operators.shared.wide import WideScaling, wide_scaling

Constants = list[tuple[str, object]]
# Types of biases that TFLM takes beside int16 activations; int32 ones say that sums have 32 bits.
BIASES = {
    "CONV_2D": ("int32", "int64"),
    "FULLY_CONNECTED": ("int32", "int64"),
    "DEPTHWISE_CONV_2D": ("int64",),
    "TRANSPOSE_CONV": ("int16", "int64"),
}
# Weights [outputs, terms]; None where they are computed at run time.
Rows = NDArray[np.int8] | None


class Sums(ABC):
    """The numbers of a layer: how products are summed and what becomes of the sums."""

    header: ClassVar[str]

    @abstractmethod
    def without_zero_point(self, image: Values) -> Values:
        """The input as what is multiplied."""

    @abstractmethod
    def apply(self, taps: list[Values], weights: Values) -> Values:
        """Output values [R, C, groups, group].

        Args:
            taps: for each the input under it [R, C, groups, depth], 0 outside the image.
            weights: [taps, groups, group, depth].
        """

    @abstractmethod
    def constants(self) -> Constants:
        """The parameters by output channel."""

    @abstractmethod
    def body(self) -> str:
        """C: declarations, then the call that reads `shape`."""


@dataclass(frozen=True, eq=False)
class FloatSums(Sums):
    """float32.

    Attributes:
        bias: by output channel.
        range: of the fused activation.
    """

    header: ClassVar[str] = "vpr_taps_f32.h"
    bias: NDArray[np.float32]
    range: tuple[float, float]

    def without_zero_point(self, image: Values) -> Values:
        """See `Sums`."""
        return image

    def apply(self, taps: list[Values], weights: Values) -> Values:
        """See `Sums`: one term after the other in float32."""
        rows, columns, groups, depth = taps[0].shape
        sums = np.zeros((rows, columns, groups, weights.shape[2]), np.float32)
        with np.errstate(all="ignore"):
            for tap, kernel in zip(taps, weights, strict=True):
                for k in range(depth):
                    sums += tap[..., k, None] * kernel[..., k]
            sums = sums + self.bias.reshape(groups, -1)
        low, high = np.float32(self.range[0]), np.float32(self.range[1])
        sums = np.where(sums < low, low, sums)
        return np.where(sums > high, high, sums)

    def constants(self) -> Constants:
        """See `Sums`."""
        return [("const float *bias", Constant("bias", self.bias))]

    def body(self) -> str:
        """See `Sums`."""
        low, high = map(c_float, self.range)
        return (
            f"const struct vpr_range_f32 range = {{{low}, {high}}};\n"
            "vpr_taps_f32(shape, input, weights, bias, range, output);"
        )


def float_sums(node: Node, outputs: int) -> FloatSums:
    """Those of a float32 layer.

    Raises:
        ModelError: an unknown activation, or another number of biases.
    """
    tensor = _bias(node, outputs, "float32")
    bias = np.zeros(outputs, np.float32) if tensor is None else _values(tensor)
    return FloatSums(bias.reshape(-1), float_range(node))


@dataclass(frozen=True, eq=False)
class Int8Sums(Sums):
    """int8 with int32 sums.

    Attributes:
        zero_points: of input and weights.
        requantization: from sums to outputs.
    """

    header: ClassVar[str] = "vpr_taps_s8.h"
    zero_points: tuple[int, int]
    requantization: Requantization

    def without_zero_point(self, image: Values) -> Values:
        """See `Sums`."""
        return image.astype(np.int64) - self.zero_points[0]

    def apply(self, taps: list[Values], weights: Values) -> Values:
        """See `Sums`."""
        sums = _sums(taps, weights, self.zero_points[1])
        shape = sums.shape
        found = self.requantization.apply(sums.reshape(*shape[:2], -1), np.dtype(np.int8))
        return found.reshape(shape)

    def constants(self) -> Constants:
        """See `Sums`."""
        q = self.requantization
        return [
            ("const int32_t *bias", Constant("bias", q.bias)),
            ("const int32_t *multiplier", Constant("multiplier", q.multiplier)),
            ("const int8_t *shift", Constant("shift", q.shift)),
        ]

    def body(self) -> str:
        """See `Sums`."""
        source, weights = self.zero_points
        return (
            f"const struct vpr_channels channels = {self.requantization.c_channels()};\n"
            f"const struct vpr_range range = {self.requantization.range.c()};\n"
            f"vpr_taps_s8(shape, input, {source}, {weights}, channels, range, output);"
        )


def int8_sums(node: Node, rows: Rows, outputs: int, terms: int) -> Int8Sums:
    """Those of an int8 layer.

    Raises:
        ModelError: sums that leave int32, or parameters that do not fit.
    """
    source, weights = node.input(0), node.input(1)
    requantization = layer_requantization(node, outputs)
    zero = weights_zero_point(node, weights)
    if rows is not None:
        requantization = settle(node, source, rows.astype(np.int64) - zero, requantization)
    else:
        most = terms * _largest(node, source) * max(127 - zero, 128 + zero)
        largest = np.abs(requantization.bias.astype(np.int64)) + most
        if np.any(largest << np.maximum(requantization.shift.astype(np.int64), 0) > INT32_MAX):
            raise node.refuse(
                f"sums of {terms} products with weights of run time can overflow 32 bits",
                "multiply shorter vectors, or quantise the model again",
                weights,
            )
    return Int8Sums((node.affine(source).zero_point, zero), requantization)


def layer_requantization(node: Node, outputs: int) -> Requantization:
    """Of an int8 layer with weights, constant or not.

    Raises:
        ModelError: the number of scales or biases does not fit, or a factor is too large.
    """
    source, weights = node.input(0), node.input(1)
    bias = _bias(node, outputs, "int32")
    requantization = channel_requantization(node, source, weights, bias, outputs)
    if node.code == "FULLY_CONNECTED" and weights.scale.size == 1:
        # One scale for all has a factor of its own.
        scales = node.affine(source).scale, weights.scale[0], node.affine(node.outputs[0]).scale
        factor = product_multiplier(node, *scales)
        requantization = make_requantization(node, factor, bias, outputs)
    return requantization


@dataclass(frozen=True, eq=False)
class Int16Sums(Sums):
    """int16 with int8 weights.

    Attributes:
        bias: by output channel.
        scaling: from sums to outputs.
        weights_zero_point: of FULLY_CONNECTED.
        range: of the output.
    """

    header: ClassVar[str] = "vpr_taps_s16.h"
    bias: NDArray[np.int64]
    scaling: WideScaling
    weights_zero_point: int
    range: Range

    def without_zero_point(self, image: Values) -> Values:
        """See `Sums`."""
        return image.astype(np.int64)

    def apply(self, taps: list[Values], weights: Values) -> Values:
        """See `Sums`."""
        sums = _sums(taps, weights, self.weights_zero_point)
        flat = sums.reshape(*sums.shape[:2], -1) + self.bias
        return self.range.apply(self.scaling.apply(flat), np.dtype(np.int16)).reshape(sums.shape)

    def constants(self) -> Constants:
        """See `Sums`."""
        return [
            ("const int64_t *bias", Constant("bias", self.bias)),
            ("const int32_t *multiplier", Constant("multiplier", self.scaling.multiplier)),
            ("const int8_t *shift", Constant("shift", self.scaling.shift)),
        ]

    def body(self) -> str:
        """See `Sums`."""
        more = f"{int(self.scaling.wide)}, {self.weights_zero_point}"
        return (
            "const struct vpr_channels_s16 channels = {weights, bias, multiplier, shift, "
            f"{more}}};\n"
            f"const struct vpr_range range = {self.range.c()};\n"
            "vpr_taps_s16(shape, input, channels, range, output);"
        )


def int16_sums(node: Node, rows: Rows, outputs: int, terms: int) -> Int16Sums:
    """Those of a layer with int16 activations.

    Raises:
        ModelError: sums that leave their type, or parameters that do not fit.
    """
    source, weights, output = node.input(0), node.input(1), node.outputs[0]
    bias = _bias(node, outputs, *BIASES[node.code])
    wide = not narrow_sums(node, bias)
    values = np.zeros(outputs, np.int64) if bias is None else _values(bias).astype(np.int64)
    zero = weights_zero_point(node, weights)
    if rows is not None:
        low, high = reach(node, source, rows.astype(np.int64) - zero)
    else:
        most = terms * _largest(node, source) * max(127 - zero, 128 + zero)
        low, high = np.full(outputs, -most), np.full(outputs, most)
    values = values.reshape(-1)
    scaling = wide_scaling(
        node, wide_factor(node, source, weights, outputs), (values + low, values + high), wide
    )
    return Int16Sums(
        values,
        WideScaling(
            np.broadcast_to(scaling.multiplier, outputs).astype(np.int32),
            np.broadcast_to(scaling.shift, outputs).astype(np.int8),
            wide,
        ),
        zero,
        symmetric_range(node, source, output),
    )


def narrow_sums(node: Node, bias: Tensor | None) -> bool:
    """Whether a layer with int16 activations sums in 32 bits."""
    if "int32" not in BIASES[node.code]:
        return False
    if bias is None:
        return bool(node.option("quantizedBiasType", 0) == schema.TensorType.INT32)
    return bias.dtype == np.int32


def wide_factor(node: Node, source: Tensor, weights: Tensor, outputs: int) -> Multiplier:
    """From sums to an int16 output, one or one for each output channel.

    Raises:
        ModelError: the number of weight scales does not fit.
    """
    if weights.scale.size not in (1, outputs):
        raise node.refuse(
            f"{weights.scale.size} weight scales for {outputs} output channels",
            "convert the model again",
            weights,
        )
    before, after = node.affine(source).scale, node.affine(node.outputs[0]).scale
    if node.code == "FULLY_CONNECTED" and weights.scale.size == 1:
        return product_multiplier(node, before, weights.scale[0], after)
    return quantize_multiplier(float(before) * weights.scale.astype(np.float64) / float(after))


def symmetric_range(node: Node, *tensors: Tensor) -> Range:
    """The output's range under the fused activation, of int16 tensors.

    Raises:
        ModelError: one has a zero point, of which TFLM's int16 kernels know nothing.
    """
    for tensor in tensors:
        if node.affine(tensor).zero_point != 0:
            raise node.refuse(
                f"the zero point of an int16 tensor is {node.affine(tensor).zero_point}",
                "int16 is quantised symmetrically, so convert the model again",
                tensor,
            )
    return fused_range(node, node.outputs[0])


def weights_zero_point(node: Node, weights: Tensor) -> int:
    """What TFLM takes off weights: only FULLY_CONNECTED, with one scale, heeds a zero point."""
    if node.code != "FULLY_CONNECTED" or weights.zero_point.size != 1:
        return 0
    return int(weights.zero_point[0])


def _sums(taps: list[Values], weights: Values, zero: int) -> NDArray[np.int64]:
    """Sums of products [R, C, groups, group], exact in float64."""
    wide = weights.astype(np.float64) - zero
    sums = sum(
        np.einsum("rcgd,god->rcgo", tap.astype(np.float64), kernel)
        for tap, kernel in zip(taps, wide, strict=True)
    )
    return np.asarray(sums).astype(np.int64)


def _largest(node: Node, source: Tensor) -> int:
    low, high = integer_limits(source)
    zero = node.affine(source).zero_point
    return max(high - zero, zero - low)


def _bias(node: Node, outputs: int, *dtypes: str) -> Tensor | None:
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return None
    bias = node.constant(2, *dtypes)
    if _values(bias).size != outputs:
        raise node.refuse(
            f"{_values(bias).size} biases for {outputs} output channels",
            "convert the model again",
            bias,
        )
    return bias


def _values(tensor: Tensor) -> Values:
    assert tensor.values is not None
    return tensor.values
