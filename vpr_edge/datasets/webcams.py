"""Fixed cameras through day, night and weather: `gt.csv` names each picture's camera.

A camera is a place. With a column `condition` (AMOS) night is looked up among the days of all
cameras; without one (TILDE) the later pictures of each camera among its first ones.
"""

from dataclasses import dataclass
from pathlib import Path

from vpr_edge.datasets.images import Images
from vpr_edge.datasets.place_set import PlaceSet, as_positives
from vpr_edge.datasets.table import existing, read_table

COLUMNS = ("image", "camera")
DEVELOPMENT = ("640x439", "640x471_a", "800x555", "800x593", "857x614")
"""Cameras of AMOS that no network is trained on; 800x555 is "mexico", which TILDE has too."""
FIRST = 5
"""Pictures of each camera that are the database where conditions are not told."""


@dataclass(frozen=True)
class WebcamFrame:
    """One picture of a camera; `condition` is "day", "night" or "" where that is not told."""

    path: Path
    camera: str
    condition: str


def load_webcams(folder: Path) -> tuple[WebcamFrame, ...]:
    """All pictures in the order of the table.

    Raises:
        DataError: `gt.csv` is missing or names an absent file.
    """
    table = folder / "gt.csv"
    return tuple(
        WebcamFrame(existing(table, folder / row["image"]), row["camera"], row.get("condition", ""))
        for row in read_table(table, COLUMNS)
    )


def webcam_places(folder: Path) -> PlaceSet:
    """Night pictures of the development cameras among the day pictures of every camera.

    Where the table tells no conditions, or has none of these cameras, every camera is looked up.

    Raises:
        DataError: `gt.csv` is missing or names an absent file.
    """
    frames = load_webcams(folder)
    cameras = sorted({frame.camera for frame in frames})
    judged = [camera for camera in cameras if camera in DEVELOPMENT] or cameras
    if any(frame.condition for frame in frames):
        database = [frame for frame in frames if frame.condition == "day"]
        queries = [f for f in frames if f.condition == "night" and f.camera in judged]
        how = "night->day"
    else:
        rank = {id(f): [o for o in frames if o.camera == f.camera].index(f) for f in frames}
        database = [frame for frame in frames if rank[id(frame)] < FIRST]
        queries = [f for f in frames if rank[id(f)] >= FIRST and f.camera in judged]
        how = f"later pictures->first {FIRST}"
    return PlaceSet(
        folder.resolve().name,
        Images.from_files([frame.path for frame in database]),
        Images.from_files([frame.path for frame in queries]),
        as_positives(
            [k for k, frame in enumerate(database) if frame.camera == query.camera]
            for query in queries
        ),
        f"{how}, {len(judged)} cameras, database {len(database)} of {len(cameras)} cameras",
    )
