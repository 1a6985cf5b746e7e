"""Sequences: against the definition written as loops, on drives made by hand, and on Nordland."""

from pathlib import Path

import numpy as np
import pytest

from vpr_edge.benchmarks.tasks.places import evaluate_sequences, hog_descriptor
from vpr_edge.datasets.images import Images
from vpr_edge.datasets.nordland import load_nordland
from vpr_edge.datasets.place_set import PlaceSet, as_positives
from vpr_edge.datasets.sped import load_sped
from vpr_edge.errors import DataError
from vpr_edge.places.search import best
from vpr_edge.places.sequence_matching import averaged, frames_before, trajectory_similarity


def _similarity(queries: int, places: int, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).uniform(-1, 1, (queries, places))
    return values.astype(np.float32)


def _by_loops(
    similarity: np.ndarray, length: int, starts: tuple[int, ...], velocities: tuple[float, ...]
) -> np.ndarray:
    result = np.zeros_like(similarity)
    for i in range(similarity.shape[0]):
        begin = max(start for start in starts if start <= i)
        for j in range(similarity.shape[1]):
            means = []
            for v in velocities:
                terms = [
                    similarity[i - k, max(j - round(v * k), 0)]
                    for k in range(length)
                    if i - k >= begin
                ]
                means.append(np.mean(terms))
            result[i, j] = max(means)
    return result


@pytest.mark.parametrize("length", [1, 2, 5, 30])
def test_trajectories_are_those_of_the_definition(length: int) -> None:
    similarity, starts, velocities = _similarity(17, 23), (0, 4, 11), (0.5, 1.0, 1.7)
    found = trajectory_similarity(similarity, length, starts, velocities)
    expected = _by_loops(similarity, length, starts, velocities)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_sequence_of_one_changes_nothing() -> None:
    similarity = _similarity(6, 9)
    np.testing.assert_array_equal(trajectory_similarity(similarity, 1), similarity)
    vectors = similarity / np.linalg.norm(similarity, axis=1, keepdims=True)
    np.testing.assert_allclose(averaged(vectors, 1), vectors, atol=1e-6)


def test_averages_end_at_their_frame_and_stop_where_their_drive_begins() -> None:
    vectors = np.eye(6, dtype=np.float32)
    assert frames_before(6, (0, 4)).tolist() == [0, 1, 2, 3, 0, 1]
    found = averaged(vectors, 3, (0, 4)) > 0
    seen = [np.flatnonzero(row).tolist() for row in found]
    assert seen == [[0], [0, 1], [0, 1, 2], [1, 2, 3], [4], [4, 5]]
    np.testing.assert_allclose(np.linalg.norm(averaged(vectors, 3), axis=1), 1, atol=1e-6)


def test_a_slower_drive_through_alike_places_is_told_by_its_trajectory() -> None:
    random = np.random.default_rng(3)
    database = random.normal(size=(200, 16)).astype(np.float32)
    truth = np.arange(40, 112, 1.2).round().astype(int)  # 1.2 database frames a query
    queries = database[truth] + 1.4 * random.normal(size=(len(truth), 16)).astype(np.float32)
    cosines = queries @ database.T / np.linalg.norm(queries, axis=1)[:, None]
    cosines /= np.linalg.norm(database, axis=1)
    single = (np.abs(best(cosines, 1)[:, 0] - truth) <= 1).mean()
    along = (np.abs(best(trajectory_similarity(cosines, 10), 1)[:, 0] - truth) <= 1).mean()
    level = trajectory_similarity(cosines, 10, velocities=(1.0,))
    assert single + 0.2 < along
    assert (np.abs(best(level, 1)[:, 0] - truth) <= 1).mean() + 0.1 < along


def test_sequences_raise_hog_on_nordland(shared: Path) -> None:
    places = load_nordland(shared / "vpr_nordland64", part="evaluation")
    single, along, means = evaluate_sequences(hog_descriptor, places, 10, (1,))
    assert single.recall[1] > 0.35 and along.recall[1] > single.recall[1] + 0.25
    assert means.recall[1] < along.recall[1]
    assert along.terms == f"{places.terms}, sequence of 10 (trajectory)"


def test_unordered_pictures_form_no_sequences(data_sets: Path) -> None:
    images = Images(("a",), np.zeros((1, 8, 8), np.uint8))
    unordered = PlaceSet("album", images, images, as_positives([[0]]), "")
    with pytest.raises(DataError, match="album are in no order of travel"):
        evaluate_sequences(hog_descriptor, unordered, 2)
    assert load_sped(data_sets / "vpr_sped").drives == ()
