"""One artefact on every place set of a folder: figures with intervals, and their macro average."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vpr_edge.benchmarks.rows import Row
from vpr_edge.benchmarks.tasks.frozen import centred_cells
from vpr_edge.benchmarks.tasks.places import Describe
from vpr_edge.benchmarks.tasks.retrieval import FIGURES, Figure, figures, judge
from vpr_edge.datasets.nordland import DIRECTIONS
from vpr_edge.datasets.place_set import PlaceSet
from vpr_edge.datasets.registry import find_data, load_places
from vpr_edge.errors import DataError
from vpr_edge.places.centring import Centring, centred_pair

MACRO = "macro average"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SuiteScores:
    """The figures of one set."""

    data: str
    terms: str
    queries: int
    found: dict[str, Figure]


def suite_sets(root: Path) -> tuple[PlaceSet, ...]:
    """Every place set below a folder, and the rendered test towns where they are cached.

    A subfolder counts that has a layout of places (see `datasets.registry.load_places`); Nordland
    counts in both directions.

    Raises:
        DataError: the folder is missing or holds none.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; give the one that holds the place sets.")
    found: list[PlaceSet] = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        directions = DIRECTIONS if (folder / "summer.npz").is_file() else DIRECTIONS[:1]
        try:
            found += [load_places(folder, direction) for direction in directions]
        except DataError:
            # What is no place set is a set of something else.
            continue
    if find_data("town"):
        found.append(load_places("town"))
    if not found:
        raise DataError(
            f"no folder below {root} is a place set; docs/data.md lists the layouts that are read."
        )
    return tuple(found)


def run_suite(
    describe: Describe,
    sets: tuple[PlaceSet, ...],
    progress: Progress | None = None,
    frozen: str = "",
    centre: bool = False,
) -> tuple[SuiteScores, ...]:
    """Judge a descriptor on every set; pictures that sets share are described once.

    Args:
        describe: from a picture to its vector.
        sets: of `suite_sets`.
        progress: called with the pictures done and in total.
        frozen: the teacher whose raw maps `describe` gives (see `benchmarks.frozen`); "" for none.
        centre: subtract the mean descriptor of each traversal, where the set is one.
    """
    total = sum(len(one.database) + len(one.queries) for one in sets)
    known: dict[int, NDArray[np.float32]] = {}
    scores, done = [], 0
    for one in sets:
        parts = []
        for images in (one.database, one.queries):
            vectors = []
            for image in images:
                # The same frames in the other direction have the same bytes.
                key = hash(image.tobytes())
                if key not in known:
                    known[key] = describe(image)
                vectors.append(known[key])
                done += 1
                if progress:
                    progress(done, total)
            parts.append(np.stack(vectors))
        database, queries = parts
        if frozen:
            database, queries = centred_cells(database, queries, frozen)
        if centre and one.drives:
            how: Centring = "drive"
            database, queries = centred_pair(database, queries, how, one.drives)
        judged = judge(queries @ database.T, one.positives)
        terms = one.terms + (", each traversal centred" if centre and one.drives else "")
        scores.append(SuiteScores(one.name, terms, len(judged.rank), figures(judged)))
    return tuple(scores)


def suite_rows(scores: tuple[SuiteScores, ...], artefact: str, device: str) -> list[Row]:
    """Every figure with both ends of its interval, and the macro average over the sets."""
    rows = []
    for one in scores:
        data = f"{one.data}, {one.terms}, {one.queries} queries"
        for name in FIGURES:
            figure = one.found[name]
            for suffix, value in (("", figure.value), ("_low", figure.low), ("_high", figure.high)):
                rows.append(
                    Row(artefact, device, data, f"{name}{suffix}", value, "fraction", "measured")
                )
    names = ", ".join(dict.fromkeys(one.data for one in scores))
    for name in FIGURES:
        mean = float(np.mean([one.found[name].value for one in scores]))
        data = f"{MACRO} of {len(scores)} sets: {names}"
        rows.append(Row(artefact, device, data, name, mean, "fraction", "measured"))
    return rows
