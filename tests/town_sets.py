"""Pictures of the built-in town, laid out as the data sets lie that the readers know."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vpr_edge.datasets.homographies import synthetic_homography_pairs

Picture = NDArray[np.uint8]


def _save(path: Path, picture: Picture) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def halved(picture: Picture) -> Picture:
    """Every other row and column."""
    return np.ascontiguousarray(picture[::2, ::2])


def write_corridor(folder: Path, frames: Sequence[Picture], tolerance: int = 2) -> Path:
    """Two drives past the same places: the first half of the frames, and the second.

    Args:
        folder: made.
        frames: uint8 [H, W, 3], an even number.
        tolerance: frames to either side that count as the place.
    """
    places = len(frames) // 2
    rows = ["query,ref_acceptable"]
    for i in range(places):
        _save(folder / "ref" / f"{i:03}.png", halved(frames[i]))
        _save(folder / "query" / f"{i:03}.png", halved(frames[places + i]))
        near = range(max(0, i - tolerance), min(places, i + tolerance + 1))
        rows.append(f"query/{i:03}.png,{' '.join(f'{j:03}' for j in near)}")
    (folder / "gt.csv").write_text("\n".join(rows) + "\n")
    return folder


def write_photographs(folder: Path, frames: Sequence[Picture]) -> Path:
    """Photographs named by split, the last of each laid upright."""
    splits = {"test": frames[:24:2], "train": frames[1:12:2], "val": frames[13:19:2]}
    for split, chosen in splits.items():
        for i, picture in enumerate(chosen):
            upright = np.rot90(picture) if i == len(chosen) - 1 else picture
            _save(folder / f"{split}_{i:02}.png", np.ascontiguousarray(upright))
    return folder


def write_views(folder: Path, picture: Picture, count: int = 5) -> Path:
    """One sequence in HPatches' layout, each view a random homography of the picture."""
    sequence = folder / "v_town"
    _save(sequence / "1.png", picture)
    for number, pair in enumerate(synthetic_homography_pairs([picture] * count, 3), start=2):
        _save(sequence / f"{number}.png", pair.image_b)
        np.savetxt(sequence / f"H_1_{number}", pair.homography)
    return folder


def write_seasons(folder: Path, places: int = 2504, size: tuple[int, int] = (8, 16)) -> Path:
    """A drive in Nordland's layout, longer than what is trained on: noise, and nearly the same."""
    rng = np.random.default_rng(8)
    summer = rng.integers(0, 256, (places, *size)).astype(np.uint8)
    winter = np.clip(summer.astype(int) + rng.integers(-20, 21, summer.shape), 0, 255)
    folder.mkdir(parents=True)
    np.savez(folder / "summer.npz", images=summer)
    np.savez(folder / "winter.npz", images=winter.astype(np.uint8))
    return folder


def write_pairs(folder: Path, frames: Sequence[Picture]) -> Path:
    """SPED's layout: one query and one reference a place; of place 2 only a strip is left."""
    rows = ["place,query,ref"]
    for i in range(len(frames) // 2):
        height = 20 if i == 2 else 120
        for part, picture in (("query", frames[2 * i]), ("ref", frames[2 * i + 1])):
            _save(folder / part / f"{i:04}.png", halved(picture)[:height])
        rows.append(f"{i},query/{i:04}.png,ref/{i:04}.png")
    (folder / "gt.csv").write_text("\n".join(rows) + "\n")
    return folder


def write_walks(folder: Path, frames: Sequence[Picture], walks: int = 12) -> Path:
    """The tower's layout: videos of three frames on two floors, their rows in no order."""
    rows = []
    for i in range(3 * walks):
        walk, number = i % walks, 9 + i // walks
        name = f"walk{walk:02}_frame_{number}.jpg"
        _save(folder / f"floor{walk % 2}" / name, halved(frames[i % len(frames)]))
        rows.append(f"processed_frames/floor{walk % 2}/{name},floor{walk % 2},hall")
    (folder / "gt.csv").write_text("\n".join(["image_path,label,area", *rows]) + "\n")
    return folder


def write_labelled(folder: Path, frames: Sequence[Picture], labels: Sequence[Picture]) -> Path:
    """CamVid's layout: two thirds to train with, a third to judge by."""
    for i, (picture, classes) in enumerate(zip(frames, labels, strict=True)):
        part = "val" if i % 3 == 2 else "train"
        _save(folder / part / f"{i:02}.png", picture)
        _save(folder / f"{part}annot" / f"{i:02}.png", classes)
    return folder
