"""Reads every source of a recipe into memory, and the teachers' targets for it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from vpr_edge.datasets.town.rendered import TownSplit, default_cache, load_split, render_town
from vpr_edge.errors import CheckpointError, DataError
from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint
from vpr_edge.models.config import NetworkConfig
from vpr_edge.models.part import boundary
from vpr_edge.models.zoo import build_graph
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.training.batches import SHARED_TARGET, Data
from vpr_edge.training.features import picture_features
from vpr_edge.training.freeze import frozen_layers
from vpr_edge.training.moving import moved_places
from vpr_edge.training.real_places import floor_pairs, season_pairs, webcam_pairs
from vpr_edge.training.recipe import Recipe
from vpr_edge.training.schedule import ever_used
from vpr_edge.training.sources import (
    Images,
    LabelledSource,
    PlaceSource,
    camvid_labelled,
    folder_labelled,
    nordland_places,
    photograph_places,
    scene_photographs,
    tower_places,
    town_labelled,
    town_places,
    training_photographs,
)
from vpr_edge.training.teacher import (
    DistillationTargets,
    keypoint_targets,
    teacher_maps,
    teacher_overviews,
)

Progress = Callable[[str, int, int], None]
ALIGNED = 500
"""Pairs of each source from which what a season changes is learned."""


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
        ModelError: a teacher's file cannot be used.
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

    split: TownSplit | None = None
    if "town" in names:
        split = load_split(town or render_town(default_cache(), progress=told("town")), "train")
    wanted = {"photographs", "moved"} & set(names)
    photographs = training_photographs(root) if root and wanted else None
    places = tuple(_places(name, root, split, photographs, fit) for name in names)
    if photographs is None:
        photographs = places[0].images
    maps = tuple(
        teacher_maps(
            recipe.teacher, recipe.teacher_input, source.name, source.images,
            told(f"teacher on {source.name}"),
        )
        for source in places
        if recipe.teacher
    )  # fmt: skip
    if maps and recipe.variants and config.head == "pyramid":
        # Of features nothing finer than the cells is learned, and steps are short.
        cells = build_graph(config)["place_cells"].shape[1:]
        maps = tuple(_averaged(one, cells) for one in maps)
    overviews: tuple[NDArray[np.float16], ...] = ()
    if config.place_overview:
        found = [teacher_overviews(recipe.teacher, source.images) for source in places]
        overviews = tuple(vectors for vectors in found if vectors is not None)
    return Data(
        fit,
        places,
        maps,
        _targets(recipe, places, maps, config.place_channels),
        photographs,
        keypoint_targets(
            recipe.keypoint_teacher,
            recipe.teacher_input,
            photographs,
            told("keypoint teacher"),
        )
        if recipe.keypoint_teacher
        else None,
        _labelled(recipe, root, split, fit),
        overviews,
        _targets(recipe, places, overviews, config.place_overview),
        _features(recipe, config, places, told) if recipe.variants else (),
    )


def _features(
    recipe: Recipe,
    config: NetworkConfig,
    places: tuple[PlaceSource, ...],
    told: Callable[[str], Callable[[int, int], None] | None],
) -> tuple[NDArray[np.float16], ...]:
    w = recipe.weights
    if not recipe.init:
        raise CheckpointError("features are a trained network's; set init, or variants to 0.")
    others = any(map(ever_used, (w.imitate, w.hold, w.domain)))
    if recipe.batch.keypoint_pairs or recipe.batch.segmentation or others or recipe.mining.every:
        raise CheckpointError(
            "on features places alone are trained; set batch.keypoint_pairs, batch.segmentation, "
            "mining.every and the weights imitate, hold and domain to 0, or variants to 0."
        )
    graph = build_graph(config)
    name = boundary(graph, frozen_layers(graph, recipe.freeze, recipe.only))
    checkpoint = load_checkpoint(find_checkpoint(recipe.init))
    return tuple(
        picture_features(
            checkpoint, name, source.images, recipe.variants, told(f"features of {source.name}")
        )
        for source in places
    )


def _averaged(maps: NDArray[np.float16], size: tuple[int, int]) -> NDArray[np.float16]:
    parts = (maps[k : k + 256].astype(np.float32) for k in range(0, len(maps), 256))
    pooled = [functional.adaptive_avg_pool2d(torch.from_numpy(part), size) for part in parts]
    return torch.cat(pooled).half().numpy()


def _targets(
    recipe: Recipe,
    places: tuple[PlaceSource, ...],
    maps: tuple[NDArray[np.float16], ...],
    components: int,
) -> DistillationTargets | None:
    if not maps:
        return None
    aligned = [
        known[source.pairs[pick, 0]].astype(np.float32) - known[source.pairs[pick, 1]]
        for source, known in zip(places, maps, strict=True)
        if recipe.whiten and source.name in SHARED_TARGET
        for pick in [np.unique(np.linspace(0, len(source.pairs) - 1, ALIGNED).astype(int))]
    ]
    return DistillationTargets(list(maps), components, np.concatenate(aligned) if aligned else None)


def _places(
    name: str,
    root: Path | None,
    split: TownSplit | None,
    photographs: Images | None,
    fit: Preprocessing,
) -> PlaceSource:
    if name == "town" and split:
        return town_places(split, fit)
    if name == "photographs" and photographs is not None:
        return photograph_places(photographs, fit)
    if name == "moved" and photographs is not None:
        return moved_places(name, photographs, fit)
    if name == "nordland" and root:
        return nordland_places(root, fit)
    if name == "tower" and root:
        return tower_places(root, fit)
    if name == "scenes" and root:
        return moved_places(name, scene_photographs(root), fit, seed=1)
    if name in _REAL and root:
        return _REAL[name](root, fit)
    raise DataError(
        f"the recipe names an unknown source {name!r}; known are town, nordland, tower, "
        f"photographs, moved, scenes, {', '.join(_REAL)}."
    )


_REAL = {"webcams": webcam_pairs, "seasons": season_pairs, "floors": floor_pairs}


def _labelled(
    recipe: Recipe, root: Path | None, split: TownSplit | None, fit: Preprocessing
) -> tuple[LabelledSource, ...]:
    """Labelled pictures: the town's where it is a source, CamVid's where it is there, folders."""
    names = [name for name, share in recipe.labelled.items() if share > 0]
    found = []
    if "town" in names and split:
        found.append(town_labelled(split, fit, ever_used(recipe.weights.depth)))
    if "camvid" in names and root and (root / "camvid").is_dir():
        found.append(camvid_labelled(root, fit))
    found += [folder_labelled(name, fit) for name in names if name not in ("town", "camvid")]
    if recipe.batch.segmentation and not found:
        raise DataError(
            "no labelled pictures: keep the town among sources and labelled, add CamVid, or set "
            "batch.segmentation to 0."
        )
    return tuple(found)
