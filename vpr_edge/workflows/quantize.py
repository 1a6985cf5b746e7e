"""What `vpr-edge quantize` runs: the QAT recipe of a checkpoint, or calibration alone."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vpr_edge.errors import CheckpointError
from vpr_edge.models.checkpoint import Checkpoint, find_checkpoint, load_checkpoint
from vpr_edge.quantize.model import Int8Model
from vpr_edge.quantize.post_training import post_training
from vpr_edge.training.data import load_data
from vpr_edge.training.graft import grafted
from vpr_edge.training.network import recipe_config
from vpr_edge.training.recipe import Recipe, load_recipe
from vpr_edge.training.sources import spread_pictures

CALIBRATION_IMAGES = 200


def qat_recipe(checkpoint: str, data: Path | None, settings: tuple[str, ...]) -> Recipe:
    """The recipe "qat" for a checkpoint; without a data folder it takes the town alone.

    Raises:
        CheckpointError: the checkpoint is not a float one, or a setting does not exist.
    """
    # Now, before pictures are rendered and a run folder is made.
    if load_checkpoint(find_checkpoint(checkpoint)).kind != "float":
        raise CheckpointError(
            f"{checkpoint} is an int8 checkpoint already; give the float checkpoint it was made "
            "from."
        )
    alone = () if data else ("sources={town: 1.0}",)
    return load_recipe("qat", (f"init={checkpoint}", *alone, *settings))


def calibrated(
    recipe: Recipe,
    checkpoint: Path,
    data: Path | None,
    progress: Callable[[int, int], None] | None = None,
    onto: str = "",
) -> Checkpoint:
    """Quantise a checkpoint by calibration alone, on pictures of the recipe's place sources.

    Args:
        recipe: from `qat_recipe`.
        checkpoint: of kind "float".
        data: folder of the real data sets, or None.
        progress: called while pictures are rendered.
        onto: an int8 checkpoint that differs in the place head alone, and whose other layers are
            kept (see `training.graft`); "" for none.

    Raises:
        CheckpointError: the int8 checkpoint differs in more.
    """
    loaded = load_data(
        recipe,
        recipe_config(recipe),
        data,
        progress=(lambda _what, done, total: progress(done, total)) if progress else None,
    )
    images = spread_pictures(loaded.places, CALIBRATION_IMAGES)
    provenance = {
        "method": "post-training calibration",
        "sources": sorted(source.name for source in loaded.places),
        "images": len(images),
        "command": " ".join(["vpr-edge", *sys.argv[1:]]),
    }
    if not onto:
        return post_training(checkpoint, images, provenance, recipe.symmetric).to_checkpoint()
    given = load_checkpoint(find_checkpoint(onto))
    source = load_checkpoint(checkpoint)
    provenance |= {"method": f"place head calibrated on {onto}", "onto": given.provenance}
    provenance["head"] = source.provenance
    pictures = np.stack([source.preprocessing.fit(image) for image in images])
    return grafted(Int8Model.from_checkpoint(given), source, pictures, provenance).to_checkpoint()
