"""Real pairs that may be trained on: webcams by night, seasons of a street, office floors.

The cameras by which networks are judged never enter (`datasets.webcams.DEVELOPMENT`), nor do those
whose terms forbid it (webcams_tilde).
"""

from itertools import permutations
from pathlib import Path

import numpy as np

from vpr_edge.datasets.images import find_images
from vpr_edge.datasets.table import existing, read_table
from vpr_edge.datasets.webcams import DEVELOPMENT, load_webcams
from vpr_edge.preprocessing import Preprocessing, read_image
from vpr_edge.training.sources import Images, PlaceSource

FLOOR_STEPS = (1, 2, 3)
"""Frames from picture to picture of a pair of the office floors."""
SEASON_WINDOWS = 3
"""Windows of a wide picture, from left to right; each is a place."""


def webcam_pairs(root: Path, fit: Preprocessing) -> PlaceSource:
    """Day against night of the cameras that may be trained on."""
    frames = [f for f in load_webcams(root / "webcams_amos") if f.camera not in DEVELOPMENT]
    cameras = {name: k for k, name in enumerate(sorted({frame.camera for frame in frames}))}
    track = np.array([cameras[frame.camera] for frame in frames])
    night = np.array([frame.condition == "night" for frame in frames])
    pairs = [
        (day, dark)
        for day in np.flatnonzero(~night)
        for dark in np.flatnonzero(night & (track == track[day]))
    ]
    return PlaceSource(
        "webcams",
        np.stack([fit.fit(read_image(frame.path)) for frame in frames]),
        np.array(pairs),
        track,
        np.zeros(len(frames), np.float32),
        guard=1,
    )


def season_pairs(root: Path, fit: Preprocessing) -> PlaceSource:
    """One month against another, in windows of the wide pictures."""
    table = root / "seasons_michigan" / "gt.csv"
    images, place = [], []
    for row in read_table(table, ("image", "place", "month_index")):
        picture = read_image(existing(table, table.parent / row["image"]))
        side = picture.shape[0] * fit.width // fit.height
        for k, left in enumerate(np.linspace(0, picture.shape[1] - side, SEASON_WINDOWS)):
            images.append(fit.fit(picture[:, int(left) : int(left) + side]))
            place.append(SEASON_WINDOWS * int(row["place"]) + k)
    track = np.array(place)
    pairs = [
        pair for one in np.unique(track) for pair in permutations(np.flatnonzero(track == one), 2)
    ]
    return PlaceSource(
        "seasons",
        np.stack(images),
        np.array(pairs),
        # Windows of one street overlap, so they are neither positive nor negative.
        track // SEASON_WINDOWS,
        np.zeros(len(images), np.float32),
        guard=1,
    )


def floor_pairs(root: Path, fit: Preprocessing) -> PlaceSource:
    """Frames of office floors at most three apart; all floors look alike."""
    images: list[Images] = []
    track, position, pairs = [], [], []
    folders = sorted(path for path in (root / "corridor_multifloor").iterdir() if path.is_dir())
    for number, folder in enumerate(folders):
        start, paths = len(images), find_images(folder)
        images += [fit.fit(read_image(path)) for path in paths]
        track += [number] * len(paths)
        position += list(range(len(paths)))
        pairs += [
            (start + k, start + k + step) for step in FLOOR_STEPS for k in range(len(paths) - step)
        ]
    return PlaceSource(
        "floors",
        np.stack(images),
        np.array(pairs),
        np.array(track),
        np.array(position, np.float32),
        guard=8,
    )
