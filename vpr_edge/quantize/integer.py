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

from vpr_edge.arithmetic.activations import hard_swish_table, leaky_relu_table
from vpr_edge.arithmetic.affine import INT8_MIN, Affine
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
from vpr_edge.arithmetic.resize import resize_bilinear
from vpr_edge.models import network
from vpr_edge.models.graph import CONVOLUTIONS, FIXED_PARAMETERS, SAME_PARAMETERS, Node
from vpr_edge.models.network import rearrange
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
    return network.convolve(node, x.to(dtype), weight.to(dtype), bias.to(dtype))


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
        if node.op == "resize_bilinear":
            stored = (inputs[0] + output.zero_point).to(torch.int64)
            return (resize_bilinear(stored, node.shape[1:]) - output.zero_point).to(torch.float32)
        if node.op != "average_pool":
            return rearrange(node, *inputs)
        # Averages round by the sign of the stored integer, not of the centred one.
        stored = (inputs[0] + output.zero_point).to(torch.float64)
        total, inside = (network.window_sums(t, node) for t in (stored, torch.ones_like(stored)))
        average = round_average(total.to(torch.int64), inside.to(torch.int64)).to(torch.float32)
        return average - output.zero_point
    if node.op in ("leaky_relu", "hard_swish"):
        source = affines[node.inputs[0]]
        table = (
            hard_swish_table(source, output)
            if node.op == "hard_swish"
            else leaky_relu_table(node.slope, source, output)
        )
        results = torch.from_numpy(table.astype(np.float32)).to(inputs[0].device)
        stored = (inputs[0] + (source.zero_point - INT8_MIN)).to(torch.int64)
        return results[stored] - output.zero_point
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
    if node.op in ("add", "sub"):
        a, b = (affines[name] for name in node.inputs)
        parameters = add_parameters(a, b, output)
        second = whole[1] if node.op == "add" else -whole[1]
        total = add(whole[0], second, parameters, rounding)
        return total.clamp_(low, high).to(torch.float32)
    if node.op == "mul":
        factor = output_multiplier(scales[0], scales[1], output.scale)
        return requantize(whole[0] * whole[1], factor, low, high, rounding)
    if node.op in ("relu", "requantize"):
        factor = quantize_multiplier(float(scales[0]) / float(output.scale))
        return requantize(whole[0], factor, 0 if node.op == "relu" else low, high, rounding)
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


def offset(
    x: Tensor,
    weight: Tensor,
    source: Affine,
    step: np.float32,
    output: Affine,
    rounding: Rounding = "double",
) -> Tensor:
    """A map plus constants: ADD, one of whose inputs the file holds."""
    parameters = add_parameters(source, Affine(step, 0), output)
    total = add(x.to(torch.int64), weight.round().to(torch.int64), parameters, rounding)
    return total.clamp_(*centered_range("none", output)).to(torch.float32)


def prelu(
    x: Tensor, below: Tensor, source: Affine, output: Affine, rounding: Rounding = "double"
) -> Tensor:
    """x rescaled where it is not negative, else what its product with the slope gave."""
    one = quantize_multiplier(float(source.scale) / float(output.scale))
    return torch.where(x >= 0, requantize(x, one, *centered_range("none", output), rounding), below)


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
        return self.run_stored(self.model.preprocessing.to_int8(images), keep)

    def run_stored(
        self, stored: NDArray[np.int8], keep: tuple[str, ...] | None = None
    ) -> dict[str, NDArray[np.int8]]:
        """The same on stored integers int8 [N, H, W, C], for inputs that are no pictures."""
        names = keep or self.graph.outputs
        parts = [
            self._run(stored[start : start + IMAGES_AT_ONCE], names)
            for start in range(0, len(stored), IMAGES_AT_ONCE)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    @torch.no_grad()
    def _run(self, stored: NDArray[np.int8], names: tuple[str, ...]) -> dict[str, NDArray[np.int8]]:
        values = {self.graph.input.name: self._centered(self.graph.input.name, stored)}
        for node in self.graph.nodes[1:]:
            values[node.name] = self.compute(node, [values[name] for name in node.inputs])
        return {name: self._stored(name, values[name]) for name in names}

    @torch.no_grad()
    def run_node(self, node: Node, inputs: list[NDArray[np.int8]]) -> NDArray[np.int8]:
        """One operation by itself on stored int8 inputs [N, h, w, C]."""
        centered = [
            self._centered(name, value) for name, value in zip(node.inputs, inputs, strict=True)
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
        limits = centered_range(node.activation, affine)
        if node.op == "offset":
            source = affines[node.inputs[0]]
            return offset(inputs[0], weight, source, weight_scale[0], affine, self.rounding)
        if node.op in CONVOLUTIONS:
            total = convolve(node, inputs[0], weight, bias)
        else:
            total = inputs[0] * weight
        found = requantize(total, factor, *limits, self.rounding)
        if node.op == "prelu":
            return prelu(inputs[0], found, affines[node.inputs[0]], affine, self.rounding)
        return found

    def _centered(self, name: str, stored: NDArray[np.int8]) -> Tensor:
        values = torch.from_numpy(stored).permute(0, 3, 1, 2).to(torch.float32)
        return values - self.model.activations[name].zero_point

    def _stored(self, name: str, centered: Tensor) -> NDArray[np.int8]:
        values = (centered + self.model.activations[name].zero_point).to(torch.int8)
        return values.permute(0, 2, 3, 1).contiguous().numpy()
