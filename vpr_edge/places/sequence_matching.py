"""Recognition by a sequence of frames, without learning: trajectories, and averaged descriptors.

A single frame may look like many places; the last few seconds of a drive look like one. Both
methods are causal: a query is matched by itself and the frames before it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import DataError

VELOCITIES = (0.8, 0.9, 1.0, 1.1, 1.2)
"""Database frames a query frame, as Milford and Wyeth search them (SeqSLAM, ICRA 2012)."""


def frames_before(count: int, starts: Sequence[int]) -> NDArray[np.int64]:
    """How many earlier frames of its own drive each of `count` frames has, int64 [count].

    Args:
        count: frames of all drives together.
        starts: ascending indices at which a drive begins, the first 0.
    """
    frames, begins = np.arange(count), np.asarray(starts, np.int64)
    return frames - begins[np.searchsorted(begins, frames, side="right") - 1]


def trajectory_similarity(
    similarity: NDArray[np.float32],
    length: int,
    starts: Sequence[int] = (0,),
    velocities: Sequence[float] = VELOCITIES,
) -> NDArray[np.float32]:
    """The mean similarity along the best straight trajectory that ends at each pair of frames.

    SeqSLAM's search (Milford and Wyeth, ICRA 2012) on similarities in place of its differences:
    for query i and database frame j the mean over k < length of similarity[i - k, j - round(v k)],
    at the best velocity v. At the beginning of a drive the frames that there are count; before its
    own beginning the database repeats its first frame.

    Args:
        similarity: float32 [Q, N], queries and database in order of travel.
        length: frames of a sequence; 1 changes nothing.
        starts: indices of the queries at which a new drive begins.
        velocities: that are tried.

    Returns:
        float32 [Q, N].
    """
    queries, places = similarity.shape
    before = frames_before(queries, starts)
    terms = np.minimum(before + 1, length)[:, None].astype(np.float32)
    best = np.full_like(similarity, -np.inf)
    for velocity in velocities:
        total = similarity.copy()
        for back in range(1, length):
            rows = np.flatnonzero(before >= back)
            frames = np.maximum(np.arange(places) - round(velocity * back), 0)
            total[rows] += similarity[rows - back][:, frames]
        np.maximum(best, total / terms, out=best)
    return best


def averaged(
    vectors: NDArray[np.float32], length: int, starts: Sequence[int] = (0,)
) -> NDArray[np.float32]:
    """Each frame's descriptor replaced by the mean of the last `length` of its drive, normalised.

    The simplest descriptor of a sequence; it supposes that both drives went equally fast.

    Args:
        vectors: float32 [N, D] in order of travel, of length 1 each.
        length: frames of a sequence.
        starts: indices at which a new drive begins.

    Returns:
        float32 [N, D], of length 1 each.
    """
    first = np.arange(len(vectors)) - np.minimum(frames_before(len(vectors), starts), length - 1)
    sums = np.pad(np.cumsum(vectors, axis=0, dtype=np.float64), ((1, 0), (0, 0)))
    totals = sums[1:] - sums[first]
    norms = np.linalg.norm(totals, axis=1, keepdims=True)
    return (totals / np.maximum(norms, 1e-12)).astype(np.float32)


def check_sequence(length: int, starts: Sequence[int], name: str) -> None:
    """Refuse sequences of a data set whose frames are in no order of travel.

    Args:
        length: frames of a sequence.
        starts: indices of the queries at which a drive begins; empty where that is not known.
        name: of the data set.

    Raises:
        DataError: the length is below 1, or the data set declares no drives.
    """
    if length < 1:
        raise DataError(f"a sequence of {length} frames cannot be matched; give 1 or more.")
    if length > 1 and not starts:
        raise DataError(
            f"the pictures of {name} are in no order of travel, so they form no sequences; leave "
            "out --sequence, or give a drive such as Nordland's."
        )
