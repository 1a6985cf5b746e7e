"""Videos of walks through a building: `gt.csv` names each frame, its floor and its area.

A file's name is `<video>_frame_<number>.jpg`; frames of one video are neighbours in time.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vpr_edge.datasets.images import Images
from vpr_edge.datasets.table import existing, read_table
from vpr_edge.errors import DataError

COLUMNS = ("image_path", "label", "area")
_PREFIX = "processed_frames/"


@dataclass(frozen=True, eq=False)
class TowerVideo:
    """One walk.

    Attributes:
        stem: of the files' names, one a video.
        label: floor on which it was taken.
        area: of that floor.
        frames: in order of time.
    """

    stem: str
    label: str
    area: str
    frames: Images


def load_tower(folder: Path) -> tuple[TowerVideo, ...]:
    """The videos, sorted by stem.

    Raises:
        DataError: `gt.csv` is missing, names an absent file, or one without a frame number.
    """
    table = folder / "gt.csv"
    frames: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    about: dict[str, tuple[str, str]] = {}
    for row in read_table(table, COLUMNS):
        path = existing(table, folder / row["image_path"].removeprefix(_PREFIX))
        stem, _, number = path.stem.rpartition("_frame_")
        if not (stem and number.isdecimal()):
            raise DataError(f"{path} is not named <video>_frame_<number>; rename or remove it.")
        frames[stem].append((int(number), path))
        about[stem] = (row["label"], row["area"])
    return tuple(
        TowerVideo(stem, *about[stem], Images.from_files([path for _, path in sorted(found)]))
        for stem, found in sorted(frames.items())
    )


def split_by_stem(
    videos: Sequence[TowerVideo], held_out: float = 0.2
) -> tuple[tuple[TowerVideo, ...], tuple[TowerVideo, ...]]:
    """Divide the videos into training and held-out ones.

    Whole videos go to one side, since neighbouring frames are near-duplicates. A digest of the
    stem decides, so that a video stays on its side when others are added.

    Args:
        videos: of `load_tower`.
        held_out: about this fraction of the videos is held out, 0..1.
    """

    def is_held_out(video: TowerVideo) -> bool:
        digest = hashlib.sha256(video.stem.encode()).digest()
        return int.from_bytes(digest[:4], "big") < held_out * 2**32

    training = tuple(video for video in videos if not is_held_out(video))
    return training, tuple(video for video in videos if is_held_out(video))
