"""Recall of place recognition, and the two simple descriptors every network has to beat."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vpr_edge.datasets.place_set import PlaceSet
from vpr_edge.metrics.recall import RECALL_AT, recall_at
from vpr_edge.places.centring import TERMS, Centring, centred_pair, check_order
from vpr_edge.places.search import best, rank
from vpr_edge.places.sequence_matching import averaged, check_sequence, trajectory_similarity

Describe = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From a picture uint8 [H, W, 3] to its descriptor float32 [D] of length 1."""


@dataclass(frozen=True)
class PlaceScores:
    """Recall with its terms.

    Attributes:
        data: name of the data set.
        terms: direction, tolerance, database size.
        recall: fraction of the queries with a right answer among the first N, by N.
        queries: how many were judged.
        excluded: queries without any positive, which were left out.
    """

    data: str
    terms: str
    recall: dict[int, float]
    queries: int
    excluded: int


def evaluate_places(
    describe: Describe,
    places: PlaceSet,
    ns: Sequence[int] = RECALL_AT,
    centre: Centring = "none",
    progress: Callable[[int, int], None] | None = None,
) -> PlaceScores:
    """Describe both traversals, search exactly, and count.

    Args:
        describe: the descriptor to be judged.
        places: the data set.
        ns: values of N.
        centre: subtract each traversal's mean descriptor first, which takes out what a season does
            to every picture. "drive" needs all queries beforehand, "so far" none but those that
            came before; the terms say which.
        progress: called with the pictures done and the pictures in total.

    Raises:
        DataError: "so far" is asked of pictures in no order of travel.
    """
    check_order(centre, places.drives, places.name)
    database, queries = _described(describe, places, progress)
    database, queries = centred_pair(database, queries, centre, places.drives)
    return _scores(places, places.terms + TERMS[centre], rank(queries, database, max(ns)), ns)


def evaluate_sequences(
    describe: Describe,
    places: PlaceSet,
    length: int,
    ns: Sequence[int] = RECALL_AT,
    progress: Callable[[int, int], None] | None = None,
    centre: Centring = "none",
) -> tuple[PlaceScores, ...]:
    """Recall of single frames, of trajectories and of averaged descriptors, in this order.

    The first queries of a drive, which have fewer frames before them, are judged by those.

    Args:
        describe: the descriptor to be judged.
        places: the data set.
        length: frames of a sequence.
        ns: values of N.
        progress: called with the pictures done and the pictures in total.
        centre: as `evaluate_places` takes it.

    Raises:
        DataError: the data set's pictures are in no order of travel.
    """
    check_sequence(length, places.drives, places.name)
    database, queries = _described(describe, places, progress)
    database, queries = centred_pair(database, queries, centre, places.drives)
    most = max(ns)
    along = trajectory_similarity(queries @ database.T, length, places.drives)
    means = averaged(queries, length, places.drives), averaged(database, length)
    return tuple(
        _scores(places, f"{places.terms}{TERMS[centre]}, {how}", ranked, ns)
        for how, ranked in (
            ("single frame", rank(queries, database, most)),
            (f"sequence of {length} (trajectory)", best(along, most)),
            (f"sequence of {length} (averaged descriptors)", rank(*means, most)),
        )
    )


def _described(
    describe: Describe, places: PlaceSet, progress: Callable[[int, int], None] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The descriptors of the database and of the queries."""
    total = len(places.database) + len(places.queries)
    vectors = []
    for images in (places.database, places.queries):
        for image in images:
            vectors.append(describe(image))
            if progress:
                progress(len(vectors), total)
    database, queries = np.split(np.stack(vectors), [len(places.database)])
    return database, queries


def _scores(
    places: PlaceSet, terms: str, ranked: NDArray[np.int64], ns: Sequence[int]
) -> PlaceScores:
    excluded = sum(len(right) == 0 for right in places.positives)
    return PlaceScores(
        places.name,
        terms,
        recall_at(ranked, places.positives, ns),
        len(places.queries) - excluded,
        excluded,
    )


def hog_descriptor(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Histograms of oriented gradients (Dalal and Triggs 2005) of the picture as 64x64 grey.

    Cells of 8x8 pixels, blocks of 16x16 that overlap by half, 9 orientations.

    Args:
        image: uint8 [H, W, 3].

    Returns:
        float32 [1764], of length 1.
    """
    hog = cv2.HOGDescriptor((64, 64), (16, 16), (8, 8), (8, 8), 9)
    return _unit(np.asarray(hog.compute(_grey(image, 64, 64))))


def thumbnail_descriptor(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The picture itself at 32x24 grey with zero mean: float32 [768], of length 1."""
    small = _grey(image, 24, 32).astype(np.float32)
    return _unit(small - small.mean())


def _grey(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = values.reshape(-1).astype(np.float32)
    return flat / max(float(np.linalg.norm(flat)), 1e-12)
