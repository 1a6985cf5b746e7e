"""Reads every source of a recipe into memory, and the teachers' targets for it."""

from collections.abc import Callable
from pathlib import Path

from vpr_edge.datasets.town.rendered import TownSplit, default_cache, load_split, render_town
from vpr_edge.errors import DataError
from vpr_edge.models.config import NetworkConfig
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.training.batches import Data
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
    tower_places,
    town_labelled,
    town_places,
    training_photographs,
)
from vpr_edge.training.teacher import DistillationTargets, keypoint_targets, teacher_maps

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
    photographs = training_photographs(root) if root and "photographs" in names else None
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
    return Data(
        fit,
        places,
        maps,
        DistillationTargets(list(maps), config.place_channels) if maps else None,
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
    )


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
    if name == "nordland" and root:
        return nordland_places(root, fit)
    if name == "tower" and root:
        return tower_places(root, fit)
    raise DataError(
        f"the recipe names an unknown source {name!r}; known are town, nordland, tower "
        "and photographs."
    )


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
