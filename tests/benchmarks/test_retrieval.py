"""Figures of best matches, against scikit-learn, and their bootstrap intervals."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve

from vpr_edge.benchmarks.tasks.retrieval import FIGURES, Judged, figures, judge
from vpr_edge.errors import DataError
from vpr_edge.places.search import best


def drawn(seed: int, n: int = 200, steps: int = 1000) -> Judged:
    """Matches of which similar ones are more often right; few steps make many equal ones."""
    rng = np.random.default_rng(seed)
    similarity = np.round(rng.random(n) * steps) / steps
    rank = np.where(rng.random(n) < 0.2 + 0.75 * similarity, 0, rng.integers(1, 30, n))
    return Judged(similarity, rank)


@pytest.mark.parametrize("steps", [7, 100_000])
@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_scikit_learns_over_the_queries_that_have_an_answer(
    seed: int, steps: int
) -> None:
    judged = drawn(seed, steps=steps)
    right = judged.rank == 0
    # scikit-learn's recall ends at 1 where ours ends at recall@1.
    expected = average_precision_score(right, judged.similarity) * right.mean()
    assert figures(judged)["average_precision"].value == pytest.approx(expected)


@pytest.mark.parametrize("steps", [7, 100_000])
@pytest.mark.parametrize("seed", range(4))
def test_recall_at_full_precision_is_where_scikit_learns_curve_leaves_one(
    seed: int, steps: int
) -> None:
    judged = drawn(seed, steps=steps)
    right = judged.rank == 0
    precision, recall, _ = precision_recall_curve(right, judged.similarity)
    expected = recall[precision == 1].max() * right.mean()
    assert figures(judged)["recall_at_full_precision"].value == pytest.approx(expected)


def test_ranks_count_what_stands_before_the_first_right_answer() -> None:
    rng = np.random.default_rng(0)
    # Quarters, so that many are equal and the database's order decides.
    similarity = rng.integers(0, 4, (50, 30)) / 4
    positives = tuple(np.sort(rng.choice(30, rng.integers(0, 4), False)) for _ in range(50))
    judged = judge(similarity, positives)
    ranked = best(similarity.astype(np.float32), 30)
    kept = [k for k in range(50) if len(positives[k])]
    expected = [int(np.isin(ranked[k], positives[k]).argmax()) for k in kept]
    np.testing.assert_array_equal(judged.rank, expected)
    np.testing.assert_array_equal(judged.similarity, similarity[kept].max(1))


def test_intervals_hold_the_figure_and_are_as_wide_as_binomial_ones() -> None:
    judged = drawn(1, n=400)
    found = figures(judged)
    assert set(found) == set(FIGURES)
    assert all(figure.low <= figure.value <= figure.high for figure in found.values())
    recall = found["recall_at_1"]
    width = 2 * 1.96 * np.sqrt(recall.value * (1 - recall.value) / 400)
    assert recall.high - recall.low == pytest.approx(width, rel=0.15)
    assert figures(judged) == found, "the draws are repeated"


def test_a_set_without_any_answer_is_refused() -> None:
    with pytest.raises(DataError, match="no query has a positive"):
        judge(np.zeros((2, 3)), (np.zeros(0, np.int64),) * 2)
