"""How the town's frames lie on disk: names, ground-truth images, the table of poses."""

import csv
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vpr_edge.datasets.town.camera import Pinhole, Pose
from vpr_edge.datasets.town.config import TownConfig
from vpr_edge.errors import DataError

_COLUMNS = ("name", "folder", "town", "traversal", "condition", "index",
            "easting", "northing", "height", "heading_deg")  # fmt: skip


@dataclass(frozen=True)
class Shot:
    """One frame as it was rendered.

    Attributes:
        town: seed of its town.
        traversal: number within the town; 0 is the database's.
        condition: light and weather.
        index: of the place on the route.
        pose: of the camera, UTM metres.
        image: uint8 [H, W, 3].
        labels: uint8 [H, W].
        depth: metres, float64 [H, W]; 0 = sky.
    """

    town: int
    traversal: int
    condition: str
    index: int
    pose: Pose
    image: np.ndarray
    labels: np.ndarray
    depth: np.ndarray


@dataclass(frozen=True)
class TownFrame:
    """One picture and what is known of it.

    Attributes:
        path, label_path, depth_path: the picture, its classes, its depth.
        town: seed of its town.
        traversal: number within the town; 0 is the database's.
        condition: light and weather.
        index: of the place on the route.
        pose: of the camera; UTM metres.
        camera: its intrinsics.
    """

    path: Path
    label_path: Path
    depth_path: Path
    town: int
    traversal: int
    condition: str
    index: int
    pose: Pose
    camera: Pinhole

    def image(self) -> np.ndarray:
        """The picture, uint8 [H, W, 3]."""
        return np.asarray(Image.open(self.path).convert("RGB"))

    def labels(self) -> np.ndarray:
        """Classes, uint8 [H, W]; 11 = ignore."""
        return np.asarray(Image.open(self.label_path))

    def depth(self) -> np.ndarray:
        """Metres along the optical axis, float64 [H, W]; 0 = sky or unknown."""
        return np.asarray(Image.open(self.depth_path)).astype(np.float64) / 100


@dataclass(frozen=True)
class TownSplit:
    """Database and queries of one split, in the order of `poses.csv`."""

    config: TownConfig
    database: tuple[TownFrame, ...]
    queries: tuple[TownFrame, ...]


def frame_name(shot: Shot) -> str:
    """A file stem as VPR-datasets-downloader (gmberton) writes them.

    The fields between the @ are UTM easting, northing, zone, zone letter, latitude, longitude,
    panorama, tile, heading, pitch, roll, height, timestamp and note; those that an invented town
    lacks are empty. The panorama is `<town>-<traversal>-<index>`, the note is the condition.
    """
    pose = shot.pose
    fields = [f"{pose.easting:010.2f}", f"{pose.northing:010.2f}", "", "", "", "",
              f"{shot.town}-{shot.traversal}-{shot.index:04d}", "", f"{pose.heading_deg:06.2f}",
              "", "", f"{pose.height:.2f}", "", shot.condition]  # fmt: skip
    return "@" + "@".join(fields) + "@"


@contextmanager
def split_writer(folder: Path, config: TownConfig) -> Iterator[Callable[[Shot], None]]:
    """Open a split's folder for writing; yields the function that adds a frame."""
    for part in ("database", "queries"):
        for kind in ("labels", "depth"):
            (folder / part / kind).mkdir(parents=True)
    with (folder / "poses.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(_COLUMNS)

        def add(shot: Shot) -> None:
            stem, part = frame_name(shot), "database" if shot.traversal == 0 else "queries"
            path, label_path, depth_path = _paths(folder / part, stem)
            Image.fromarray(shot.image).save(path, quality=config.jpeg_quality)
            Image.fromarray(shot.labels).save(label_path, compress_level=4)
            centimetres = np.round(shot.depth * 100).astype(np.uint16)
            Image.fromarray(centimetres).save(depth_path, compress_level=1)
            pose = shot.pose
            table.writerow((stem, part, shot.town, shot.traversal, shot.condition, shot.index,
                            f"{pose.easting:.4f}", f"{pose.northing:.4f}", pose.height,
                            f"{pose.heading_deg:.4f}"))  # fmt: skip

        yield add


def read_split(folder: Path, config: TownConfig) -> TownSplit:
    """Read a split's `poses.csv`.

    Raises:
        DataError: the table is missing or damaged.
    """
    table = folder / "poses.csv"
    frames: dict[str, list[TownFrame]] = {"database": [], "queries": []}
    try:
        with table.open(newline="") as stream:
            for row in csv.DictReader(stream):
                path, label_path, depth_path = _paths(folder / row["folder"], row["name"])
                pose = Pose(*(_number(row[c]) for c in _COLUMNS[6:]))
                frames[row["folder"]].append(
                    TownFrame(path, label_path, depth_path, int(row["town"]),
                              int(row["traversal"]), row["condition"], int(row["index"]),
                              pose, config.camera)
                )  # fmt: skip
    except OSError as error:
        raise DataError(f"{table} could not be read; render the town again.") from error
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{table} is damaged; delete its folder and render again.") from error
    return TownSplit(config, tuple(frames["database"]), tuple(frames["queries"]))


def _paths(folder: Path, stem: str) -> tuple[Path, Path, Path]:
    return (
        folder / f"{stem}.jpg",
        folder / "labels" / f"{stem}.png",
        folder / "depth" / f"{stem}.png",
    )


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
