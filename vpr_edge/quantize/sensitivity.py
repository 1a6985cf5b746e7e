"""Per-layer error of int8 against float: where a network loses its accuracy."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vpr_edge.arithmetic.affine import INT8_MAX, INT8_MIN, Affine
from vpr_edge.models.graph import Node
from vpr_edge.models.network import Network
from vpr_edge.quantize.even import even_channels
from vpr_edge.quantize.gem import find_gem
from vpr_edge.quantize.integer import IntegerNetwork
from vpr_edge.quantize.model import Int8Model


@dataclass(frozen=True)
class LayerError:
    """A node's int8 map, as TFLM computes it, against the float network's; errors accumulate.

    Attributes:
        node, op: name and operation.
        snr_db: power of the float map over the power of the error, decibels; infinite where equal.
        cosine: between the two maps of all images, flattened.
        saturated_fraction: share of elements at an end of the int8 range that is not real zero.
    """

    node: str
    op: str
    snr_db: float
    cosine: float
    saturated_fraction: float


def layer_errors(
    network: Network, model: Int8Model, images: NDArray[np.uint8]
) -> tuple[LayerError, ...]:
    """Compare every node of a float network with its int8 form.

    Args:
        network: float, in evaluation mode, of the model's graph.
        model: its quantised form.
        images: uint8 RGB [N, H, W, 3], fitted to the input.

    Returns:
        A row for each node in order of execution, the input first.
    """
    # In the units of the int8 form, channel by channel.
    network = even_channels(network)
    names = tuple(node.name for node in network.graph.nodes)
    with torch.no_grad():
        real = network(torch.from_numpy(model.preprocessing.to_float(images)), names)
    stored = IntegerNetwork(model).run(images, names)
    gem = find_gem(model.graph)
    rows = []
    for node in network.graph.nodes:
        gain: NDArray[np.float32] | float = 1.0
        if gem and node.name in gem.powers and model.place_gain is not None:
            gain = model.place_gain ** gem.powers[node.name]
        affine = model.activations[node.name]
        rows.append(_compare(node, real[node.name].numpy(), stored[node.name], affine, gain))
    return tuple(rows)


def _compare(
    node: Node,
    real: NDArray[np.float32],
    stored: NDArray[np.int8],
    affine: Affine,
    gain: NDArray[np.float32] | float,
) -> LayerError:
    a = np.moveaxis(real, 1, -1).astype(np.float64)
    b = float(affine.scale) * (stored.astype(np.float64) - affine.zero_point) * gain
    signal, noise, power = float((a * a).sum()), float(((a - b) ** 2).sum()), float((b * b).sum())
    snr = math.inf if noise == 0 else 10 * math.log10(max(signal, 1e-30) / noise)
    ends = [end for end in (INT8_MIN, INT8_MAX) if end != affine.zero_point]
    return LayerError(
        node.name,
        node.op,
        snr,
        float((a * b).sum()) / math.sqrt(signal * power) if signal and power else 0.0,
        float(np.isin(stored, ends).mean()),
    )
