"""Recall of ranked answers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import DataError

RECALL_AT = (1, 5, 10)


def recall_at(
    ranked: NDArray[np.int64],
    positives: Sequence[NDArray[np.int64]],
    ns: Sequence[int] = RECALL_AT,
) -> dict[int, float]:
    """Fraction of queries with a positive among the first N, for each N.

    Queries without positives are left out, as VPR-methods-evaluation (Berton) does.

    Args:
        ranked: int64 [Q, k], database indices, best first.
        positives: for each query the acceptable indices.
        ns: values of N; beyond k nothing more is found.

    Raises:
        DataError: no query has a positive.
    """
    hits = [np.isin(row, right) for row, right in zip(ranked, positives, strict=True) if len(right)]
    if not hits:
        raise DataError("no query has a positive in the database; check the tolerance and folder.")
    return {n: float(np.mean([hit[:n].any() for hit in hits])) for n in ns}
