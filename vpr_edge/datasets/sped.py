"""SPED's layout: `gt.csv` pairs each query with its one reference (columns `place,query,ref`).

SPED (Chen et al. 2018) shows places under strong appearance change. The crops of place 115 are 15
pixels high, a strip of caption without a place in it; pairs so low are left out.
"""

from pathlib import Path

from PIL import Image

from vpr_edge.datasets.images import Images
from vpr_edge.datasets.place_set import PlaceSet, as_positives
from vpr_edge.datasets.table import existing, read_table
from vpr_edge.errors import DataError

COLUMNS = ("place", "query", "ref")
LEAST_HEIGHT = 32
"""Pixels; pairs of which one picture is lower are left out."""


def load_sped(folder: Path) -> PlaceSet:
    """Read `gt.csv` and list the images; they are read when asked for.

    Raises:
        DataError: a file is missing, `gt.csv` names an absent one, or one is not an image.
    """
    table = folder / "gt.csv"
    rows = read_table(table, COLUMNS)
    pairs = [
        (existing(table, folder / row["query"]), existing(table, folder / row["ref"]))
        for row in rows
    ]
    kept = [pair for pair in pairs if min(_height(path) for path in pair) >= LEAST_HEIGHT]
    left_out = f" ({len(pairs) - len(kept)} too low, left out)" if len(kept) < len(pairs) else ""
    return PlaceSet(
        folder.resolve().name,
        Images.from_files([ref for _, ref in kept]),
        Images.from_files([query for query, _ in kept]),
        as_positives([i] for i in range(len(kept))),
        f"query->ref, one to one, database {len(kept)}{left_out}",
    )


def _height(path: Path) -> int:
    try:
        with Image.open(path) as picture:
            return picture.height
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"{path} is not a readable image ({error}); replace or remove the file."
        ) from error
