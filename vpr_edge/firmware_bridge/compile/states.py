"""Variables that the file names by handles: VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE, CALL_ONCE.

A handle only names a variable, so it is resolved here: reading and assigning layers get the
variable itself, a tensor that lies in the arena from run to run, and the handles' layers go. What
CALL_ONCE's subgraph assigns is what the variable holds before the first run.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from vpr_edge.firmware_bridge.operators import make_operator
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import Values
from vpr_edge.tflite.read import TfliteFile, TfliteSubgraph

Name = tuple[str, str]
# Operators that are gone once handles are resolved.
RESOLVED = ("VAR_HANDLE", "CALL_ONCE")


@dataclass(frozen=True, eq=False)
class States:
    """The variables of a model.

    Attributes:
        by_handle: by tensor that a VAR_HANDLE writes the variable.
        initial: by variable what it holds before the first run.
    """

    by_handle: dict[Tensor, Tensor] = field(default_factory=dict)
    initial: dict[Tensor, Values] = field(default_factory=dict)

    def resolved(self, node: Node) -> Node:
        """The node with variables in place of their handles."""
        inputs = tuple(None if t is None else self.by_handle.get(t, t) for t in node.inputs)
        return replace(node, inputs=inputs)


def read_states(file: TfliteFile, nodes: list[Node]) -> States:
    """The variables that the main graph's nodes name.

    Raises:
        ModelError: a variable of no known shape, or an initialisation that is no constant.
    """
    names = dict(_handles(nodes))
    if not names:
        return States()
    assigned = _assigned_once(file, nodes)
    described: dict[Name, tuple[Node, Tensor]] = {}
    written: set[Name] = set()
    for node in nodes:
        if node.code not in ("READ_VARIABLE", "ASSIGN_VARIABLE"):
            continue
        writes = node.code == "ASSIGN_VARIABLE"
        node.expect((2, 2) if writes else (1, 1), 0 if writes else 1)
        handle = node.input(0)
        if handle not in names:
            raise node.refuse(
                "the variable is named by no VAR_HANDLE",
                "the file is corrupt, so convert the model again",
            )
        name, value = names[handle], node.input(1) if writes else node.outputs[0]
        if writes:
            written.add(name)
        # TFLM takes the zero point of what is assigned.
        if name not in described or (writes and described[name][0].code == "READ_VARIABLE"):
            described[name] = (node, value)
        _check_same(node, described[name][1], value)
    states: dict[Name, Tensor] = {}
    found = States()
    for name, (node, value) in described.items():
        first = assigned.get(name)
        if first is None and name not in written:
            raise node.refuse(
                f"nothing assigns the variable '{name[1]}'", "convert the model again"
            )
        if first is not None and (first.shape, first.dtype) != (value.shape, value.dtype):
            raise node.refuse(
                f"the variable '{name[1]}' begins as {list(first.shape)} of {first.dtype} where "
                f"{list(value.shape)} of {value.dtype} is meant",
                "the file is corrupt, so convert the model again",
            )
        state = replace(value, name=name[1], values=None, variable=True, signature=())
        if name not in written:
            # Nobody changes it: a constant.
            state = replace(state, values=first, variable=False)
        else:
            found.initial[state] = _zeros(value) if first is None else first
        states[name] = state
    found.by_handle.update(
        {handle: states[name] for handle, name in names.items() if name in states}
    )
    return found


def _handles(nodes: list[Node]) -> Iterator[tuple[Tensor, Name]]:
    for node in nodes:
        if node.code == "VAR_HANDLE":
            node.expect((0, 0))
            texts = (node.needed("sharedName"), node.option("container", None))
            shared, container = (
                text.decode(errors="replace") if isinstance(text, bytes) else (text or "")
                for text in texts
            )
            yield node.outputs[0], (container, shared)


def _assigned_once(file: TfliteFile, nodes: list[Node]) -> dict[Name, Values]:
    """By variable what the subgraphs of CALL_ONCE assign."""
    found: dict[Name, Values] = {}
    for node in nodes:
        if node.code != "CALL_ONCE":
            continue
        node.expect((0, 0), 0)
        graph = file.called[int(node.needed("initSubgraphIndex"))]
        inner = graph_nodes(graph)
        names, values = dict(_handles(inner)), dict[Tensor, Values]()
        for step in inner:
            if step.code == "VAR_HANDLE":
                continue
            given = [None if t is None else values.get(t, t.values) for t in step.inputs]
            if step.code == "ASSIGN_VARIABLE":
                value = given[1] if len(given) == 2 else None
                name = names.get(step.input(0))
                if value is None or name is None:
                    raise node.refuse(
                        "its subgraph assigns what is not a constant, or to no variable",
                        "convert the model so that its states begin as constants",
                    )
                found[name] = value
                continue
            if any(array is None for array in given):
                raise node.refuse(
                    f"its subgraph has a {step.code} of what is no constant",
                    "convert the model so that its states begin as constants",
                )
            values |= zip(step.outputs, make_operator(step).reference(*given), strict=True)
    return found


def graph_nodes(graph: TfliteSubgraph) -> list[Node]:
    """The operators of a graph with their tensors; indices are known to be in range."""
    return [
        Node(
            position,
            operator.code,
            operator.version,
            operator.options,
            tuple(None if index < 0 else graph.tensors[index] for index in operator.inputs),
            tuple(graph.tensors[index] for index in operator.outputs),
        )
        for position, operator in enumerate(graph.operators)
    ]


def _check_same(node: Node, one: Tensor, other: Tensor) -> None:
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        raise node.refuse(
            f"the variable is {list(one.shape)} of {one.dtype} elsewhere and here "
            f"{list(other.shape)} of {other.dtype}",
            "the file is corrupt, so convert the model again",
        )


def _zeros(value: Tensor) -> Values:
    """What TFLM fills a variable with: the zero point, as bytes."""
    zero = int(value.zero_point[0]) if value.zero_point.size else 0
    count = int(np.prod(value.shape)) * value.dtype.itemsize
    return np.full(count, zero & 0xFF, np.uint8).view(value.dtype).reshape(value.shape)
