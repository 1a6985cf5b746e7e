"""The part of a network behind one map, as a network of its own."""

from dataclasses import replace

from vpr_edge.errors import CheckpointError
from vpr_edge.models.graph import LEARNED, Graph


def boundary(graph: Graph, frozen: frozenset[str], output: str = "place") -> str:
    """The last frozen map of an output that all its trained layers lie behind.

    Args:
        graph: the network.
        frozen: names of the layers that stay as they are.
        output: whose layers are meant.

    Raises:
        CheckpointError: trained layers read several frozen maps, or the picture itself.
    """
    part = graph.only((output,))
    moved: set[str] = set()
    for node in part.nodes:
        trained = node.op in LEARNED and node.name not in frozen
        if trained or moved & set(node.inputs):
            moved.add(node.name)
    read = {name for node in part.nodes if node.name in moved for name in node.inputs} - moved
    if len(read) != 1 or read == {graph.input.name}:
        raise CheckpointError(
            f"the trained layers read {', '.join(sorted(read)) or 'nothing'} of what is frozen, "
            "and features are kept of one map only; freeze the backbone, or set variants to 0."
        )
    return read.pop()


def part_behind(graph: Graph, name: str, output: str = "place") -> Graph:
    """The part of a graph that makes an output of one map, which becomes its input."""
    start = replace(graph[name], op="input", inputs=(), activation="none", norm="none")
    kept, known = [start], {name}
    for node in graph.only((output,)).nodes:
        if node.inputs and known >= set(node.inputs):
            kept.append(node)
            known.add(node.name)
    return Graph(tuple(kept), (output,)).only((output,))
