"""The fake-quantised network: float weights trained through the rounding of the int8 network.

Weights are symmetric for each output channel, from their live range; biases lie on the int32 grid;
activations have a learned scale and a fixed zero point for each group of maps that TFLite holds to
one set of parameters. What is rounded where is in `quantize.passes`.
"""

import math
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from vpr_edge.arithmetic.affine import SMALLEST_SCALE, Affine, affine_from_range
from vpr_edge.models.config import NetworkConfig
from vpr_edge.models.graph import CONVOLUTIONS, FIXED_PARAMETERS, SAME_PARAMETERS, Graph, Node
from vpr_edge.models.network import (
    Constants,
    Convolution,
    Network,
    activate,
    by_constants,
    rearrange,
)
from vpr_edge.models.network import convolve as convolve_float
from vpr_edge.preprocessing import IMAGE, Preprocessing
from vpr_edge.quantize.even import even_channels
from vpr_edge.quantize.gem import find_gem, with_cubes
from vpr_edge.quantize.integer import centered_range
from vpr_edge.quantize.model import Int8Layer, Int8Model
from vpr_edge.quantize.passes import QuantizedWeights, compute
from vpr_edge.quantize.straight_through import round_clamp, round_through, scale_gradient

WEIGHT_MAX = 127
# A bias that dwarfs its weights coarsens their scale, so that it and every sum stay exact in
# float32; the output then still resolves 2**22 / 255 steps of the bias.
BIAS_MAX = 1 << 22


