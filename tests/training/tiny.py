"""A tiny town, and a recipe that trains on it in seconds; also a program that trains and is killed.

python tiny.py TOWN FOLDER DEVICES KILL, where KILL is "never", "step:N" (after step N was reported)
or "save:N" (half-way through writing the N-th state).
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from vpr_edge.datasets.town.rendered import TownConfig, render_town
from vpr_edge.models.zoo import network_config
from vpr_edge.training.batches import Data
from vpr_edge.training.data import load_data
from vpr_edge.training.hardware import Hardware
from vpr_edge.training.loop import train
from vpr_edge.training.recipe import Batch, Mining, Recipe, Validation, Weights

TOWN = TownConfig(splits=("train",), train_seeds=(11,), train_places=8, conditions=("night",))
TINY = Recipe(
    steps=4,
    batch=Batch(place_pairs=3, keypoint_pairs=1, segmentation=2),
    sources={"town": 1.0},
    warmup=1,
    save_every=2,
    log_every=1,
)
EVERYTHING = replace(
    TINY,
    steps=6,
    freeze=("stem", "segmentation"),
    weights=Weights(
        triplet=0.5, hinge=0.5, multi_similarity=0.5, keypoint_triplet=0.5, usp=0.5, inliers=0.5,
        domain=0.1, contrast={0: 1.0, 4: 0.0},
    ),
    mining=Mining(every=3, nearest=2),
    validation=Validation("miou", every=2, share=0.2, patience=3),
)  # fmt: skip
"""All that a state has to hold: two optimised nets more, mined tables, the best weights."""


def tiny_town(folder: Path) -> Path:
    """Render it, unless it is there."""
    return render_town(folder, TOWN)


def tiny_data(town: Path, recipe: Recipe = TINY) -> Data:
    """Its data for a recipe of the network nano."""
    return load_data(recipe, network_config("nano"), None, town)


def _main(town: Path, folder: Path, devices: int, kill: str) -> None:
    torch.set_num_threads(1)
    what, _, when = kill.partition(":")

    def report(step: int, _losses: dict[str, float]) -> None:
        if what == "step" and step == int(when):
            os.kill(os.getpid(), signal.SIGKILL)

    saved, save = [0], torch.save

    def save_half(state: Any, path: Path) -> None:
        saved[0] += 1
        save(state, path)
        if what == "save" and saved[0] == int(when):
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    torch.save = save_half
    recipe = EVERYTHING if devices == 1 else replace(TINY, steps=1, warmup=0)
    train(recipe, folder, tiny_data(town, recipe), report, Hardware("cpu", devices))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
