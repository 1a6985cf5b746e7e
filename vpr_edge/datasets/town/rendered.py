"""The built-in data set: small rendered towns, driven through by day, dusk, night, rain and fog.

A render is laid out as the VPR-datasets-downloader (gmberton) lays out real sets, with ground
truth beside the pictures:

    <root>/town.json                         the configuration; written last
    <root>/<split>/poses.csv                 one row a frame
    <root>/<split>/database/@..@.jpg         the day traversal
    <root>/<split>/queries/@..@.jpg          the other conditions
    <root>/<split>/{database,queries}/labels/@..@.png    CamVid's 11 classes, 11 = ignore
    <root>/<split>/{database,queries}/depth/@..@.png     uint16 centimetres, 0 = sky
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from vpr_edge.datasets.town.camera import heading_difference, shared_pixels
from vpr_edge.datasets.town.config import SPLITS, TownConfig
from vpr_edge.datasets.town.files import TownFrame, TownSplit, read_split, split_writer
from vpr_edge.datasets.town.sheet import draw_sheet
from vpr_edge.errors import DataError
from vpr_edge.files import atomic_folder, write_json

__all__ = [
    "SPLITS", "TownConfig", "TownFrame", "TownSplit", "contact_sheet", "correspondences",
    "default_cache", "load_split", "positives", "render_town",
]  # fmt: skip

VERSION = 1
"""Raised whenever a change alters the pictures, so that old caches are not taken for new ones."""
_WHOLE = TownConfig()


def default_cache(config: TownConfig = _WHOLE) -> Path:
    """Where a configuration's render belongs: in $VPR_EDGE_CACHE, or in ~/.cache/vpr-edge."""
    root = Path(os.environ.get("VPR_EDGE_CACHE") or Path.home() / ".cache" / "vpr-edge")
    text = json.dumps(asdict(config), sort_keys=True)
    return root / f"town-{VERSION}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def render_town(
    folder: Path,
    config: TownConfig = _WHOLE,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render the data set into `folder`, unless it is there already.

    Args:
        folder: made whole or not at all.
        config: what to render; `splits=("test",)` leaves the training towns out.
        progress: called with the frames done and the frames in total.

    Returns:
        `folder`.

    Raises:
        ToolMissingError: Panda3D is not installed.
        OutputError: `folder` holds something else, or could not be written.
    """
    if _stored_config(folder) == config:
        return folder
    from vpr_edge.datasets.town.drive import drive_through  # imports Panda3D

    done, total = 0, config.frames()
    with atomic_folder(folder) as scratch:
        for split in config.splits:
            with split_writer(scratch / split, config) as add:
                for seed in config.seeds(split):
                    for shot in drive_through(config, split, seed):
                        add(shot)
                        done += 1
                        if progress:
                            progress(done, total)
        write_json(scratch / "town.json", {"version": VERSION, "config": asdict(config)})
    return folder


def load_split(folder: Path, split: str) -> TownSplit:
    """The frames of one split of a render.

    Raises:
        DataError: `folder` is no finished render, or lacks the split.
    """
    config = _stored_config(folder)
    if config is None:
        raise DataError(f"{folder} is not a rendered town; render one with vpr-edge data town.")
    if split not in config.splits:
        raise DataError(
            f"{folder} has no split {split!r}, only {', '.join(config.splits)}; choose one of "
            "these or render the town with it."
        )
    return read_split(folder / split, config)


def positives(split: TownSplit) -> list[np.ndarray]:
    """For each query the indices of the database frames that show its place, ascending.

    A frame shows the place when it is near enough and looks the same way (`TownConfig`'s
    tolerances): the route sees the same street in one direction only, but crossings in several.
    """
    tolerance_m, tolerance_deg = split.config.tolerance_m, split.config.tolerance_deg
    poses = [frame.pose for frame in split.database]
    position = np.array([(p.easting, p.northing) for p in poses])
    heading = np.array([p.heading_deg for p in poses])
    found = []
    for query in split.queries:
        away = np.hypot(*(position - (query.pose.easting, query.pose.northing)).T)
        turned = heading_difference(heading, query.pose.heading_deg)
        found.append(np.flatnonzero((away <= tolerance_m) & (turned <= tolerance_deg)))
    return found


def correspondences(frame_a: TownFrame, frame_b: TownFrame) -> tuple[np.ndarray, np.ndarray]:
    """Where two frames see the same surface points, from their depth and poses.

    Surfaces that moved or are hidden in one frame are left out (see
    `camera.shared_pixels`); integer coordinates are pixel centres.

    Returns:
        xy_a, xy_b: float32 [N, 2]; xy_a are pixel centres of frame A, each once.
    """
    if frame_a.town != frame_b.town:
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    return shared_pixels(
        frame_a.camera, frame_a.pose, frame_a.depth(), frame_b.pose, frame_b.depth()
    )


def contact_sheet(folder: Path, output: Path) -> Path:
    """Draw some places in every condition, with classes and depth, as a PNG.

    Raises:
        DataError: `folder` is no finished render.
        OutputError: `output` could not be written.
    """
    config = _stored_config(folder)
    split = config.splits[-1] if config and config.splits else "test"
    return draw_sheet(load_split(folder, split), output)


def _stored_config(folder: Path) -> TownConfig | None:
    try:
        stored = json.loads((folder / "town.json").read_text())
        if stored["version"] != VERSION:
            return None
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in stored["config"].items()
        }
        return TownConfig(**values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
