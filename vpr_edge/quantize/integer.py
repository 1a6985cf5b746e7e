"""The integer-exact pass: TFLM's int8 values at every tensor, bit for bit, in torch.

Maps are "centred" integers, q - zero_point, held in float32 [N, C, H, W]. A convolution of
integers in floating point is exact while no sum exceeds the mantissa; requantisation is done in
int64 with the arithmetic of `arithmetic.integers`.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vpr_edge.arithmetic.affine import Affine
from vpr_edge.arithmetic.integers import (
    Multiplier,
    Rounding,
    activation_range,
    add,
    add_parameters,
    matmul_multiplier,
    mean_multiplier,
    multiply,
    output_multiplier,
    quantize_multiplier,
    round_average,
)
from vpr_edge.models.graph import CONVOLUTIONS, FIXED_PARAMETERS, SAME_PARAMETERS, Node
from vpr_edge.models.network import pad_same, rearrange
from vpr_edge.quantize.functions import fixed_function
from vpr_edge.quantize.model import Int8Model

FLOAT32_EXACT = 1 << 24
IMAGES_AT_ONCE = 16


def convolve(node: Node, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A convolution's exact accumulator, and its ordinary gradient.

    Args:
        node: the convolution.
        x: centred integers [N, C, H, W], |x| at most 255.
        weight: integers [O, I, kh, kw] in float32.
        bias: integers [O] in float32.

    Returns:
        Integers [N, O, h, w] in float32, or in float64 where float32 might round.
    """
    worst = 255 * weight.detach().abs().sum(dim=(1, 2, 3)) + bias.detach().abs()
    # On other devices float32 convolutions may use TF32 or Winograd, which are not exact.
    fits = x.device.type == "cpu" and float(worst.max()) < FLOAT32_EXACT
    dtype = torch.float32 if fits else torch.float64
    groups = node.shape[0] if node.op == "depthwise" else 1
    return functional.conv2d(
        pad_same(x, node).to(dtype), weight.to(dtype), bias.to(dtype), node.stride, groups=groups
    )


def requantize(
    total: Tensor, factor: Multiplier, low: int, high: int, rounding: Rounding = "double"
) -> Tensor:
    """An accumulator times a factor for each channel (or one for all), clamped.

    Args:
        total: integers [N, C, H, W], any float type.
        factor: scalars, or arrays [C].
        low, high: range of the centred result.
        rounding: see `arithmetic.Rounding`.
    """
    value, shift = (
        torch.from_numpy(part.reshape(1, -1, 1, 1)).to(total.device)
        for part in (factor.value, factor.shift)
    )
    result = multiply(total.round().to(torch.int64), value, shift, rounding)
    return result.clamp_(low, high).to(torch.float32)


def combine(
    node: Node,
    inputs: list[Tensor],
    affines: Mapping[str, Affine],
    rounding: Rounding = "double",
) -> Tensor:
    """The operations without weights on centred integers.

    Args:
        node: of an operation without weights.
        inputs: centred integers, float32.
        affines: parameters by node name.
        rounding: see `arithmetic.Rounding`.
    """
    output = affines[node.name]
    low, high = centered_range(node.activation, output)
    if node.op in SAME_PARAMETERS:
        if node.op != "average_pool":
            return rearrange(node, *inputs)
        # Averages round by the sign of the stored integer, not of the centred one.
        count = node.kernel[0] * node.kernel[1]
        stored = inputs[0] + output.zero_point
        total = functional.avg_pool2d(stored, node.kernel, node.stride, divisor_override=1)
        average = round_average(total.to(torch.int64), count).to(torch.float32)
        return average - output.zero_point
    if node.op in FIXED_PARAMETERS:
        source = affines[node.inputs[0]]
        scale, zero_point = FIXED_PARAMETERS[node.op]
        if output == Affine(np.float32(scale), zero_point):
            return _fixed(node, inputs[0], source, output)
        # Symmetric networks have parameters of their own: TensorRT computes these in floats.
        real = rearrange(node, inputs[0] * float(source.scale))
        return (real / float(output.scale)).round().clamp(low, high)
    scales = [affines[name].scale for name in node.inputs]
    if node.op == "matmul":
        # Float64 sums of these integers are exact.
        total = rearrange(node, *(x.to(torch.float64) for x in inputs))
        factor = matmul_multiplier(scales[0], scales[1], output.scale)
        return requantize(total, factor, low, high, rounding)
    whole = [x.to(torch.int64) for x in inputs]
    if node.op == "add":
        a, b = (affines[name] for name in node.inputs)
        parameters = add_parameters(a, b, output)
        total = add(whole[0], whole[1], parameters, rounding)
        return total.clamp_(low, high).to(torch.float32)
    if node.op == "mul":
        factor = output_multiplier(scales[0], scales[1], output.scale)
        return requantize(whole[0] * whole[1], factor, low, high, rounding)
    if node.op == "sum":
        factor = quantize_multiplier(float(scales[0]) / float(output.scale))
        return requantize(whole[0].sum(dim=(2, 3), keepdim=True), factor, low, high, rounding)
    if node.op == "mean":
        count = inputs[0].shape[2] * inputs[0].shape[3]
        factor = mean_multiplier(scales[0], output.scale, count)
        return requantize(whole[0].sum(dim=(2, 3), keepdim=True), factor, low, high, rounding)
    raise ValueError(f"unknown operation {node.op!r}")


