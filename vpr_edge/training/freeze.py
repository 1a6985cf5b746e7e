"""Which layers of a network a stage trains, and which stay as they are to the last bit."""

from torch import nn

from vpr_edge.errors import CheckpointError
from vpr_edge.models.config import TASKS
from vpr_edge.models.graph import LEARNED, Graph

BACKBONE = "backbone"


def layer_groups(graph: Graph) -> dict[str, frozenset[str]]:
    """The layers with weights by what they serve.

    "backbone" holds those that every output needs, a task's name those that serve it alone; what
    some tasks share belongs to neither and goes by its name.
    """
    weighted = {node.name for node in graph.nodes if node.op in LEARNED}
    served = {
        task: {node.name for node in graph.only(present).nodes} & weighted
        for task, outputs in TASKS.items()
        if (present := tuple(name for name in outputs if name in graph.outputs))
    }
    groups = {BACKBONE: frozenset(set.intersection(*served.values()))}
    for task, layers in served.items():
        others = (names for other, names in served.items() if other != task)
        groups[task] = frozenset(layers - set().union(*others))
    return groups


def frozen_layers(graph: Graph, freeze: tuple[str, ...], only: tuple[str, ...]) -> frozenset[str]:
    """The layers that are not trained.

    Args:
        graph: the network.
        freeze, only: groups of `layer_groups` or starts of layers' names (see `Recipe`).

    Raises:
        CheckpointError: a name fits no layer, or nothing is left to train.
    """
    groups = layer_groups(graph)
    weighted = [node.name for node in graph.nodes if node.op in LEARNED]

    def layers(names: tuple[str, ...]) -> set[str]:
        found: set[str] = set()
        for name in names:
            fitting = groups.get(name) or {layer for layer in weighted if layer.startswith(name)}
            if not fitting:
                raise CheckpointError(
                    f"the network has no layers {name!r} to freeze or train; choose of "
                    f"{', '.join(groups)} or the start of a layer's name, as {weighted[0]!r}."
                )
            found |= fitting
        return found

    frozen = layers(freeze) | (set(weighted) - layers(only) if only else set())
    if frozen >= set(weighted):
        raise CheckpointError("freeze and only leave no layer to train; shorten freeze.")
    return frozenset(frozen)


def freeze_layers(layers: nn.ModuleDict, frozen: frozenset[str]) -> None:
    """Stop the gradients of these layers, and their BatchNorm from following the batches."""
    # A fake-quantised network has no layer of its own for some that it folds.
    for name in frozen & set(layers):
        layers[name].requires_grad_(False)
        layers[name].eval()
