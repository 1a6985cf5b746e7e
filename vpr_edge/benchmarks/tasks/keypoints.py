"""Keypoints judged by homographies: the protocol of SuperPoint (2018) as KP2D (2020) runs it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple

import numpy as np
from numpy.typing import NDArray

from vpr_edge.datasets.homographies import HomographyPair
from vpr_edge.errors import DataError
from vpr_edge.metrics.keypoints import SIZE, TOP_K, Keypoints, KeypointScores, score_pair

Detect = Callable[[NDArray[np.uint8]], Keypoints]
"""From a picture uint8 [H, W, 3] to its keypoints."""


def evaluate_keypoints(
    detect: Detect,
    pairs: Iterable[HomographyPair],
    size: tuple[int, int] = SIZE,
    top_k: int = TOP_K,
) -> KeypointScores:
    """Mean scores over pairs, both views stretched to `size` = (height, width) first.

    Raises:
        DataError: there are no pairs.
    """
    (scores,) = evaluate_readings(lambda image: (detect(image),), pairs, size, top_k)
    return scores


def evaluate_readings(
    read: Callable[[NDArray[np.uint8]], tuple[Keypoints, ...]],
    pairs: Iterable[HomographyPair],
    size: tuple[int, int] = SIZE,
    top_k: int = TOP_K,
) -> tuple[KeypointScores, ...]:
    """Mean scores of each of the ways in which `read` finds keypoints of one picture.

    Raises:
        DataError: there are no pairs.
    """
    scores = []
    for given in pairs:
        pair = given.resized(size)
        found = zip(read(pair.image_a), read(pair.image_b), strict=True)
        scores.append([score_pair(*views, pair.homography, size, top_k) for views in found])
    if not scores:
        raise DataError("there are no pairs of pictures to judge keypoints on; check --data.")
    return tuple(_mean(reading) for reading in zip(*scores, strict=True))


def _mean(scores: Sequence[KeypointScores]) -> KeypointScores:
    table = np.array([astuple(score) for score in scores])
    known = np.isfinite(table)
    means = np.divide(
        np.nansum(table, axis=0),
        known.sum(axis=0),
        out=np.full(table.shape[1], np.nan),
        where=known.any(axis=0),
    )
    return KeypointScores(*means.tolist())
