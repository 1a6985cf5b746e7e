"""Reads every source of a recipe into memory, and the teacher's targets for it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vpr_edge.datasets.town import default_cache, load_split, render_town
from vpr_edge.errors import DataError
from vpr_edge.models.zoo import NetworkConfig
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.training.batches import Data
from vpr_edge.training.recipe import Recipe
from vpr_edge.training.sources import (
    camvid_labelled,
    nordland_places,
    photograph_places,
    tower_places,
    town_labelled,
    town_places,
    training_photographs,
)
from vpr_edge.training.teacher import DistillationTargets, teacher_maps

Progress = Callable[[str, int, int], None]


def load_data(
    recipe: Recipe,
    config: NetworkConfig,
    root: Path | None,
    town: Path | None = None,
    progress: Progress | None = None,
) -> Data:
    """Read all sources of a recipe into memory.

    Args:
        recipe: names the sources.
        config: gives the input size and the length of the place output.
        root: folder of the real data sets; None when the recipe uses the town alone.
        town: a rendered town; by default the cached one, rendered now if need be.
        progress: called with what is being prepared, how much is done, and of how much.

    Raises:
        DataError: a source is unknown or not there.
        ToolMissingError: the teacher or the renderer is not installed.
    """
    fit = Preprocessing(config.height, config.width)
    names = [name for name, share in recipe.sources.items() if share > 0]
    if root is None and set(names) != {"town"}:
        raise DataError(
            f"the recipe's sources {', '.join(names)} need the real data sets; pass --data with "
            "their folder, or train with -s 'sources={town: 1.0}' and -s teacher=."
        )

    def told(what: str) -> Callable[[int, int], None] | None:
        return (lambda done, total: progress(what, done, total)) if progress else None

    places, labelled = [], []
    photographs = None
    for name in names:
        if name == "town":
            rendered = town or render_town(default_cache(), progress=told("town"))
            split = load_split(rendered, "train")
            places.append(town_places(split, fit))
            labelled.append(town_labelled(split, fit))
        elif root and name == "nordland":
            places.append(nordland_places(root, fit))
        elif root and name == "tower":
            places.append(tower_places(root, fit))
        elif root and name == "photographs":
            photographs = training_photographs(root)
            places.append(photograph_places(photographs, fit))
        else:
            raise DataError(
                f"the recipe names an unknown source {name!r}; known are town, nordland, tower "
                "and photographs."
            )
    if root and (root / "camvid").is_dir():
        labelled.append(camvid_labelled(root, fit))
    labelled = [source for source in labelled if recipe.labelled.get(source.name, 0.0) > 0]
    if not labelled:
        raise DataError(
            "no labelled pictures: keep the town among sources and labelled, or add CamVid."
        )
    if photographs is None:
        photographs = places[0].images
    maps: tuple[NDArray[np.float16], ...] = ()
    targets = None
    if recipe.teacher:
        maps = tuple(
            teacher_maps(source.images, told(f"teacher on {source.name}")) for source in places
        )
        targets = DistillationTargets(list(maps), config.place_channels)
    return Data(fit, tuple(places), maps, targets, photographs, tuple(labelled))
