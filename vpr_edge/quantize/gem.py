"""GeM pooling in int8: channels made even before the cube, so that eight bits are enough for it.

A cube spreads the channels' ranges threefold in decibels, and one scale for all of them leaves the
faint ones without steps. The generalised mean (arXiv 1711.02512) is homogeneous, though: a gain
folded into the convolution before it comes out as the same gain, and is undone on the pooled
vector, after the root.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vpr_edge.models.graph import Graph, GraphBuilder, Node

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Gem:
    """The nodes of a GeM head.

    Attributes:
        source: the rectified convolution x.
        output: the mean of x * x * x.
        powers: for each node of the head the power of x that it holds.
    """

    source: Node
    output: Node
    powers: dict[str, int]


def find_gem(graph: Graph) -> Gem | None:
    """The GeM head of a graph, where it has one."""
    for mean in graph.nodes:
        if mean.op != "mean" or graph[mean.inputs[0]].op != "mul":
            continue
        cube = graph[mean.inputs[0]]
        square, x = (graph[name] for name in cube.inputs)
        if square.op == "mul" and set(square.inputs) == {x.name} and x.activation == "relu":
            powers = {x.name: 1, square.name: 2, cube.name: 3, mean.name: 3}
            return Gem(x, mean, powers)
    return None


def with_cubes(graph: Graph) -> Graph:
    """The graph that is deployed: a GeM of learned power replaced by the mean of cubes."""
    for position, node in enumerate(graph.nodes):
        if node.op == "gem":
            g, x = GraphBuilder(*graph.input.shape[1:]), graph[node.inputs[0]]
            cube = g.mul("place_cube", g.mul("place_square", x, x), x)
            nodes = (
                *graph.nodes[:position],
                *g.nodes[1:],
                g.mean(node.name, cube),
                *graph.nodes[position + 1 :],
            )
            return replace(graph, nodes=nodes)
    return graph


def even_out(weight: "nn.Parameter", bias: "nn.Parameter", largest: "Tensor") -> "Tensor":
    """Scale a convolution's channels so that all have the same largest value.

    Args:
        weight, bias: of the convolution before the cube; changed in place.
        largest: greatest value of each channel, [C].

    Returns:
        The factors [C] that undo it after the root.
    """
    # Here, because writing files needs no torch.
    import torch

    with torch.no_grad():
        gain = torch.where(largest > 0, largest / largest.max(), 1.0).clamp_(min=1e-3)
        weight.div_(gain[:, None, None, None])
        bias.div_(gain)
    return gain
