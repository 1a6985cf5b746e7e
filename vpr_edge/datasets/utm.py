"""The layout of Pitts, MSLS, SF-XL and the like: `database/` and `queries/`, poses in file names.

VPR-datasets-downloader (gmberton) names pictures `@easting@northing@zone@letter@latitude@
longitude@panorama@tile@heading@pitch@roll@height@timestamp@note@.jpg`; only the first two are
always filled in, in metres; the heading is in degrees.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vpr_edge.datasets.images import Images, find_images
from vpr_edge.datasets.place_set import PlaceSet
from vpr_edge.errors import DataError

TOLERANCE_M = 25.0
"""The field's usual tolerance (Arandjelovic et al., NetVLAD, 2016)."""
_HEADING = 9
_GROUND_TRUTH_FOLDERS = ("labels", "depth")


@dataclass(frozen=True, eq=False)
class _Traversal:
    images: Images
    position: NDArray[np.float64]
    heading: NDArray[np.float64]


def load_utm(
    folder: Path, tolerance_m: float = TOLERANCE_M, tolerance_deg: float | None = None
) -> PlaceSet:
    """List both folders (recursively) and find the positives from the names.

    Args:
        folder: holds `database/` and `queries/`.
        tolerance_m: a database picture at most so far away shows the query's place.
        tolerance_deg: if given, it must also look the same way within so many degrees.

    Raises:
        DataError: a folder is missing or empty, or a file name holds no position, or no heading
            where `tolerance_deg` asks for one.
    """
    with_heading = tolerance_deg is not None
    database = _traversal(folder / "database", with_heading)
    queries = _traversal(folder / "queries", with_heading)
    order = np.argsort(database.position[:, 0], kind="stable")
    easting = database.position[order, 0]
    positives = []
    for position, heading in zip(queries.position, queries.heading, strict=True):
        # The strip of eastings first: sets of millions of pictures stay quick.
        first, last = np.searchsorted(easting, position[0] + np.array([-1, 1]) * tolerance_m)
        near = order[max(first - 1, 0) : last + 1]
        near = near[np.hypot(*(database.position[near] - position).T) <= tolerance_m]
        if tolerance_deg is not None:
            turned = np.abs((database.heading[near] - heading + 180) % 360 - 180)
            near = near[turned <= tolerance_deg]
        positives.append(np.sort(near).astype(np.int64))
    turned_terms = f" and {tolerance_deg:g} degrees" if with_heading else ""
    return PlaceSet(
        folder.resolve().name,
        database.images,
        queries.images,
        tuple(positives),
        f"queries->database, tolerance {tolerance_m:g} m{turned_terms}, "
        f"database {len(database.images)}",
    )


def _traversal(folder: Path, with_heading: bool) -> _Traversal:
    paths = [
        path
        for path in find_images(folder, recursive=True)
        if path.relative_to(folder).parts[0] not in _GROUND_TRUTH_FOLDERS
    ]
    poses = np.array([_pose(path, with_heading) for path in paths], np.float64).reshape(-1, 3)
    return _Traversal(Images.from_files(paths), poses[:, :2], poses[:, 2])


def _pose(path: Path, with_heading: bool) -> tuple[float, float, float]:
    fields = path.name.split("@")
    try:
        heading = float(fields[_HEADING]) if with_heading else 0.0
        pose = (float(fields[1]), float(fields[2]), heading)
    except (IndexError, ValueError) as error:
        wanted = "position and heading" if with_heading else "position"
        raise DataError(
            f"{path} has no {wanted} in its name; rename it to @easting@northing@...@heading@...@"
            f"{path.suffix} or remove it."
        ) from error
    if not np.isfinite(pose).all():
        raise DataError(f"{path} has a position that is not finite; rename or remove it.")
    return pose
