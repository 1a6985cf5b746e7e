"""The operations of a quantised network as QAT computes them, with gradients.

Every map is held as q - zero_point in float32. A convolution of integers gives TFLite's
accumulator; times s_in s_w / s_out it is in steps of its output, and quantisation is one rounding
and one clamp, with the fused activation in the clamp. Autograd through that factor is the gradient
of learned step size quantisation (LSQ, arXiv 1902.08153).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from vpr_edge.arithmetic.affine import Affine
from vpr_edge.arithmetic.integers import output_multiplier
from vpr_edge.models.graph import CONVOLUTIONS, FIXED_PARAMETERS, SAME_PARAMETERS, Node
from vpr_edge.models.network import convolve as convolve_float
from vpr_edge.models.network import rearrange
from vpr_edge.quantize import integer
from vpr_edge.quantize.straight_through import replace_value, round_clamp


@dataclass(frozen=True)
class QuantizedWeights:
    """Weights on the integer grid: integers in float32, and their scale [O], or [1] of constants.

    The bias of constants is empty.
    """

    weight: Tensor
    weight_scale: Tensor
    bias: Tensor


def compute(
    node: Node,
    inputs: list[Tensor],
    scales: Mapping[str, Tensor],
    affines: Mapping[str, Affine],
    weights: QuantizedWeights | None,
    exact: bool = False,
) -> Tensor:
    """One operation of a quantised network on centred integers.

    Args:
        node: the operation.
        inputs: centred integers [N, C, H, W], float32.
        scales: float32 scalars by node name, through which gradients may flow.
        affines: the same scales as numbers, and the zero points.
        weights: integers and scale of a convolution or of learned constants; else None.
        exact: whether results are rounded as TFLM rounds them, bit for bit, or ideally (half to
            even); gradients are the same.

    Returns:
        Centred integers [N, C, h, w], float32.
    """
    if node.op in SAME_PARAMETERS:
        y = rearrange(node, *inputs)
        if node.op not in ("average_pool", "resize_bilinear"):
            return y
        # Averages of integers have many ties, so both passes round them as TFLite does.
        return y + (integer.combine(node, inputs, affines) - y).detach()
    affine = affines[node.name]
    limits = integer.centered_range("relu" if node.op == "relu" else node.activation, affine)
    if weights is None:
        y = _in_steps(node, inputs, scales)
        if not exact:
            return round_clamp(y, *limits)
        return replace_value(y, integer.combine(node, inputs, affines), *limits)
    factor = scales[node.inputs[0]] * weights.weight_scale / scales[node.name]
    if node.op in CONVOLUTIONS:
        convolve = integer.convolve if exact else convolve_float
        total = convolve(node, inputs[0], weights.weight, weights.bias)
    else:
        total = inputs[0] * weights.weight
    y = (total * factor[:, None, None]).to(torch.float32)
    if node.op == "offset":
        y = inputs[0] * (scales[node.inputs[0]] / scales[node.name])
        y = y + weights.weight * (weights.weight_scale / scales[node.name])
    elif node.op == "prelu":
        y = torch.where(inputs[0] >= 0, inputs[0] * (scales[node.inputs[0]] / scales[node.name]), y)
    if not exact:
        return round_clamp(y, *limits)
    multiplier = output_multiplier(
        affines[node.inputs[0]].scale, weights.weight_scale.cpu().numpy(), affine.scale
    )
    if node.op == "offset":
        step = weights.weight_scale.cpu().numpy()[0]
        value = integer.offset(inputs[0], weights.weight, affines[node.inputs[0]], step, affine)
        return replace_value(y, value, *limits)
    value = integer.requantize(total, multiplier, *limits)
    if node.op == "prelu":
        value = integer.prelu(inputs[0], value, affines[node.inputs[0]], affine)
    return replace_value(y, value, *limits)


def _in_steps(node: Node, inputs: list[Tensor], scales: Mapping[str, Tensor]) -> Tensor:
    """An operation without weights on centred integers, in steps of the output."""
    output = scales[node.name]
    factors = [scales[name] for name in node.inputs]
    if node.op == "l2_normalize":
        # TFLM takes lengths below a step for one; so does the gradient of a pixel of zeros.
        return functional.normalize(inputs[0], dim=1, eps=1.0) / output
    if node.op in FIXED_PARAMETERS:
        return rearrange(node, inputs[0] * factors[0]) / output
    if node.op in ("add", "sub"):
        sign = 1 if node.op == "add" else -1
        return inputs[0] * (factors[0] / output) + inputs[1] * (sign * factors[1] / output)
    if node.op == "mul":
        return inputs[0] * inputs[1] * (factors[0] * factors[1] / output)
    if node.op == "matmul":
        return rearrange(node, *inputs) * (factors[0] * factors[1] / output)
    if node.op in ("relu", "requantize"):
        return inputs[0] * (factors[0] / output)
    if node.op == "hard_swish":
        return rearrange(node, inputs[0] * factors[0]) / output
    return rearrange(node, *inputs) * (factors[0] / output)


class RoundedNetwork(integer.IntegerNetwork):
    """Runs an `Int8Model` as QAT's forward pass does: each product rounded once, half to even."""

    def compute(self, node: Node, inputs: list[Tensor]) -> Tensor:
        """One operation on centred integers [N, C, H, W] in float32."""
        weights = None
        if node.name in self.constants:
            weight, bias = self.constants[node.name]
            scale = torch.from_numpy(self.model.layers[node.name].weight_scale)
            weights = QuantizedWeights(weight, scale, bias.to(torch.float32))
        affines = self.model.activations
        scales = {name: torch.tensor(affines[name].scale) for name in (node.name, *node.inputs)}
        return compute(node, inputs, scales, affines, weights)
