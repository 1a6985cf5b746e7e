"""Channels made even before they are quantised: one scale then serves them all.

A map has one int8 scale, and a channel ten times fainter than the strongest is left with 25 steps.
A rectifier is homogeneous, so that a factor on a channel of one convolution can be taken out of the
next one's weights (Nagel et al., arXiv 1906.04721, section 4.1), and where that one is depthwise
its weights have a scale for each channel and lose nothing.
"""

from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn

from vpr_edge.models.graph import Graph, Node
from vpr_edge.models.network import Convolution, Network

# BatchNorm's shift plus so many of its deviations is taken for a channel's largest value.
DEVIATIONS = 4.0
# A channel gains no more than two to this: one that is all but silent need not fill the range.
LARGEST_POWER = 5


def even_channels(network: Network) -> Network:
    """The same float network with even channels wherever only depthwise convolutions read them.

    The factors are powers of two, so that every output keeps its bits, and are found without
    pictures, from what BatchNorm has learned.

    Args:
        network: in evaluation mode; left as it is.
    """
    found = deepcopy(network)
    for node in network.graph.convolutions():
        readers = _depthwise_readers(network.graph, node)
        norm = found.layers[node.name].norm
        if not readers or not isinstance(norm, nn.BatchNorm2d):
            continue
        gain = _gains(norm, node.activation)
        with torch.no_grad():
            norm.weight.mul_(gain)
            norm.bias.mul_(gain)
            for reader in readers:
                cast(Convolution, found.layers[reader.name]).weight.div_(gain[:, None, None, None])
    return found


def _depthwise_readers(graph: Graph, node: Node) -> list[Node]:
    """Who reads a node, if all of these can take a factor back; else nobody."""
    readers = [reader for reader in graph.nodes if node.name in reader.inputs]
    fits = node.activation in ("none", "relu") and node.name not in graph.outputs
    return (
        readers
        if fits
        and all(reader.op == "depthwise" and reader.shape[0] == node.shape[0] for reader in readers)
        else []
    )


def _gains(norm: nn.BatchNorm2d, activation: str) -> Tensor:
    """Powers of two [C] that bring every channel's largest value to over half of the largest."""
    middle = norm.bias if activation == "relu" else norm.bias.abs()
    largest = (middle + DEVIATIONS * norm.weight.abs()).detach()
    ratio = largest.max() / largest.clamp(min=float(largest.max()) * 2.0**-LARGEST_POWER)
    # Of exponents and shifts: a logarithm may miss a power of two by its last bit.
    powers = torch.frexp(ratio.clamp(min=1.0)).exponent - 1
    # A channel that never rises above zero has nothing to gain.
    powers = torch.where(largest > 0, powers, torch.zeros_like(powers))
    return (torch.ones_like(powers) << powers).to(ratio.dtype)
