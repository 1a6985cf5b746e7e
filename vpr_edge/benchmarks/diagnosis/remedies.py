"""What can be done where int8 loses, tried on a network and measured. Needs torch.

Pictures are dealt out in two: remedies are fitted to one half and judged on the other. All but
`wide_gains` end in an `Int8Model` whose outputs are computed as TensorFlow Lite Micro computes
them, bit for bit.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vpr_edge.arithmetic.affine import INT8_MAX, SMALLEST_SCALE, Affine, affine_from_range
from vpr_edge.benchmarks.diagnosis.diagnosis import LARGEST_DB
from vpr_edge.models.graph import CONVOLUTIONS, Graph, Node
from vpr_edge.models.network import Network, activate, by_constants, rearrange
from vpr_edge.models.network import convolve as convolve_float
from vpr_edge.quantize.calibrate import BINS, best_affine
from vpr_edge.quantize.even import even_channels
from vpr_edge.quantize.fake import (
    FakeQuantConvolution,
    FakeQuantNetwork,
    producers,
    to_int8_model,
)
from vpr_edge.quantize.gem import find_gem
from vpr_edge.quantize.integer import IntegerNetwork, centered_range
from vpr_edge.quantize.model import Int8Model

# How much of the unevenness of the channels equalisation takes out (SmoothQuant's alpha).
STRENGTHS = (0.5, 1.0)
# A channel is scaled by no more than this, so that no weight becomes all but zero.
LARGEST_GAIN = 32.0
PERCENTILES = (99.9, 99.99, 100.0)
LEARNING_RATE = 1e-4
BATCH = 4


@dataclass(frozen=True)
class Errors:
    """Signal to noise in decibels: of one layer's map, and of the network's outputs by name."""

    layer: float
    outputs: Mapping[str, float]

    @property
    def mean(self) -> float:
        """Over the outputs."""
        return sum(self.outputs.values()) / len(self.outputs)


class Patient:
    """A float network, its int8 form, and pictures to fit remedies to and to judge them by.

    Args:
        network: float, in evaluation mode.
        model: its quantised form.
        images: uint8 RGB [N, H, W, 3], fitted to the input; at least two.
    """

    def __init__(self, network: Network, model: Int8Model, images: NDArray[np.uint8]) -> None:
        # In the units of the int8 form, channel by channel.
        self.network, self.model = even_channels(network), model
        self.graph: Graph = model.graph
        self.gem = find_gem(model.graph)
        self.symmetric = all(
            affine.zero_point == 0
            for name, affine in model.activations.items()
            if name != self.graph.input.name
        )
        self.fitting, self.judging = images[1::2], images[0::2]
        self.fitting_real, self.real = self._real(self.fitting), self._real(self.judging)

    @torch.no_grad()
    def _real(self, images: NDArray[np.uint8]) -> dict[str, Tensor]:
        pixels = torch.from_numpy(self.model.preprocessing.to_float(images))
        names = tuple(node.name for node in self.network.graph.nodes)
        return dict(self.network(pixels, names))

    def gain(self, node: str) -> NDArray[np.float32] | float:
        """Factors [C] from a node's int8 map to the float network's units (see `quantize.gem`)."""
        if self.gem is None or self.model.place_gain is None or node not in self.gem.powers:
            return 1.0
        return self.model.place_gain ** self.gem.powers[node]

    def errors(
        self,
        model: Int8Model,
        node: str,
        undo: NDArray[np.float32] | float = 1.0,
        fitting: bool = False,
    ) -> Errors:
        """Judge an int8 network as TFLM computes it.

        Args:
            model: of the same graph.
            node: whose map's error is wanted too.
            undo: factors [C] that bring the node's map back to the float network's units.
            fitting: whether on the pictures that remedies are fitted to and chosen by.
        """
        images, real = (self.fitting, self.fitting_real) if fitting else (self.judging, self.real)
        wanted = tuple(dict.fromkeys((node, *self.graph.outputs)))
        stored = IntegerNetwork(model).run(images, wanted)
        found = {}
        for name in wanted:
            affine = model.activations[name]
            map_ = float(affine.scale) * (stored[name].astype(np.float64) - affine.zero_point)
            factor = self.gain(name) * (undo if name == node else 1.0)
            found[name] = snr_db(np.moveaxis(real[name].numpy(), 1, -1), map_ * factor)
        return Errors(found[node], {name: found[name] for name in self.graph.outputs})

    def fake(self) -> FakeQuantNetwork:
        """The int8 network as QAT holds it: its weights in float, its scales."""
        fake = FakeQuantNetwork(self.network, self.symmetric, self.model.preprocessing.affine())
        with torch.no_grad():
            for group in fake.quantizers:
                fake.quantizer(group).set(self.model.activations[group])
            input_scales = fake.scales()
            for node in self.graph.weighted():
                stored = self.model.layers[node.name]
                scale = torch.from_numpy(stored.weight_scale)
                weight = torch.from_numpy(stored.weight.astype(np.float32))
                layer = fake.layer(node.name)
                layer.weight.copy_(weight * scale[:, None, None, None])
                if isinstance(layer, FakeQuantConvolution):
                    bias = torch.from_numpy(stored.bias.astype(np.float32))
                    layer.bias.copy_(bias * torch.from_numpy(self.model.bias_scale(node)))
                layer.keep(scale, input_scales[node.inputs[0]])
            if self.model.place_gain is not None:
                fake.place_gain = torch.from_numpy(self.model.place_gain)
        return fake

    def stored(self, fake: FakeQuantNetwork) -> Int8Model:
        """What a changed network would flash."""
        return to_int8_model(fake, self.model.config, self.model.preprocessing, {})


def snr_db(real: NDArray[np.floating], found: NDArray[np.floating]) -> float:
    """Power of a map over the power of the error in it, decibels; `LARGEST_DB` at most."""
    signal = float((real.astype(np.float64) ** 2).sum())
    noise = float(((real.astype(np.float64) - found) ** 2).sum())
    if noise == 0:
        return LARGEST_DB
    return min(10 * math.log10(max(signal, 1e-30) / noise), LARGEST_DB)


@torch.no_grad()
def simulate(patient: Patient, fake: FakeQuantNetwork, wide: str = "") -> dict[str, Tensor]:
    """The fake-quantised pass on the pictures that judge, one group of maps kept in 16 bits.

    Args:
        patient: whose pictures.
        fake: the network.
        wide: a group whose maps have symmetric 16 bits over the range that the pictures use
            (TFLite's int16 activations) instead of 8; "" for none.

    Returns:
        Real values [N, C, H, W] by node.
    """
    scales, affines = fake.scales(), fake.affines()
    pixels = torch.from_numpy(patient.model.preprocessing.to_float(patient.judging))
    values = {fake.graph.input.name: pixels}
    for node in fake.graph.nodes[1:]:
        inputs = [values[name] for name in node.inputs]
        if node.name in fake.layers:
            scale = scales[node.inputs[0]]
            q = fake.layer(node.name).quantized(scale)
            weight = q.weight * q.weight_scale[:, None, None, None]
            if node.op in CONVOLUTIONS:
                y = convolve_float(node, inputs[0], weight, q.bias * q.weight_scale * scale)
            else:
                y = by_constants(node, inputs[0], weight)
        else:
            y = rearrange(node, *inputs)
        y = activate(y, node)
        if fake.groups[node.name] == wide:
            step = float(y.abs().max()) / 32767 or 1.0
            values[node.name] = (y / step).round() * step
        else:
            step = float(scales[node.name])
            low, high = centered_range(node.activation, affines[node.name])
            values[node.name] = (y / step).round().clamp(low, high) * step
    return values


def simulated_errors(patient: Patient, values: Mapping[str, Tensor], node: str) -> Errors:
    """Judge a simulated pass."""

    def of(name: str) -> float:
        real, found = (np.moveaxis(v[name].numpy(), 1, -1) for v in (patient.real, values))
        return snr_db(real, found * patient.gain(name))

    return Errors(of(node), {name: of(name) for name in patient.graph.outputs})


def wide_errors(
    patient: Patient, progress: Callable[[int, int], None] | None = None
) -> tuple[dict[str, Errors], dict[str, Errors]]:
    """By node: its errors as things are, and with its group of maps kept in 16 bits.

    Both are simulated with ideal rounding, so that they differ in nothing else.

    Args:
        patient: the network.
        progress: called with the groups of maps done and in total.
    """
    fake = patient.fake()
    plain = simulate(patient, fake)
    before, after = {}, {}
    for done, group in enumerate(fake.quantizers, start=1):
        values = simulate(patient, fake, group)
        if progress:
            progress(done, len(fake.quantizers))
        known = [n for n in producers(fake.graph, fake.groups, group) if n.name in patient.real]
        for node in known:
            before[node.name] = simulated_errors(patient, plain, node.name)
            after[node.name] = simulated_errors(patient, values, node.name)
    return before, after


def move_clip(patient: Patient, node: str) -> tuple[str, Errors]:
    """The best of several clips of a node's group: what it is, and its errors.

    Tried are percentiles of the values, and the clip of least squared error.
    """
    fake = patient.fake()
    group = fake.groups[node]
    values = _fitting_maps(patient, fake, group)
    tried = {
        f"the {share:g}th percentile": _affine(
            patient, float(np.percentile(values, 100 - share)), float(np.percentile(values, share))
        )
        for share in PERCENTILES
    }
    tried["the least squared error"] = _best_affine(patient, values)
    models = {}
    for name, affine in tried.items():
        fake.quantizer(group).set(affine)
        models[name] = patient.stored(fake)
    best = max(models, key=lambda name: patient.errors(models[name], node, fitting=True).mean)
    return best, patient.errors(models[best], node)


def equalisable(graph: Graph, node: Node) -> Node | None:
    """The convolution that takes back factors on a node's channels, or None where there is none.

    The node is a convolution whose activation is homogeneous, and only that convolution reads it,
    through poolings and resizings at most.
    """
    if node.op not in CONVOLUTIONS or node.activation == "relu6" or node.limits is not None:
        return None
    at = node
    while at.name not in graph.outputs:
        readers = [n for n in graph.nodes if at.name in n.inputs]
        if len(readers) != 1:
            return None
        at = readers[0]
        if at.op in CONVOLUTIONS:
            whole = at.op != "depthwise" or at.shape[0] == node.shape[0]
            return at if at.op != "transpose_conv" and at.groups == 1 and whole else None
        if at.op not in ("average_pool", "max_pool", "resize_nearest"):
            return None
    return None


def equalise(patient: Patient, node: Node) -> tuple[str, Errors] | None:
    """Even out a convolution's channels against the convolution that reads it.

    Channel j is multiplied by s_j before and its reader's weights divided by s_j after
    (Nagel et al., arXiv 1906.04721), with s_j of SmoothQuant (arXiv 2211.10438): the largest
    activation to the power -alpha. Weights have a scale a channel in TFLite, so that only the
    reader's rows lose by it, and those of a depthwise reader lose nothing.

    Returns:
        What did best, and its errors; None where nothing can take the factors back.
    """
    reader = equalisable(patient.graph, node)
    if reader is None:
        return None
    tried = {}
    for strength in STRENGTHS:
        fake = patient.fake()
        group = fake.groups[node.name]
        largest = _fitting_real(patient, fake)[node.name].abs().amax(dim=(0, 2, 3))
        gain = (largest.max() / largest.clamp(min=1e-6)) ** strength
        gain = gain.clamp(max=LARGEST_GAIN)
        with torch.no_grad():
            layer = cast(FakeQuantConvolution, fake.layer(node.name))
            after = fake.layer(reader.name)
            layer.weight.mul_(gain[:, None, None, None])
            layer.bias.mul_(gain)
            shape = (-1, 1, 1, 1) if reader.op == "depthwise" else (1, -1, 1, 1)
            after.weight.div_(gain.reshape(shape))
        fake.quantizer(group).set(_best_affine(patient, _fitting_maps(patient, fake, group)))
        tried[f"strength {strength:g}"] = (patient.stored(fake), (1 / gain).numpy())
    best = max(tried, key=lambda name: patient.errors(tried[name][0], node.name, fitting=True).mean)
    model, undo = tried[best]
    return best, patient.errors(model, node.name, undo)


def train_on(patient: Patient, steps: int) -> Int8Model:
    """More QAT: weights and scales learn to imitate the float network's outputs on the pictures.

    Args:
        patient: whose pictures to fit.
        steps: of Adam.
    """
    fake = patient.fake()
    pixels = torch.from_numpy(patient.model.preprocessing.to_float(patient.fitting))
    with torch.no_grad():
        wanted = patient.network(pixels, patient.graph.outputs)
    optimizer = torch.optim.Adam(fake.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        chosen = torch.randperm(len(pixels), generator=generator)[:BATCH]
        found = fake(pixels[chosen])
        loss = sum(
            ((found[name] - wanted[name][chosen]) ** 2).mean() / (wanted[name] ** 2).mean()
            for name in patient.graph.outputs
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return patient.stored(fake)


@torch.no_grad()
def _fitting_real(patient: Patient, fake: FakeQuantNetwork) -> dict[str, Tensor]:
    pixels = torch.from_numpy(patient.model.preprocessing.to_float(patient.fitting))
    return fake.real(pixels)


def _fitting_maps(patient: Patient, fake: FakeQuantNetwork, group: str) -> NDArray[np.float32]:
    values = _fitting_real(patient, fake)
    members = producers(fake.graph, fake.groups, group)
    return np.concatenate([values[n.name].flatten().numpy() for n in members])


def _best_affine(patient: Patient, values: NDArray[np.float32]) -> Affine:
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    counts, _ = np.histogram(values, BINS, (low, high))
    return best_affine(counts.astype(np.float64), low, high, patient.symmetric)


def _affine(patient: Patient, low: float, high: float) -> Affine:
    if patient.symmetric:
        return Affine(np.float32(max(-low, high, SMALLEST_SCALE) / INT8_MAX), 0)
    return affine_from_range(min(0.0, low), max(0.0, high))
