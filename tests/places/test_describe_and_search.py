"""The place vector and exact search against independent formulas and FAISS."""

import numpy as np
import pytest

from vpr_edge.errors import DataError, ModelError
from vpr_edge.places.describe import place_vector
from vpr_edge.places.search import rank


def _vectors(count: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(count, 24)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def test_place_vector_flattens_rows_then_columns_then_channels() -> None:
    plane = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    expected = np.array([plane[y, x, c] for y in range(2) for x in range(3) for c in range(4)])
    vector = place_vector(plane, {})
    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), rtol=1e-6)


def test_root_keeps_signs_and_comes_before_the_gain() -> None:
    cubes = np.array([[[-8.0, 27.0, 0.0, 64.0]]], np.float32)
    vector = place_vector(cubes, {"root": 3, "gain": [1, 2, 5, 0.5]})
    expected = np.array([-2, 6, 0, 2])
    np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-6)


def test_gain_for_each_channel_or_each_element() -> None:
    plane = np.ones((1, 2, 2), np.float32)
    by_channel = place_vector(plane, {"root": None, "gain": [3, 4]})
    np.testing.assert_allclose(by_channel, np.array([3, 4, 3, 4]) / np.sqrt(50), rtol=1e-6)
    by_element = place_vector(plane, {"gain": [1, 2, 2, 4]})
    np.testing.assert_allclose(by_element, np.array([1, 2, 2, 4]) / 5, rtol=1e-6)


def test_an_empty_map_gives_zeros_and_a_strange_transform_is_refused() -> None:
    plane = np.zeros((1, 1, 4), np.float32)
    assert not place_vector(plane, {"root": 3}).any()
    with pytest.raises(ModelError, match="3 gains for a map of"):
        place_vector(plane, {"gain": [1, 2, 3]})
    with pytest.raises(ModelError, match="root 2"):
        place_vector(plane, {"root": 2})


def test_rank_equals_faiss_across_batches() -> None:
    faiss = pytest.importorskip("faiss", reason="FAISS is the oracle: pip install faiss-cpu")
    database, queries = _vectors(500, 0), _vectors(2100, 1)
    index = faiss.IndexFlatIP(database.shape[1])
    index.add(database)
    similarity, expected = index.search(queries, 10)
    found = rank(queries, database, 10)
    ours = np.einsum("qd,qkd->qk", queries, database[found])
    np.testing.assert_allclose(ours, similarity, atol=1e-6)
    assert (found == expected).mean() > 0.999  # near-ties may swap


def test_rank_keeps_the_order_of_equals_and_stops_at_the_end() -> None:
    database = np.repeat(_vectors(1, 2), 5, axis=0)
    assert rank(database[:1], database, 9).tolist() == [[0, 1, 2, 3, 4]]
    with pytest.raises(DataError, match="24 values but the database's 23"):
        rank(database, database[:, :23], 1)