class FakeQuantWeights(nn.Module):
    """Weights in real units whose symmetric integers have one scale a row, found from them live.

    A scale that is stored is not always the one that its dequantised weights ask for: the last bit
    of 127 s / 127 may differ from s, and the range may be wider than the weights. `keep` takes the
    stored one as it is; weights that move then scale it by a factor that is 1 until they do.
    """

    given: Tensor
    asked: Tensor

    def __init__(self, weight: Tensor, rows: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        # By row: the scale that was given, and what the weights asked for when it was.
        self.register_buffer("given", torch.ones(rows), persistent=False)
        self.register_buffer("asked", torch.ones(rows), persistent=False)

    def ask(self, input_scale: Tensor) -> Tensor:
        """The least scale, [rows], at which the live weights fit their integers."""
        raise NotImplementedError

    def scale(self, input_scale: Tensor) -> Tensor:
        """The scale in use, [rows]; no gradient."""
        with torch.no_grad():
            return self.ask(input_scale) / self.asked * self.given

    @torch.no_grad()
    def keep(self, scale: Tensor, input_scale: Tensor) -> None:
        """Take a stored scale [rows] for the weights as they are, to the bit."""
        self.asked.copy_(self.ask(input_scale))
        self.given.copy_(scale)


class FakeQuantConvolution(FakeQuantWeights):
    """A convolution with BatchNorm folded; weight [O, I, kh, kw] and bias [O] in real units."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__(weight, len(weight))
        self.bias = nn.Parameter(bias.clone())

    def ask(self, input_scale: Tensor) -> Tensor:
        """See `FakeQuantWeights`."""
        largest = self.weight.abs().amax(dim=(1, 2, 3)) / WEIGHT_MAX
        enough = self.bias.abs() / (input_scale * BIAS_MAX)
        return torch.maximum(largest, enough).clamp_(min=SMALLEST_SCALE)

    def quantized(self, input_scale: Tensor) -> QuantizedWeights:
        """Symmetric integers for each output channel, from the live weights."""
        scale = self.scale(input_scale)
        return QuantizedWeights(
            round_through(self.weight / scale[:, None, None, None]),
            scale,
            round_through(self.bias / (input_scale * scale)),
        )


class FakeQuantConstants(FakeQuantWeights):
    """Learned constants [1, C, rows, columns] in real units, with one scale for all of them."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__(weight, 1)

    def ask(self, input_scale: Tensor) -> Tensor:
        """See `FakeQuantWeights`."""
        return (self.weight.abs().amax().reshape(1) / WEIGHT_MAX).clamp_(min=SMALLEST_SCALE)

    def quantized(self, input_scale: Tensor) -> QuantizedWeights:
        """Symmetric integers from the live constants."""
        scale = self.scale(input_scale)
        bias = torch.zeros(0, device=input_scale.device)
        return QuantizedWeights(round_through(self.weight / scale), scale, bias)


class ActivationQuantizer(nn.Module):
    """The int8 parameters of one group of maps: a learned scale and a fixed zero point.

    What is learned is the logarithm of a factor on the scale that was given, so that the scale
    stays positive and a step of the optimiser is relative (arXiv 1903.08066). The given scale is
    kept as it is: a logarithm of it would not come back from exp to the last bit on every machine,
    while the factor of a logarithm of 0 is 1 on all.

    Args:
        elements: elements of the group's map in one image, for LSQ's gradient scale.
        rectified: whether no value is negative and zero points are free: zero point -128.
    """

    given_scale: Tensor
    log_factor: Tensor
    zero_point: Tensor

    def __init__(self, elements: int, rectified: bool) -> None:
        super().__init__()
        self.gradient_factor = 1.0 / math.sqrt(elements * 255)
        self.rectified = rectified
        self.register_buffer("given_scale", torch.tensor(6 / 255))
        self.log_factor = nn.Parameter(torch.tensor(0.0))
        self.register_buffer("zero_point", torch.tensor(-128 if rectified else 0))

    def scale(self) -> Tensor:
        """The scale, float32 scalar, with LSQ's gradient factor."""
        factor = torch.exp(scale_gradient(self.log_factor, self.gradient_factor))
        return self.given_scale * factor

    def affine(self) -> Affine:
        """The parameters as stored: the very float32 that the forward pass uses."""
        return Affine(np.float32(self.scale().item()), int(self.zero_point))

    @torch.no_grad()
    def set(self, affine: Affine) -> None:
        """Start from exactly these parameters."""
        self.given_scale.fill_(float(affine.scale))
        self.log_factor.zero_()
        self.zero_point.fill_(affine.zero_point)


class FakeQuantNetwork(nn.Module):
    """A network trained as its int8 form computes (quantisation-aware training).

    Args:
        network: the float network; its BatchNorm statistics are folded into the weights.
        symmetric: whether every zero point but the image's is 0, as TensorRT demands.
        image: int8 parameters of the input, `Preprocessing.affine`; None where they are learned.

    Attributes:
        integer_exact: whether forward values are TFLM's integers, dequantised; gradients are
            those of the fake-quantised pass either way.
        layers: what has weights, by node name.
        quantizers: activation parameters by group (`Graph.parameter_groups`), where they are
            learned; set them with `calibrate` before use.
        gem: the nodes of a GeM head, or None.
        place_gain: factors [C] that undo the evening out of GeM's channels (`quantize.gem`).
    """

    place_gain: Tensor

    def __init__(
        self, network: Network, symmetric: bool = False, image: Affine | None = IMAGE
    ) -> None:
        super().__init__()
        network = even_channels(network)
        self.image = image
        self.graph, self.symmetric = with_cubes(network.graph), symmetric
        self.integer_exact = False
        self.groups = self.graph.parameter_groups()
        self.layers = nn.ModuleDict()
        for node in self.graph.weighted():
            layer = cast(Convolution | Constants, network.layers[node.name])
            self.layers[node.name] = (
                FakeQuantConvolution(*layer.folded())
                if isinstance(layer, Convolution)
                else FakeQuantConstants(layer.weight.detach())
            )
        self.gem = find_gem(self.graph)
        self.register_buffer("place_gain", torch.ones(self.gem.output.shape[0] if self.gem else 0))
        self.fixed = fixed_groups(self.graph, self.groups, symmetric, image)
        self.quantizers = nn.ModuleDict()
        for group in dict.fromkeys(self.groups.values()):
            nodes = producers(self.graph, self.groups, group)
            if group not in self.fixed:
                rectified = not symmetric and all(_is_rectified(node) for node in nodes)
                elements = max(math.prod(node.shape) for node in nodes)
                self.quantizers[group] = ActivationQuantizer(elements, rectified)

    def forward(self, image: Tensor, keep: tuple[str, ...] | None = None) -> dict[str, Tensor]:
        """Run on images [N, 3, H, W] float in [0, 1].

        Args:
            image: the batch; values are taken to the nearest pixel step.
            keep: names of nodes to return; the graph's outputs by default.

        Returns:
            Dequantised tensors [N, C, h, w] by node name, in the float network's units.
        """
        scales, affines = self.scales(), self.affines()
        source = self.graph.input.name
        limits = centered_range("none", affines[source])
        values = {source: round_clamp(image / scales[source], *limits)}
        for node in self.graph.nodes[1:]:
            values[node.name] = compute(
                node,
                [values[name] for name in node.inputs],
                scales,
                affines,
                self.layer(node.name).quantized(scales[node.inputs[0]])
                if node.name in self.layers
                else None,
                self.integer_exact,
            )
        names = keep or self.graph.outputs
        real = {name: values[name] * scales[name] for name in names}
        for name, power in (self.gem.powers if self.gem else {}).items():
            if name in real:
                real[name] = real[name] * self.place_gain[:, None, None] ** power
        return real

    def real(self, image: Tensor) -> dict[str, Tensor]:
        """Every node's map without quantisation: float, BatchNorm folded, GeM evened out."""
        values = {self.graph.input.name: image}
        for node in self.graph.nodes[1:]:
            inputs = [values[name] for name in node.inputs]
            if node.op in CONVOLUTIONS:
                layer = cast(FakeQuantConvolution, self.layers[node.name])
                y = convolve_float(node, inputs[0], layer.weight, layer.bias)
                values[node.name] = activate(y, node)
            elif node.name in self.layers:
                values[node.name] = by_constants(node, inputs[0], self.layer(node.name).weight)
            else:
                values[node.name] = rearrange(node, *inputs)
        return values

    def scales(self) -> dict[str, Tensor]:
        """The scale of every node's map, float32 scalars, through which gradients flow."""
        device = next(self.parameters()).device
        of_group = {
            group: torch.tensor(affine.scale, device=device) for group, affine in self.fixed.items()
        }
        of_group |= {group: self.quantizer(group).scale() for group in self.quantizers}
        return {name: of_group[group] for name, group in self.groups.items()}

    def affines(self) -> dict[str, Affine]:
        """The int8 parameters of every node's map: the very float32 that the pass computes with."""
        of_group = self.fixed | {g: self.quantizer(g).affine() for g in self.quantizers}
        return {name: of_group[group] for name, group in self.groups.items()}

    def layer(self, name: str) -> FakeQuantConvolution | FakeQuantConstants:
        """The weights of a node."""
        return cast(FakeQuantConvolution | FakeQuantConstants, self.layers[name])

    def quantizer(self, group: str) -> ActivationQuantizer:
        """The activation parameters of a group."""
        return cast(ActivationQuantizer, self.quantizers[group])


def producers(graph: Graph, groups: dict[str, str], group: str) -> list[Node]:
    """The nodes of a group that compute values, rather than copy or average them."""
    return [n for n in graph.nodes if groups[n.name] == group and n.op not in SAME_PARAMETERS]


def _is_rectified(node: Node) -> bool:
    return node.activation != "none" or node.op == "relu"


def fixed_groups(
    graph: Graph, groups: dict[str, str], symmetric: bool, image: Affine | None
) -> dict[str, Affine]:
    """The groups whose parameters are not learned.

    These are the image's, those that TFLite fixes, and those that clip values to limits.

    Raises:
        ValueError: a graph joins a map of fixed parameters with one of others.
    """
    fixed = {groups[graph.input.name]: image} if image else {}
    for node in graph.nodes:
        if node.limits is not None:
            if len(producers(graph, groups, groups[node.name])) != 1:
                raise ValueError(f"{node.name} clips by its int8 parameters, and shares them")
            fixed[groups[node.name]] = affine_from_range(*node.limits)
    # A symmetric network is not for TFLite, whose fixed zero points TensorRT does not take.
    for node in () if symmetric else graph.nodes:
        if node.op in FIXED_PARAMETERS:
            group = groups[node.name]
            kinds = {FIXED_PARAMETERS.get(n.op) for n in producers(graph, groups, group)}
            if len(kinds) != 1:
                raise ValueError(f"{node.name} has fixed int8 parameters, and shares them")
            scale, zero_point = FIXED_PARAMETERS[node.op]
            fixed[group] = Affine(np.float32(scale), zero_point)
    return fixed


def to_int8_model(
    fake: FakeQuantNetwork,
    config: NetworkConfig | None,
    preprocessing: Preprocessing,
    provenance: dict[str, Any],
) -> Int8Model:
    """The numbers that the network computes with, as stored and flashed.

    Args:
        fake: trained or calibrated.
        config: the zoo's configuration of the float network, or None.
        preprocessing: image to input.
        provenance: JSON-ready record.
    """
    affines = fake.affines()
    layers = {}
    with torch.no_grad():
        for node in fake.graph.weighted():
            layer = fake.layer(node.name)
            scale = torch.tensor(affines[node.inputs[0]].scale, device=layer.weight.device)
            q = layer.quantized(scale)
            layers[node.name] = Int8Layer(
                q.weight.round().to(torch.int8).contiguous().cpu().numpy(),
                q.weight_scale.cpu().numpy(),
                q.bias.round().to(torch.int32).cpu().numpy(),
            )
    gain = fake.place_gain.cpu().numpy() if fake.gem else None
    config = replace(config, learned_power=False) if config else None
    return Int8Model(fake.graph, affines, layers, preprocessing, provenance, gain, config)
