"""Centred descriptors: against the mean written out, and without a look ahead."""

from itertools import pairwise

import numpy as np
import pytest

from vpr_edge.errors import DataError
from vpr_edge.places.centring import MAP_FRAMES, centred, centred_pair, centred_so_far, check_order


def drive(seed: int, frames: int, shared: float) -> np.ndarray:
    """Descriptors of length 1 of which `shared` is the same for the whole drive."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(frames, 24)) + shared * random.normal(size=24)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_what_a_whole_drive_shares_is_gone() -> None:
    found = centred(drive(0, 200, 3.0))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert np.linalg.norm(drive(0, 200, 3.0).mean(axis=0)) > 0.9
    assert np.linalg.norm(found.mean(axis=0)) < 0.1


def test_the_mean_so_far_is_that_of_the_own_drive_and_of_some_frames_of_the_map() -> None:
    queries, map_mean, starts = drive(1, 40, 2.0), drive(2, 1, 0.0)[0], (0, 7, 25)
    found = centred_so_far(queries, map_mean, starts)
    expected = []
    for begin, end in pairwise((*starts, 40)):
        for frame in range(begin, end):
            seen = [*[map_mean] * MAP_FRAMES, *queries[begin : frame + 1]]
            moved = queries[frame] - np.mean(seen, axis=0)
            expected.append(moved / np.linalg.norm(moved))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.array_equal(found[:30], centred_so_far(queries[:30], map_mean, starts))


def test_both_traversals_are_centred_as_asked() -> None:
    database, queries = drive(3, 50, 1.0), drive(4, 30, 1.0)
    untouched = centred_pair(database, queries, "none", ())
    assert untouched[0] is database and untouched[1] is queries
    for how, expected in (
        ("drive", centred(queries)),
        ("so far", centred_so_far(queries, database.mean(axis=0), (0,))),
    ):
        found = centred_pair(database, queries, how, (0,))
        np.testing.assert_array_equal(found[0], centred(database))
        np.testing.assert_array_equal(found[1], expected)
    by_day_and_night = centred_pair(database, queries, "drive", (0, 12))[1]
    np.testing.assert_array_equal(by_day_and_night[:12], centred(queries[:12]))
    np.testing.assert_array_equal(by_day_and_night[12:], centred(queries[12:]))
    np.testing.assert_array_equal(centred_pair(database, queries, "drive", ())[1], centred(queries))


def test_pictures_in_no_order_have_no_mean_so_far() -> None:
    check_order("drive", (), "album")
    with pytest.raises(DataError, match="album are in no order of travel"):
        check_order("so far", (), "album")
