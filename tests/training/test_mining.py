"""Hard negatives: the most alike pictures of other places, never of the same."""

import numpy as np
import pytest

from vpr_edge.training.mining import HardNegatives, hard_pairs
from vpr_edge.training.sources import PlaceSource

PLACES, GUARD = 12, 3.0


@pytest.fixture(scope="module")
def drive() -> PlaceSource:
    """A street seen twice; picture i and picture PLACES + i show place i."""
    index = np.arange(PLACES)
    return PlaceSource(
        "street",
        np.zeros((2 * PLACES, 2, 2, 3), np.uint8),
        np.stack([index, index + PLACES], axis=1),
        np.zeros(2 * PLACES, np.int64),
        np.tile(index, 2).astype(np.float32),
        GUARD,
    )


def along_the_street() -> np.ndarray:
    """Descriptors that turn by 5 degrees a place: the nearest are always the neighbours."""
    angle = np.deg2rad(5 * np.tile(np.arange(PLACES), 2))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def test_no_negative_is_of_the_same_place_or_nearer_than_the_guard(drive: PlaceSource) -> None:
    found = hard_pairs(drive, along_the_street(), 4)
    assert (found[:, :2] >= 0).all()
    for picture, row in enumerate(found):
        gaps = np.abs(row[row >= 0] - picture % PLACES)
        # Those at the guard's distance are other places, and the most alike of them.
        assert gaps[0] == GUARD and (gaps >= GUARD).all()


def test_pictures_of_a_pair_are_no_negatives_however_far_apart(drive: PlaceSource) -> None:
    # Picture 0 is paired with the last one too: a loop that closes.
    pairs = np.concatenate([drive.pairs, [[0, 2 * PLACES - 1]]])
    track = np.repeat([0, 1], PLACES)
    loop = PlaceSource("loop", drive.images, pairs, track, drive.position, GUARD)
    vectors = along_the_street()
    vectors[2 * PLACES - 1] = vectors[0]
    partners = {0: {PLACES, 2 * PLACES - 1}, PLACES: {0}, 2 * PLACES - 1: {0, PLACES - 1}}
    found = hard_pairs(loop, vectors, 2 * PLACES)
    for picture, others in partners.items():
        ends = {int(end) for row in found[picture] if row >= 0 for end in pairs[row]}
        # A pair is drawn whole: one of its pictures may be that of a partner's other pair.
        of_pairs = {r for r in found[picture] if r >= 0 and set(pairs[r]) <= {picture, *others}}
        assert not of_pairs and ends


def test_pairs_are_drawn_from_the_table_and_where_it_is_empty_from_all() -> None:
    table = np.array([[3, 3], [5, 4], [-1, -1]])
    rng = np.random.default_rng(0)
    found = HardNegatives((table,)).alike(0, np.repeat([0, 1, 2], 200), 9, rng).reshape(3, 200)
    assert set(found[0]) == {3} and set(found[1]) == {4, 5} and set(found[2]) == set(range(9))
