"""Exact search by cosine similarity."""

import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import DataError

_BATCH = 1024
"""Queries a matrix product; with a database of 100,000 it takes 0.4 GB."""


def rank(queries: NDArray[np.float32], database: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The `k` most similar database vectors of each query, best first.

    Equal similarities keep the order of the database (see `best`).

    Args:
        queries: float32 [Q, D], of length 1 each.
        database: float32 [N, D], likewise.
        k: how many; all of them where the database is smaller.

    Returns:
        int64 [Q, min(k, N)].

    Raises:
        DataError: the vectors of queries and database differ in length.
    """
    if queries.shape[1] != database.shape[1]:
        raise DataError(
            f"the queries' descriptors have {queries.shape[1]} values but the database's "
            f"{database.shape[1]}; describe both with the same model."
        )
    batches = range(0, max(len(queries), 1), _BATCH)
    return np.concatenate([best(queries[at : at + _BATCH] @ database.T, k) for at in batches])


def best(similarity: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The columns of the `k` largest values of each row, largest first.

    Of equal values those found stand in their order; which of those at the end are found is open.

    Args:
        similarity: float32 [Q, N].
        k: how many; all of them where there are fewer.

    Returns:
        int64 [Q, min(k, N)].
    """
    k = min(k, similarity.shape[1])
    found = np.sort(np.argpartition(-similarity, k - 1, axis=1)[:, :k], axis=1)
    order = np.argsort(-np.take_along_axis(similarity, found, axis=1), axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)
