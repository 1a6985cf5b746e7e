"""What the built-in data set consists of: towns, traversals, conditions, camera, tolerances."""

from dataclasses import dataclass

import numpy as np

from vpr_edge.datasets.town.camera import Pinhole
from vpr_edge.datasets.town.conditions import CONDITIONS
from vpr_edge.errors import DataError

SPLITS = ("train", "test")
DATABASE = "day"
"""Condition of the database traversals."""


@dataclass(frozen=True)
class TownConfig:
    """What is rendered; the same configuration gives the same pictures.

    Attributes:
        splits: of "train" and "test" those to render.
        train_seeds, test_seeds: one town a seed; no seed may be in both.
        train_places, test_places: frames of a town's day traversal.
        spacing: metres from frame to frame.
        conditions: of the query traversals (see `conditions.CONDITIONS`).
        train_query_step, test_query_step: every how many places a query is taken.
        sideways: largest offset from the lane's centre, metres.
        turn_deg: largest offset from the lane's heading, degrees.
        width, height: of the pictures in pixels.
        fov_deg, horizon: see `Pinhole`.
        camera_height: metres above the road.
        jpeg_quality: 1..95.
        tolerance_m, tolerance_deg: a database frame within both shows a query's place.
    """

    splits: tuple[str, ...] = SPLITS
    train_seeds: tuple[int, ...] = (11, 12, 13)
    test_seeds: tuple[int, ...] = (101,)
    train_places: int = 100
    test_places: int = 120
    spacing: float = 4.5
    conditions: tuple[str, ...] = ("dusk", "night", "rain", "fog")
    train_query_step: int = 1
    test_query_step: int = 2
    sideways: float = 0.8
    turn_deg: float = 6.0
    width: int = 160
    height: int = 120
    fov_deg: float = 75.0
    horizon: float = 0.62
    camera_height: float = 1.5
    jpeg_quality: int = 92
    tolerance_m: float = 8.0
    tolerance_deg: float = 40.0

    def __post_init__(self) -> None:
        unknown = (set(self.conditions) - set(CONDITIONS)) | (set(self.splits) - set(SPLITS))
        if unknown:
            raise DataError(
                f"The town has no {', '.join(sorted(unknown))}; its conditions are "
                f"{', '.join(CONDITIONS)} and its splits {', '.join(SPLITS)}."
            )
        if set(self.train_seeds) & set(self.test_seeds):
            raise DataError(
                "A town's seed is in train_seeds and in test_seeds; choose different seeds, "
                "or test places would be seen in training."
            )

    @property
    def camera(self) -> Pinhole:
        """The camera of all frames."""
        return Pinhole(self.width, self.height, self.fov_deg, self.horizon)

    def seeds(self, split: str) -> tuple[int, ...]:
        """Seeds of the towns of a split."""
        return self.train_seeds if split == "train" else self.test_seeds

    def places(self, split: str) -> int:
        """Frames of the day traversal of each town of a split."""
        return self.train_places if split == "train" else self.test_places

    def query_indices(self, split: str) -> np.ndarray:
        """Places at which each query traversal has a frame."""
        step = self.train_query_step if split == "train" else self.test_query_step
        return np.arange(0, self.places(split), step)

    def frames(self) -> int:
        """Number of frames of the whole render."""
        per_town = {
            s: self.places(s) + len(self.conditions) * len(self.query_indices(s)) for s in SPLITS
        }
        return sum(per_town[s] * len(self.seeds(s)) for s in self.splits)

    def origin(self, seed: int) -> tuple[float, float]:
        """Easting and northing of a town's own origin; towns are 2 km apart."""
        return 500000.0 + 2000.0 * (*self.train_seeds, *self.test_seeds).index(seed), 5000000.0
