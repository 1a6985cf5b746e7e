"""Nordland: one railway journey by summer and by winter, frame i of both at the same place.

`summer.npz` and `winter.npz` hold `images`, uint8 [N, H, W], every tenth frame of the films, so
that the usual tolerance of 10 frames is 1 here.
"""

import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vpr_edge.datasets.images import Images
from vpr_edge.datasets.place_set import PlaceSet, as_positives
from vpr_edge.errors import DataError

Direction = Literal["winter->summer", "summer->winter"]
Part = Literal["train", "evaluation", "all"]
DIRECTIONS: tuple[Direction, ...] = ("winter->summer", "summer->winter")
PARTS: dict[str, slice] = {
    "train": slice(0, 2500),
    "evaluation": slice(2500, None),
    "all": slice(None),
}
"""Places of each part: networks are trained on the first 2,500 and judged on the rest."""


def load_nordland(
    folder: Path,
    direction: Direction = "winter->summer",
    part: Part = "evaluation",
    tolerance: int = 1,
) -> PlaceSet:
    """Read both seasons into memory.

    Args:
        folder: holds `summer.npz` and `winter.npz`.
        direction: "winter->summer" looks winter pictures up among those of summer.
        part: which places; the database is cut to them too.
        tolerance: a database frame up to so many indices away shows the query's place.

    Raises:
        DataError: a file is missing, cut short or of another kind, the seasons differ in length,
            the direction or part is unknown, or the drive is too short to have that part.
    """
    if direction not in DIRECTIONS or part not in PARTS:
        raise DataError(
            f"Nordland has no {direction!r} of part {part!r}; choose of {', '.join(DIRECTIONS)} "
            f"and of {', '.join(PARTS)}."
        )
    season_of_queries, season_of_database = direction.split("->")
    queries, database = (
        _season(folder / f"{season}.npz") for season in (season_of_queries, season_of_database)
    )
    if len(queries) != len(database):
        raise DataError(
            f"{folder} has {len(queries)} frames of {season_of_queries} but {len(database)} of "
            f"{season_of_database}; copy both files again."
        )
    places = range(len(database))[PARTS[part]]
    if not places:
        raise DataError(
            f"{folder} has {len(database)} places, of which none belong to the part {part!r}; "
            "choose the part 'all', or a longer drive."
        )
    names = tuple(f"{place:05d}" for place in places)
    last = len(places) - 1
    return PlaceSet(
        folder.resolve().name,
        Images(names, database[PARTS[part]]),
        Images(names, queries[PARTS[part]]),
        as_positives(
            range(max(0, i - tolerance), min(last, i + tolerance) + 1) for i in range(len(places))
        ),
        f"{direction}, tolerance {tolerance} frame{'s' * (tolerance != 1)}, "
        f"database {len(places)} ({part})",
        drives=(0,),
    )


def _season(path: Path) -> NDArray[np.uint8]:
    try:
        with np.load(path) as archive:
            images: NDArray[np.uint8] = archive["images"]
    except FileNotFoundError as error:
        raise DataError(f"{path} is absent; Nordland needs summer.npz and winter.npz.") from error
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is damaged ({error}); copy the file again.") from error
    pictures = images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)
    if images.dtype != np.uint8 or not pictures or not images.size:
        raise DataError(
            f"{path} holds {images.dtype} {list(images.shape)} as `images`; it must be uint8 "
            "[N, H, W] or [N, H, W, 3], and not empty."
        )
    return images
