"""A larger network that begins as a smaller one: same function, room to learn more.

After Net2Net (Chen, Goodfellow and Shlens, ICLR 2016), with new channels random rather than copies:
what a wider layer adds is computed, but nothing old reads it yet, and a further residual block adds
nothing yet. Training finds gradients for all of it from the first step.
"""

import torch
from torch import Tensor

from vpr_edge.models.graph import CONVOLUTIONS, LEARNED, Graph, Node
from vpr_edge.models.network import ChannelAffine, Convolution, Network

Places = dict[str, Tensor]
"""Of nodes that both networks have: where the smaller one's channels are in the larger."""


def take_over(network: Network, given: Network) -> list[str]:
    """Give a network every layer of another that fits into its layer of the same name.

    Layers of equal shape are copied. Into larger ones the given layer is embedded, such that its
    channels keep their values, and blocks that the given network lacks add nothing to them; where
    all layers are alike or larger, the network computes what the given one does. BatchNorm becomes
    an affine norm by its statistics, and an affine norm a BatchNorm of mean 0 and variance 1.

    Args:
        network: changed in place.
        given: unchanged.

    Returns:
        The names of the layers that were taken over.
    """
    places = _places(network.graph, given.graph)
    before = {node.name: node for node in given.graph.nodes}
    taken = []
    with torch.no_grad():
        for node in network.graph.nodes:
            if node.op not in LEARNED:
                continue
            mine = network.layers[node.name]
            if node.name not in before:
                _silence(network.graph, node, mine, places)
                continue
            theirs = given.layers[node.name] if before[node.name].op == node.op else None
            if theirs is None:
                continue
            if _shapes(mine) == _shapes(theirs):
                mine.load_state_dict(theirs.state_dict())
            elif not _embed(mine, theirs, places.get(node.inputs[0]), places.get(node.name)):
                continue
            taken.append(node.name)
    return taken


def _shapes(layer: torch.nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in layer.state_dict().items()}


def _places(graph: Graph, given: Graph) -> Places:
    """Channels of the given graph's nodes in the larger graph's nodes of the same name."""
    before = {node.name: node for node in given.nodes}
    places: Places = {}
    for node in graph.nodes:
        known = [places.get(name) for name in node.inputs]
        old = before.get(node.name)
        if old is None:
            # A further block: what it is added to goes on through it.
            if node.op == "add" and known[0] is not None:
                places[node.name] = known[0]
            continue
        if node.op == "concat":
            if all(place is not None for place in known):
                places[node.name] = _joined(graph, node, known)
        elif node.op in ("conv", "input") or node.shape[0] == old.shape[0]:
            places[node.name] = torch.arange(old.shape[0])
        elif known and known[0] is not None and graph[node.inputs[0]].shape[0] == node.shape[0]:
            places[node.name] = known[0]
    return places


def _joined(graph: Graph, node: Node, known: list[Tensor | None]) -> Tensor:
    parts, start = [], 0
    for name, place in zip(node.inputs, known, strict=True):
        assert place is not None
        parts.append(place + start)
        start += graph[name].shape[0]
    return torch.cat(parts)


def _embed(
    mine: torch.nn.Module, theirs: torch.nn.Module, read: Tensor | None, made: Tensor | None
) -> bool:
    """Write a convolution into one as large or larger; False where it does not fit."""
    if not (isinstance(mine, Convolution) and isinstance(theirs, Convolution)):
        return False
    if read is None or made is None or (mine.norm is None) != (theirs.norm is None):
        return False
    if mine.node.op == "depthwise":
        read = torch.zeros(1, dtype=torch.int64)
    if (len(made), len(read)) != theirs.weight.shape[:2]:
        return False
    larger = made.max() < mine.weight.shape[0] and read.max() < mine.weight.shape[1]
    if mine.weight.shape[2:] != theirs.weight.shape[2:] or not larger:
        return False
    # What is known does not read what is new yet.
    mine.weight[made] = 0.0
    mine.weight[made[:, None], read] = theirs.weight
    if mine.bias is not None and theirs.bias is not None:
        mine.bias[made] = theirs.bias
        return True
    gain, shift, mean, variance = _norm(theirs)
    if isinstance(mine.norm, ChannelAffine):
        # The statistics become part of the scale and the shift.
        deviation = torch.sqrt(variance)
        gain, shift = gain / deviation, shift - mean * gain / deviation
    else:
        assert mine.norm is not None
        mine.norm.get_buffer("running_mean")[made] = mean
        mine.norm.get_buffer("running_var")[made] = variance - mine.norm.eps
    mine.norm.weight[made], mine.norm.bias[made] = gain, shift
    return True


def _norm(layer: Convolution) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Scale, shift, mean and variance of each channel; an affine norm's are those of 0 and 1."""
    norm = layer.norm
    assert norm is not None
    if isinstance(norm, ChannelAffine):
        return norm.weight, norm.bias, torch.zeros_like(norm.bias), torch.ones_like(norm.bias)
    assert norm.running_mean is not None and norm.running_var is not None
    return norm.weight, norm.bias, norm.running_mean, norm.running_var + norm.eps


def _silence(graph: Graph, node: Node, layer: torch.nn.Module, places: Places) -> None:
    """Keep the last layer of a new residual block from changing the channels that are known."""
    readers = [other for other in graph.nodes if node.name in other.inputs]
    if node.op not in CONVOLUTIONS or [other.op for other in readers] != ["add"]:
        return
    known = places.get(readers[0].name)
    if known is None or not isinstance(layer, Convolution):
        return
    if layer.norm is None:
        layer.weight[known] = 0.0
    else:
        layer.norm.weight[known] = 0.0
        layer.norm.bias[known] = 0.0
