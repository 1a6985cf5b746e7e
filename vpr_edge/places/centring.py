"""Descriptors without what all pictures of a drive share: its season, light and camera.

Schubert, Neubert and Protzel, "Unsupervised Learning Methods for Visual Place Recognition in
Discretely and Continuously Changing Environments" (ICRA 2020), standardise the descriptors of map
and drive each by their own statistics. Here the mean alone is subtracted, and lengths are 1 again.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import DataError
from vpr_edge.places.sequence_matching import frames_before

MAP_FRAMES = 10
"""As so many frames of the drive the map's mean counts, in the mean of the queries so far."""
Centring = Literal["none", "drive", "so far"]
TERMS: dict[Centring, str] = {
    "none": "",
    "drive": ", each traversal centred",
    "so far": ", centred by the queries so far",
}
"""What is added to the terms of a recall."""


def centred(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Descriptors float32 [N, D] less their mean, of length 1 each."""
    return _unit(vectors - vectors.mean(axis=0))


def centred_so_far(
    queries: NDArray[np.float32], map_mean: NDArray[np.float32], starts: Sequence[int]
) -> NDArray[np.float32]:
    """Descriptors less the mean of their drive up to and with them, of length 1 each.

    At the beginning of a drive its mean is not known; the map's then stands for it, and goes on
    counting as `MAP_FRAMES` frames do.

    Args:
        queries: float32 [Q, D], in order of travel.
        map_mean: float32 [D], mean descriptor of the database.
        starts: ascending indices of the queries at which a drive begins, the first 0.

    Returns:
        float32 [Q, D].
    """
    before = frames_before(len(queries), starts)
    sums = np.pad(np.cumsum(queries, axis=0, dtype=np.float64), ((1, 0), (0, 0)))
    totals = sums[1:] - sums[np.arange(len(queries)) - before] + MAP_FRAMES * map_mean
    return _unit((queries - totals / (before[:, None] + 1 + MAP_FRAMES)).astype(np.float32))


def centred_pair(
    database: NDArray[np.float32],
    queries: NDArray[np.float32],
    how: Centring,
    starts: Sequence[int],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both traversals as `how` says: left as they are, by the mean of each drive, or causally.

    Queries of which no drives are known are taken for one.
    """
    if how == "none":
        return database, queries
    if how == "drive":
        drives = np.split(queries, starts[1:])
        return centred(database), np.concatenate([centred(drive) for drive in drives])
    return centred(database), centred_so_far(queries, database.mean(axis=0), starts)


def check_order(how: Centring, starts: Sequence[int], name: str) -> None:
    """Refuse to centre by the queries so far where they are in no order of travel.

    Args:
        how: how is to be centred.
        starts: indices of the queries at which a drive begins; empty where that is not known.
        name: of the data set.

    Raises:
        DataError: the data set declares no drives.
    """
    if how == "so far" and not starts:
        raise DataError(
            f"the pictures of {name} are in no order of travel, so none came before another; give "
            "--centre in place of --centre-so-far, or a drive such as Nordland's."
        )


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
