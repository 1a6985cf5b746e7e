"""Recall: by hand, and the published baselines on the real sets."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vpr_edge.benchmarks.tasks.places import evaluate_places, hog_descriptor, thumbnail_descriptor
from vpr_edge.datasets.corridor import load_corridor
from vpr_edge.datasets.images import Images
from vpr_edge.datasets.nordland import load_nordland
from vpr_edge.datasets.place_set import PlaceSet, as_positives
from vpr_edge.datasets.sped import load_sped
from vpr_edge.errors import DataError
from vpr_edge.metrics.recall import recall_at


def test_recall_counts_a_positive_among_the_first_n() -> None:
    ranked = np.array([[4, 1, 2], [0, 3, 1], [2, 0, 4], [1, 2, 3]])
    positives = as_positives([[4], [1, 5], [3], [2, 3]])
    recall = recall_at(ranked, positives, (1, 2, 3))
    assert recall == {1: 0.25, 2: 0.5, 3: 0.75}


def test_queries_without_positives_are_left_out_and_counted() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (4, 24, 32, 3), np.uint8)
    images = Images(("a", "b", "c", "d"), pictures)
    places = PlaceSet("p", images, images, as_positives([[0], [], [1], [3]]), "terms")
    scores = evaluate_places(thumbnail_descriptor, places, (1,))
    assert scores.recall == {1: pytest.approx(2 / 3)}
    assert (scores.queries, scores.excluded, scores.terms) == (3, 1, "terms")
    with pytest.raises(DataError, match="no query has a positive"):
        recall_at(np.zeros((2, 1), np.int64), as_positives([[], []]))


def test_progress_reaches_the_total() -> None:
    images = Images(("a", "b"), np.zeros((2, 24, 32), np.uint8))
    seen: list[tuple[int, int]] = []
    places = PlaceSet("p", images, images, as_positives([[0], [1]]), "")
    evaluate_places(hog_descriptor, places, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_town_is_known_again_at_dusk_and_not_when_its_order_is_turned_round(
    data_sets: Path,
) -> None:
    places = load_corridor(data_sets / "vpr_corridor")
    for describe in (thumbnail_descriptor, hog_descriptor):
        found = evaluate_places(describe, places).recall
        assert 0.6 < found[1] <= found[5] <= found[10] <= 1
        turned = evaluate_places(describe, replace(places, positives=places.positives[::-1]))
        assert turned.recall[1] < 0.3
    centred = evaluate_places(hog_descriptor, places, centre="drive")
    assert centred.terms.endswith("each traversal centred")


def test_thumbnail_recall_is_the_one_published_for_these_files(shared: Path) -> None:
    sets = (
        (load_corridor(shared / "vpr_corridor"), 0.270),
        (load_sped(shared / "vpr_sped"), 0.237),
        (load_nordland(shared / "vpr_nordland64", part="all"), 0.073),
    )
    for places, published in sets:
        scores = evaluate_places(thumbnail_descriptor, places, (1,))
        assert scores.recall[1] == pytest.approx(published, abs=0.001), places.name


def test_hog_beats_the_thumbnail_and_gains_from_centring(shared: Path) -> None:
    places = load_corridor(shared / "vpr_corridor")
    thumbnail = evaluate_places(thumbnail_descriptor, places).recall
    plain, so_far, centred = (
        evaluate_places(hog_descriptor, places, centre=c) for c in ("none", "so far", "drive")
    )
    assert thumbnail[1] + 0.1 < plain.recall[1] < centred.recall[1] - 0.1
    assert plain.recall[1] < so_far.recall[1] < centred.recall[1]
    assert centred.terms.endswith("each traversal centred")
    assert so_far.terms.endswith("centred by the queries so far")
    assert plain.recall[1] <= plain.recall[5] <= plain.recall[10]
