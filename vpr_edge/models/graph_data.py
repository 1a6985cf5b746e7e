"""A graph as JSON-ready data: what the header of a checkpoint holds, and how it is read again."""

from dataclasses import MISSING, asdict, fields
from typing import Any

from vpr_edge.models.graph import OPERATIONS, Graph, Node

VERSION = 1
"""Of the data; a reader refuses greater ones."""


def graph_to_data(graph: Graph) -> dict[str, Any]:
    """The graph as dictionaries, lists, strings and numbers.

    What a node has by default is left out, so that a field added later changes no older file.
    """
    defaults = {f.name: f.default for f in fields(Node) if f.default is not MISSING}
    nodes = [
        {name: value for name, value in asdict(node).items() if defaults.get(name, ...) != value}
        for node in graph.nodes
    ]
    return {
        "version": VERSION,
        "name": graph.name,
        "outputs": list(graph.outputs),
        "keypoint_reach": graph.keypoint_reach,
        **({} if graph.place_gain is None else {"place_gain": list(graph.place_gain)}),
        "nodes": nodes,
    }


def graph_from_data(data: Any) -> Graph:
    """Read `graph_to_data` of this version or an older one.

    Raises:
        ValueError: a later version, an operation or a field that does not exist, a node that reads
            what no earlier one wrote, or an output that is no node.
        KeyError, TypeError: something is missing or of another type.
    """
    if data["version"] > VERSION:
        raise ValueError(f"its graph is of version {data['version']}, and {VERSION} is known here")
    known = {field.name for field in fields(Node)}
    nodes: list[Node] = []
    written: set[str] = set()
    for given in data["nodes"]:
        if strange := set(given) - known:
            raise ValueError(f"a node has the unknown field {min(strange)!r}")
        node = Node(**{name: _frozen(value) for name, value in given.items()})
        if node.op not in OPERATIONS:
            raise ValueError(f"the node {node.name!r} has the unknown operation {node.op!r}")
        if (node.op == "input") != (not nodes):
            raise ValueError(f"the node {node.name!r} stands where the only input should")
        if len(node.shape) != 3 or not all(isinstance(s, int) and s > 0 for s in node.shape):
            raise ValueError(f"the node {node.name!r} has the shape {node.shape}")
        if missing := set(node.inputs) - written or {node.name} & written:
            raise ValueError(f"the node {node.name!r} reads or repeats {min(missing)!r}")
        written.add(node.name)
        nodes.append(node)
    outputs = tuple(data["outputs"])
    if not outputs or not set(outputs) <= written:
        raise ValueError(f"its outputs {outputs} are not nodes")
    gain = data.get("place_gain")
    return Graph(
        tuple(nodes),
        outputs,
        str(data["name"]),
        float(data["keypoint_reach"]),
        None if gain is None else tuple(map(float, gain)),
    )


def _frozen(value: Any) -> Any:
    """JSON's lists as the tuples that they were."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
