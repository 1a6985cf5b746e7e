"""The pictures a run trains on, in memory: places, photographs, labelled pictures.

Evaluation data never enters: no `test_*` photograph, no Nordland place from 2,500 on, no validation
part of CamVid, only the training towns, and neither the corridor nor SPED.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from vpr_edge.datasets.camvid import load_camvid
from vpr_edge.datasets.images import find_images
from vpr_edge.datasets.nordland import load_nordland
from vpr_edge.datasets.photographs import load_photographs
from vpr_edge.datasets.segmentation_set import IGNORE, Labels
from vpr_edge.datasets.table import existing, read_table
from vpr_edge.datasets.tower import load_tower
from vpr_edge.datasets.town.rendered import TownSplit, positives
from vpr_edge.errors import DataError
from vpr_edge.preprocessing import Preprocessing, read_image

Images = NDArray[np.uint8]
PHOTOGRAPH_SIZE = (240, 320)
SCENE_SIZE = (150, 150)
MANY = ("street", "buildings")
DEPTH_STEPS = 256
"""Steps of a metre in depth images, as in KITTI."""
WINDOWS = 4
"""Random parts of every photograph that are places beside the whole."""
BSDS_TRAINING_SPLITS: tuple[Literal["train", "val"], ...] = ("train", "val")


@dataclass(frozen=True)
class PlaceSource:
    """Pictures in which pairs show one place.

    Attributes:
        name: of the source.
        images: uint8 [M, H, W, 3].
        pairs: int64 [P, 2], indices of two pictures of one place.
        track: int64 [M]; pictures of different tracks never show one place.
        position: float32 [M], along the track.
        guard: pictures of one track nearer than this are neither positive nor negative.
    """

    name: str
    images: Images
    pairs: NDArray[np.int64]
    track: NDArray[np.int64]
    position: NDArray[np.float32]
    guard: float


@dataclass(frozen=True)
class LabelledSource:
    """Pictures with a class, and perhaps a depth, for each pixel.

    Attributes:
        name: of the source.
        images: uint8 [M, H, W, 3].
        labels: classes uint8 [M, H, W]; 11 = ignore.
        depth: metres float32 [M, H, W], 0 = unknown; None where the source has none.
    """

    name: str
    images: Images
    labels: NDArray[np.uint8]
    depth: NDArray[np.float32] | None = None


def town_places(split: TownSplit, fit: Preprocessing) -> PlaceSource:
    """Day against dusk, night, rain and fog in rendered training towns."""
    frames = (*split.database, *split.queries)
    offset = len(split.database)
    pairs = [(d, offset + q) for q, found in enumerate(positives(split)) for d in found[:3]]
    return PlaceSource(
        "town",
        np.stack([fit.fit(frame.image()) for frame in frames]),
        np.array(pairs),
        np.array([frame.town for frame in frames]),
        np.array([frame.index for frame in frames], np.float32),
        guard=4,
    )


def nordland_places(root: Path, fit: Preprocessing) -> PlaceSource:
    """Summer against winter of the first 2,500 Nordland places."""
    seasons = load_nordland(root / "vpr_nordland64", part="train")
    n = len(seasons.database)
    index = np.arange(n)
    return PlaceSource(
        "nordland",
        np.stack([fit.fit(image) for image in (*seasons.database, *seasons.queries)]),
        np.stack([index, index + n], axis=1),
        np.zeros(2 * n, np.int64),
        np.tile(index, 2).astype(np.float32),
        guard=3,
    )


def tower_places(root: Path, fit: Preprocessing) -> PlaceSource:
    """Neighbouring frames of the walks through a building; a whole floor is one track."""
    videos = load_tower(root / "places_ie_tower")
    floors = {name: k for k, name in enumerate(sorted({video.label for video in videos}))}
    lengths = [len(video.frames) for video in videos]
    starts = np.cumsum([0, *lengths])
    pairs = [
        (start + i, start + i + step)
        for start, length in zip(starts, lengths, strict=False)
        for step in (1, 2)
        for i in range(length - step)
    ]
    return PlaceSource(
        "tower",
        np.stack([fit.fit(image) for video in videos for image in video.frames]),
        np.array(pairs),
        np.repeat([floors[video.label] for video in videos], lengths),
        np.zeros(sum(lengths), np.float32),
        guard=1,
    )


def photograph_places(photographs: Images, fit: Preprocessing) -> PlaceSource:
    """Windows of photographs, each a place of its own; its pairs differ by augmentation alone.

    The whole photograph and `WINDOWS` random parts of it, every other one mirrored: the teacher
    has an answer for each, and a few thousand pictures more are what it takes to imitate it.
    Windows of one photograph may overlap, so they are neither positive nor negative.
    """
    rng = np.random.default_rng(0)
    images = []
    for photograph in photographs:
        height, width = photograph.shape[:2]
        images.append(fit.fit(photograph))
        for number in range(WINDOWS):
            scale = rng.uniform(0.45, 0.9)
            h, w = int(height * scale), int(width * scale)
            top, left = rng.integers(height - h + 1), rng.integers(width - w + 1)
            window = fit.fit(np.ascontiguousarray(photograph[top : top + h, left : left + w]))
            images.append(window[:, ::-1] if number % 2 else window)
    index = np.arange(len(images))
    return PlaceSource(
        "photographs",
        np.stack(images),
        np.stack([index, index], axis=1),
        index // (WINDOWS + 1),
        np.zeros(len(index), np.float32),
        guard=1,
    )


def training_photographs(root: Path) -> Images:
    """The photographs that may be trained on, uint8 [M, 240, 320, 3]."""
    height, width = PHOTOGRAPH_SIZE
    fit = Preprocessing(height, width).fit
    photographs = [*load_photographs(root / "natural_imagenet1000")]
    for split in BSDS_TRAINING_SPLITS:
        photographs += load_photographs(root / "natural_bsds500", split)
    return np.stack([fit(_upright(image)) for image in photographs])


def scene_photographs(root: Path) -> Images:
    """Photographs of streets, buildings, forests and mountains, uint8 [M, 150, 150, 3].

    A third of them, chosen so that the classes are about as many.
    """
    folder = root / "natural_scenes"
    rows = read_table(folder / "gt.csv", ("image", "class"))
    kept = [row for k, row in enumerate(rows) if k % (4 if row["class"] in MANY else 2) == 0]
    fit = Preprocessing(*SCENE_SIZE).fit
    paths = [existing(folder / "gt.csv", folder / row["image"]) for row in kept]
    return np.stack([fit(read_image(path)) for path in paths])


def camvid_labelled(root: Path, fit: Preprocessing) -> LabelledSource:
    """The training part of CamVid."""
    camvid = load_camvid(root / "camvid", "train")
    return _labelled("camvid", camvid.images, camvid.labels, fit)


def town_labelled(split: TownSplit, fit: Preprocessing, with_depth: bool) -> LabelledSource:
    """Rendered training towns with their labels, and their depth if it is asked for."""
    frames = (*split.database, *split.queries)
    depth = [frame.depth() for frame in frames] if with_depth else None
    return _labelled("town", [f.image() for f in frames], [f.labels() for f in frames], fit, depth)


def folder_labelled(folder: str, fit: Preprocessing) -> LabelledSource:
    """Pictures `train/*` with classes `trainannot/*.png`, depth `traindepth/*.png`, or both.

    The layout of CamVid; depth is uint16, metres * 256, 0 = unknown, as KITTI has it. `vpr-edge
    pseudo-label` writes such folders.

    Raises:
        DataError: the folder is missing, or a picture has neither classes nor depth.
    """
    root = Path(folder)
    paths = find_images(root / "train")
    images, labels, depths = [], [], []
    for path in paths:
        label, depth = (root / part / f"{path.stem}.png" for part in ("trainannot", "traindepth"))
        if not (label.is_file() or depth.is_file()):
            raise DataError(
                f"{path} has no labels: neither {label} nor {depth} is there; copy the folder "
                "again, or remove the picture."
            )
        image = read_image(path)
        images.append(image)
        labels.append(
            Labels((label,))[0] if label.is_file() else np.full(image.shape[:2], IGNORE, np.uint8)
        )
        depths.append(_read_depth(depth) if depth.is_file() else np.zeros(image.shape[:2]))
    return _labelled(folder, images, labels, fit, depths)


def _read_depth(path: Path) -> NDArray[np.float32]:
    depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if depth is None or depth.dtype != np.uint16 or depth.ndim != 2:
        raise DataError(
            f"{path} is not a depth image; it must be a PNG of one channel of 16 bits, metres * "
            f"{DEPTH_STEPS}."
        )
    return (depth / DEPTH_STEPS).astype(np.float32)


def _labelled(
    name: str,
    images: Iterable[Images],
    labels: Iterable[NDArray[np.uint8]],
    fit: Preprocessing,
    depth: Iterable[NDArray[np.floating]] | None = None,
) -> LabelledSource:
    size = (fit.width, fit.height)

    def nearest(maps: Iterable[NDArray[Any]], kind: Any) -> NDArray[Any]:
        small = [cv2.resize(m, size, interpolation=cv2.INTER_NEAREST) for m in maps]
        return np.stack(small).astype(kind)

    return LabelledSource(
        name,
        np.stack([fit.fit(image) for image in images]),
        nearest(labels, np.uint8),
        None if depth is None else nearest(depth, np.float32),
    )


def _upright(image: Images) -> Images:
    """Portrait photographs are turned, so that no picture is squeezed to half its width."""
    return image if image.shape[1] >= image.shape[0] else np.rot90(image)


def spread_pictures(sources: Sequence[PlaceSource], count: int) -> list[Images]:
    """About so many pictures uint8 [H, W, 3], an equal share of each source, evenly spread."""
    share = count // len(sources)
    return [
        source.images[k]
        for source in sources
        for k in np.unique(np.linspace(0, len(source.images) - 1, share).astype(int))
    ]
