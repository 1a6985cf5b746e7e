"""Multipliers, biases and clamps of the layers with weights, as TFLM prepares them."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from vpr_edge.arithmetic.integers import Multiplier, multiply, quantize_multiplier
from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor, integer_limits

# Within this, a doubled accumulator still fits int32.
ACCUMULATOR_LIMIT = 2**30
INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
# Of sums, to the left.
LARGEST_SHIFT = 20
_ACTIVATIONS = {
    code: name
    for name, code in vars(schema.ActivationFunctionType).items()
    if isinstance(code, int)
}
# Real bounds of the fused activations; None is unbounded.
_BOUNDS: dict[str, tuple[float | None, float | None]] = {
    "NONE": (None, None),
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}


@dataclass(frozen=True)
class Range:
    """An output's zero point and the range of its fused activation."""

    zero_point: int
    low: int
    high: int

    def apply(self, sums: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Requantised sums to the output's integers."""
        return np.clip(sums + self.zero_point, self.low, self.high).astype(dtype)

    def c(self) -> str:
        """The arguments zero_point, low, high as C text."""
        # The most negative literal would be the negation of a number too large for its type.
        low = "-2147483647 - 1" if self.low == INT32_MIN else self.low
        return f"{{{self.zero_point}, {low}, {self.high}}}"


@dataclass(frozen=True, eq=False)
class Requantization:
    """By output channel: int32 bias and the factor from sum to output; and the output's range.

    Attributes:
        doubles: whether twice any sum fits int32, as the quick kernels of the DSP extension need.
    """

    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    shift: NDArray[np.int8]
    range: Range
    doubles: bool = True

    def c_channels(self) -> str:
        """The initialiser of a `struct vpr_channels` from pointers of these names."""
        return f"{{weights, bias, multiplier, shift, {int(self.right_only)}}}"

    @property
    def right_only(self) -> bool:
        """Whether every shift is one that two high multiplications can do."""
        return bool(self.doubles and np.all((self.shift <= -2) & (self.shift >= -31)))

    def apply(self, sums: NDArray[np.int64], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Sums [..., O] without bias to the output's integers."""
        total = sums + self.bias.astype(np.int64)
        scaled = multiply(total, self.multiplier.astype(np.int64), self.shift.astype(np.int64))
        return self.range.apply(scaled, dtype)


def fused_range(node: Node, output: Tensor) -> Range:
    """The output's range under the node's fused activation (`CalculateActivationRangeQuantized`).

    Raises:
        ModelError: the activation is not one that int8 kernels fuse.
    """
    affine = node.affine(output)
    name = _ACTIVATIONS.get(node.option("fusedActivationFunction", 0), "")
    if name not in _BOUNDS:
        raise node.refuse(
            f"the fused activation {name or 'unknown'} has no int8 kernel",
            "convert the model with RELU, RELU6 or none",
        )
    low, high = integer_limits(output)
    below, above = _BOUNDS[name]
    return Range(
        affine.zero_point,
        low if below is None else max(low, _quantized(below, affine.scale, affine.zero_point)),
        high if above is None else min(high, _quantized(above, affine.scale, affine.zero_point)),
    )


def _quantized(value: float, scale: np.float32, zero_point: int) -> int:
    # Limited to more than any type holds: the quotient by a tiny scale is infinite.
    with np.errstate(over="ignore"):
        steps = float(np.clip(np.float32(value) / scale, -(2.0**32), 2.0**32))
    return zero_point + int(math.copysign(math.floor(abs(steps) + 0.5), steps))


def channel_requantization(
    node: Node, source: Tensor, weights: Tensor, bias: Tensor | None, channels: int
) -> Requantization:
    """Of a layer with one weight scale for all channels or one for each.

    Raises:
        ModelError: the number of scales or biases does not fit, or the factor is too large.
    """
    output = node.outputs[0]
    if weights.scale.size not in (1, channels):
        raise node.refuse(
            f"{weights.scale.size} weight scales for {channels} output channels",
            "convert the model again",
            weights,
        )
    if bias is not None and bias.values is not None and bias.values.size != channels:
        raise node.refuse(
            f"{bias.values.size} biases for {channels} output channels",
            "convert the model again",
            bias,
        )
    factor = quantize_multiplier(
        float(node.affine(source).scale)
        * weights.scale.astype(np.float64)
        / float(node.affine(output).scale)
    )
    return make_requantization(node, factor, bias, channels)


def make_requantization(
    node: Node, factor: Multiplier, bias: Tensor | None, channels: int
) -> Requantization:
    """From the factor (one, or one a channel) and the bias tensor.

    Raises:
        ModelError: the factor is too large for int32 arithmetic.
    """
    if np.any(factor.shift > LARGEST_SHIFT):
        raise refuse_factor(node)
    values = np.zeros(channels, np.int32) if bias is None else bias.values
    assert values is not None
    return Requantization(
        values.reshape(-1).astype(np.int32),
        np.broadcast_to(factor.value, channels).astype(np.int32),
        np.broadcast_to(factor.shift, channels).astype(np.int8),
        fused_range(node, node.outputs[0]),
    )


def refuse_factor(node: Node) -> ModelError:
    """The error for sums that the output scales up beyond int32."""
    return node.refuse(
        f"the output is scaled up by more than 2^{LARGEST_SHIFT}",
        "its scales are corrupt, so convert the model again",
    )


def product_multiplier(node: Node, a: np.float32, b: np.float32, output: np.float32) -> Multiplier:
    """From a sum of products to the output, where each of the three has one scale.

    TFLM multiplies the first two in float32 (`GetQuantizedConvolutionMultipler`).

    Raises:
        ModelError: the factor is too large for int32 arithmetic.
    """
    with np.errstate(over="ignore"):
        real = float(np.float32(a) * np.float32(b)) / float(output)
    if real >= 2.0**LARGEST_SHIFT:
        raise refuse_factor(node)
    return quantize_multiplier(real)


def settle(
    node: Node,
    source: Tensor,
    weights: NDArray[Any],
    requantization: Requantization,
) -> Requantization:
    """The same outputs from sums that no input makes overflow; weights are [O, K].

    Channels of zero weights, which training leaves behind and to which converters give any bias and
    scale, are constant: they get a bias and a factor that yield the constant exactly.

    Raises:
        ModelError: a sum may leave int32, where neither TFLM nor C defines the result.
    """
    constant = ~weights.any(axis=1)
    zeros = np.zeros(len(weights), np.int64)
    outputs = requantization.apply(zeros, np.dtype(np.int64)) - requantization.range.zero_point
    bias = np.where(constant, outputs << 7, requantization.bias).astype(np.int64)
    shift = np.where(constant, -6, requantization.shift).astype(np.int64)
    # Any part of a sum, in any order and with the zero point folded in or not, is what some input
    # gives, so it lies within these as well.
    low, high = reach(node, source, weights)
    left = np.maximum(shift, 0)
    least, most = (bias + low) << left, (bias + high) << left
    if np.any(least < INT32_MIN) or np.any(most > INT32_MAX):
        raise node.refuse(
            "its weights and biases can overflow a 32-bit sum",
            "the file is corrupt or badly scaled, so quantise the model again",
        )
    return Requantization(
        bias.astype(np.int32),
        np.where(constant, 1 << 30, requantization.multiplier).astype(np.int32),
        shift.astype(np.int8),
        requantization.range,
        doubles=bool(np.all(least > -ACCUMULATOR_LIMIT) and np.all(most < ACCUMULATOR_LIMIT)),
    )


def reach(
    node: Node, source: Tensor, weights: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Least and greatest sum of products [O], over all inputs, of weights [O, K].

    What lies outside an image counts as the zero point, which is among the inputs.

    Raises:
        ModelError: the source has not one scale and zero point.
    """
    zero = node.affine(source).zero_point
    ends = [limit - zero for limit in integer_limits(source)]
    # Sums of negative and of positive weights.
    wide = weights.astype(np.int64)
    below, above = np.minimum(wide, 0).sum(axis=1), np.maximum(wide, 0).sum(axis=1)
    return above * ends[0] + below * ends[1], above * ends[1] + below * ends[0]
