"""What `vpr-edge whiten` runs: a projection fitted to the pictures that places are trained on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from vpr_edge.models.checkpoint import Checkpoint, load_checkpoint
from vpr_edge.models.whitening import whitened
from vpr_edge.training.data import load_data
from vpr_edge.training.network import recipe_config
from vpr_edge.training.sources import spread_pictures
from vpr_edge.workflows.quantize import qat_recipe


def whitened_checkpoint(
    path: Path,
    data: Path | None,
    settings: tuple[str, ...],
    length: int,
    strength: float,
    pictures: int,
    progress: Callable[[int, int], None] | None = None,
) -> Checkpoint:
    """Fit a projection on as many pictures of each place source.

    Args:
        path: checkpoint of kind "float".
        data: folder of the real data sets, or None for the rendered town alone.
        settings: overrides of the recipe "qat", whose place sources are taken.
        length, strength: see `whitened`.
        pictures: in total.
        progress: called while pictures are rendered.

    Raises:
        CheckpointError: the checkpoint has no place descriptor that can be projected.
        DataError: there are too few pictures.
    """
    recipe = qat_recipe(str(path), data, settings)
    checkpoint = load_checkpoint(path)
    loaded = load_data(
        recipe,
        recipe_config(recipe),
        data,
        progress=(lambda _what, done, total: progress(done, total)) if progress else None,
    )
    chosen = [
        checkpoint.preprocessing.fit(image) for image in spread_pictures(loaded.places, pictures)
    ]
    return whitened(checkpoint, np.stack(chosen), length, strength)
