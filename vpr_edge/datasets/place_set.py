"""What a place recognition benchmark is made of: two traversals and who shows whose place."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vpr_edge.datasets.images import Images


@dataclass(frozen=True, eq=False)
class PlaceSet:
    """A database of pictures, queries, and the right answers.

    Attributes:
        name: of the data set.
        database: the pictures that are searched.
        queries: the pictures that are looked up.
        positives: for each query the acceptable database indices, int64, ascending.
        terms: direction, tolerance and database size, to be printed beside every recall.
        drives: indices of the queries at which a drive begins, where queries and database are in
            order of travel; empty where that is not known.
    """

    name: str
    database: Images
    queries: Images
    positives: tuple[NDArray[np.int64], ...]
    terms: str
    drives: tuple[int, ...] = ()


def as_positives(found: Iterable[Iterable[int]]) -> tuple[NDArray[np.int64], ...]:
    """Sorted int64 arrays from any collections of indices."""
    return tuple(np.array(sorted(indices), np.int64) for indices in found)