def _fixed(node: Node, x: Tensor, source: Affine, output: Affine) -> Tensor:
    """An operation whose output parameters the specification fixes; rows are pixels."""
    stored = x.permute(0, 2, 3, 1).to(torch.int64) + source.zero_point
    rows = stored.reshape(-1, stored.shape[3]).cpu().numpy()
    found = torch.from_numpy(fixed_function(node.op, rows, source) - output.zero_point)
    found = found.to(x.device, torch.float32).reshape(stored.shape)
    return found.permute(0, 3, 1, 2)


def centered_range(activation: str, affine: Affine) -> tuple[int, int]:
    """`activation_range` with the zero point taken off."""
    low, high = activation_range(activation, affine)
    return low - affine.zero_point, high - affine.zero_point


class IntegerNetwork:
    """Runs an `Int8Model` as TFLM does.

    Args:
        model: the quantised network.
        rounding: see `arithmetic.Rounding`.

    Attributes:
        graph: what is executed.
        constants: weights and biases, integers in float32 and float64.
    """

    def __init__(self, model: Int8Model, rounding: Rounding = "double") -> None:
        self.model = model
        self.rounding: Rounding = rounding
        self.graph = model.graph
        self.constants = {
            node.name: (
                torch.from_numpy(model.layers[node.name].weight.astype(np.float32)),
                torch.from_numpy(model.layers[node.name].bias.astype(np.float64)),
            )
            for node in self.graph.weighted()
        }

    def run(
        self, images: NDArray[np.uint8], keep: tuple[str, ...] | None = None
    ) -> dict[str, NDArray[np.int8]]:
        """int8 values as the interpreter returns them.

        Args:
            images: uint8 RGB [N, H, W, 3].
            keep: names of nodes to return; the graph's outputs by default.

        Returns:
            int8 [N, h, w, C] by node name.
        """
        names = keep or self.graph.outputs
        parts = [
            self._run(images[start : start + IMAGES_AT_ONCE], names)
            for start in range(0, len(images), IMAGES_AT_ONCE)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    @torch.no_grad()
    def _run(
        self, images: NDArray[np.uint8], names: tuple[str, ...]
    ) -> dict[str, NDArray[np.int8]]:
        # The image's zero point is -128: the centred value is the pixel.
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).to(torch.float32)
        values = {self.graph.input.name: pixels}
        for node in self.graph.nodes[1:]:
            values[node.name] = self.compute(node, [values[name] for name in node.inputs])
        return {name: self._stored(name, values[name]) for name in names}

    @torch.no_grad()
    def run_node(self, node: Node, inputs: list[NDArray[np.int8]]) -> NDArray[np.int8]:
        """One operation by itself on stored int8 inputs [N, h, w, C]."""
        centered = [
            torch.from_numpy(value).permute(0, 3, 1, 2).to(torch.float32)
            - self.model.activations[name].zero_point
            for name, value in zip(node.inputs, inputs, strict=True)
        ]
        return self._stored(node.name, self.compute(node, centered))

    def compute(self, node: Node, inputs: list[Tensor]) -> Tensor:
        """One operation on centred integers [N, C, H, W] in float32."""
        affines = self.model.activations
        if node.name not in self.constants:
            return combine(node, inputs, affines, self.rounding)
        affine = affines[node.name]
        weight_scale = self.model.layers[node.name].weight_scale
        factor = output_multiplier(affines[node.inputs[0]].scale, weight_scale, affine.scale)
        weight, bias = self.constants[node.name]
        if node.op in CONVOLUTIONS:
            total = convolve(node, inputs[0], weight, bias)
        else:
            total = inputs[0] * weight
        return requantize(total, factor, *centered_range(node.activation, affine), self.rounding)

    def _stored(self, name: str, centered: Tensor) -> NDArray[np.int8]:
        values = (centered + self.model.activations[name].zero_point).to(torch.int8)
        return values.permute(0, 2, 3, 1).contiguous().numpy()
