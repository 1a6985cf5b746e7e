"""The pictures a run trains on, in memory: places, photographs, labelled pictures.

Evaluation data never enters: no `test_*` photograph, no Nordland place from 2,500 on, no validation
part of CamVid, only the training towns, and neither the corridor nor SPED.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vpr_edge.datasets.town import default_cache, load_split, positives, render_town
from vpr_edge.errors import DataError
from vpr_edge.preprocessing import Preprocessing, read_image

Images = NDArray[np.uint8]
PHOTOGRAPH_SIZE = (240, 320)
NORDLAND_TRAINING_PLACES = 2500


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
    """Pictures uint8 [M, H, W, 3] with classes uint8 [M, H, W] (11 = ignore)."""

    images: Images
    labels: NDArray[np.uint8]


def town_places(fit: Preprocessing) -> PlaceSource:
    """Day against dusk, night, rain and fog in the rendered training towns."""
    split = load_split(render_town(default_cache()), "train")
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
    n = NORDLAND_TRAINING_PLACES
    images = []
    for season in ("summer", "winter"):
        with np.load(_existing(root / "vpr_nordland64" / f"{season}.npz")) as archive:
            images += [fit.fit(image) for image in archive["images"][:n]]
    index = np.arange(n)
    return PlaceSource(
        "nordland",
        np.stack(images),
        np.stack([index, index + n], axis=1),
        np.zeros(2 * n, np.int64),
        np.tile(index, 2).astype(np.float32),
        guard=3,
    )


def tower_places(root: Path, fit: Preprocessing) -> PlaceSource:
    """Neighbouring frames of the walks through a building; whole areas are one track."""
    folder = root / "places_ie_tower"
    with _existing(folder / "gt.csv").open(newline="") as stream:
        rows = sorted(csv.DictReader(stream), key=lambda row: row["image_path"])
    paths = [folder / row["image_path"].removeprefix("processed_frames/") for row in rows]
    video = [path.stem.rpartition("_frame_")[0] for path in paths]
    pairs = [
        (i, i + step)
        for step in (1, 2)
        for i in range(len(rows) - step)
        if video[i] == video[i + step]
    ]
    areas = {name: k for k, name in enumerate(sorted({row["label"] for row in rows}))}
    return PlaceSource(
        "tower",
        np.stack([fit.fit(read_image(path)) for path in paths]),
        np.array(pairs),
        np.array([areas[row["label"]] for row in rows]),
        np.zeros(len(rows), np.float32),
        guard=1,
    )


def photograph_places(photographs: Images, fit: Preprocessing) -> PlaceSource:
    """Each photograph is a place of its own; its pairs differ by augmentation alone."""
    index = np.arange(len(photographs))
    return PlaceSource(
        "photographs",
        np.stack([fit.fit(image) for image in photographs]),
        np.stack([index, index], axis=1),
        index,
        np.zeros(len(index), np.float32),
        guard=1,
    )


def load_photographs(root: Path) -> Images:
    """The photographs that may be trained on, uint8 [M, 240, 320, 3]."""
    paths = sorted((root / "natural_imagenet1000").rglob("*.jpg"))
    paths += [
        path
        for path in sorted((root / "natural_bsds500").rglob("*.jpg"))
        if not path.name.startswith("test_")
    ]
    if not paths:
        raise DataError(f"no photographs (natural_*/*.jpg) lie under {root}; check --data.")
    height, width = PHOTOGRAPH_SIZE
    return np.stack([Preprocessing(height, width).fit(_upright(read_image(p))) for p in paths])


def camvid_labelled(root: Path, fit: Preprocessing) -> LabelledSource:
    """The training part of CamVid."""
    paths = sorted((root / "camvid" / "train").glob("*.jpg"))
    if not paths:
        raise DataError(f"no CamVid pictures lie under {root / 'camvid'}; check --data.")
    labels = [paths[0].parents[1] / "trainannot" / f"{path.stem}.png" for path in paths]
    return _labelled(paths, labels, fit)


def town_labelled(fit: Preprocessing) -> LabelledSource:
    """The rendered training towns with their labels."""
    split = load_split(render_town(default_cache()), "train")
    frames = (*split.database, *split.queries)
    return _labelled([f.path for f in frames], [f.label_path for f in frames], fit)


def _labelled(paths: Sequence[Path], labels: Sequence[Path], fit: Preprocessing) -> LabelledSource:
    return LabelledSource(
        np.stack([fit.fit(read_image(path)) for path in paths]),
        np.stack(
            [
                np.asarray(
                    Image.open(_existing(path)).resize(
                        (fit.width, fit.height), Image.Resampling.NEAREST
                    )
                )
                for path in labels
            ]
        ),
    )


def _upright(image: Images) -> Images:
    """Portrait photographs are turned, so that no picture is squeezed to half its width."""
    return image if image.shape[1] >= image.shape[0] else np.rot90(image)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DataError(f"{path} is not here; check --data or leave the source out of the recipe.")
    return path
