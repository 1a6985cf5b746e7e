"""Figures of place recognition beyond recall, and how sure they are.

Every query has one best match with its similarity, right or wrong. Accepting matches from the most
similar down gives precision and recall; recall counts the queries that have an answer, so that its
largest value is recall@1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import DataError

FIGURES = (
    "recall_at_1",
    "recall_at_5",
    "recall_at_10",
    "average_precision",
    "recall_at_full_precision",
)
RECALL_AT = (1, 5, 10)
RESAMPLES = 1000
COVERAGE = 0.95


@dataclass(frozen=True)
class Judged:
    """What was found for each query that has an answer.

    Attributes:
        similarity: float64 [Q], of the best match.
        rank: int64 [Q], of the first right answer from 0 on; at least 10 where it is not among
            the first 10.
    """

    similarity: NDArray[np.float64]
    rank: NDArray[np.int64]


@dataclass(frozen=True)
class Figure:
    """A figure with the ends of its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def judge(similarity: NDArray[np.floating], positives: tuple[NDArray[np.int64], ...]) -> Judged:
    """Rank a database for each query.

    Args:
        similarity: [Q, N].
        positives: for each query the acceptable database indices; queries without are left out.

    Raises:
        DataError: no query has a positive.
    """
    kept = np.array([k for k, right in enumerate(positives) if len(right)], np.int64)
    if not len(kept):
        raise DataError("no query has a positive in the database; check the tolerance and folder.")
    ranks = []
    for k in kept:
        row = similarity[k]
        best = row[positives[k]].max()
        # Of equals the database's first stands first, as in `places.search.best`.
        first = positives[k][row[positives[k]] == best].min()
        ranks.append(int((row > best).sum() + (row[:first] == best).sum()))
    return Judged(similarity[kept].max(1).astype(np.float64), np.array(ranks, np.int64))


def figures(judged: Judged, seed: int = 0) -> dict[str, Figure]:
    """Every figure of `FIGURES` with its interval.

    The interval is that of the percentiles over `RESAMPLES` draws of as many queries with
    replacement (Efron and Tibshirani 1993).
    """
    n = len(judged.rank)
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    weights = np.concatenate([np.ones((1, n)), draws])
    values = _weighted(judged, weights)
    ends = (1 - COVERAGE) / 2
    return {
        name: Figure(float(found[0]), *(float(np.quantile(found[1:], q)) for q in (ends, 1 - ends)))
        for name, found in values.items()
    }


def _weighted(judged: Judged, weights: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """Every figure for each row of weights [B, Q] (how often a query counts)."""
    total = weights.sum(1)
    found = {f"recall_at_{n}": weights @ (judged.rank < n) / total for n in RECALL_AT}
    order = np.argsort(-judged.similarity, kind="stable")
    ranked = judged.similarity[order]
    # Matches of equal similarity are accepted together.
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    right = weights[:, order] * (judged.rank[order] == 0)
    hits = np.cumsum(right, 1)[:, last]
    accepted = np.cumsum(weights[:, order], 1)[:, last]
    precision = np.divide(hits, accepted, out=np.zeros_like(hits), where=accepted > 0)
    recall = hits / total[:, None]
    gained = np.diff(recall, axis=1, prepend=0.0)
    found["average_precision"] = (precision * gained).sum(1)
    whole = np.where(hits == accepted, recall, 0.0)
    # Beyond the first wrong match no threshold is wholly right again.
    found["recall_at_full_precision"] = whole.max(1)
    return found
