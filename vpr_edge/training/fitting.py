"""What `vpr-edge fit-places` runs: a place head computed from a recipe's sources."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from vpr_edge.errors import CheckpointError
from vpr_edge.models.checkpoint import Checkpoint, find_checkpoint, load_checkpoint
from vpr_edge.models.zoo import build_graph, network_config
from vpr_edge.training.closed_form import Evidence, with_fitted_head
from vpr_edge.training.data import load_data
from vpr_edge.training.features import picture_features
from vpr_edge.training.recipe import Recipe


def fitted_checkpoint(
    recipe: Recipe,
    data: Path | None,
    progress: Callable[[int, int], None] | None = None,
) -> Checkpoint:
    """The network that the recipe's `init` becomes, its place head computed.

    Args:
        recipe: names `init`, `become`, sources, teacher, and `variants`.
        data: folder of the real data sets.
        progress: called with the pictures described and in total.

    Raises:
        CheckpointError: the recipe lacks one of these, or the networks do not fit.
        DataError: a source is not there.
    """
    if not (recipe.init and recipe.become and recipe.teacher):
        raise CheckpointError("a head is fitted to init, become and teacher; set all three.")
    checkpoint = load_checkpoint(find_checkpoint(recipe.init))
    config = network_config(recipe.become)
    graph = build_graph(config)
    if config.head != "pyramid":
        raise CheckpointError(
            f"{recipe.become} has no pyramid; set become to a network that has, as nano-pyramid."
        )
    name = graph["place_cells_averages"].inputs[0]
    loaded = load_data(
        replace(recipe, variants=0), config, data,
        progress=(lambda _what, done, total: progress(done, total)) if progress else None,
    )  # fmt: skip
    evidence = [
        Evidence(
            source,
            picture_features(checkpoint, name, source.images, max(1, recipe.variants), progress),
            maps,
        )
        for source, maps in zip(loaded.places, loaded.maps, strict=True)
    ]
    fitted = with_fitted_head(checkpoint, config, evidence, recipe.former)
    provenance = {
        "method": "place head in closed form",
        "recipe": recipe.to_dict(),
        "sources": sorted(source.name for source in loaded.places),
        "command": " ".join(["vpr-edge", *sys.argv[1:]]),
        "init": checkpoint.provenance,
    }
    return Checkpoint(fitted.kind, fitted.config, fitted.tensors, fitted.preprocessing, provenance)
