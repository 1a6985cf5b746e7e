"""The keypoint protocol on cases with a known answer, and SIFT and ORB on real pictures."""

from pathlib import Path

import numpy as np
import pytest

from vpr_edge.benchmarks.tasks.keypoint_sources import (
    decode_keypoints,
    orb_keypoints,
    sift_keypoints,
)
from vpr_edge.benchmarks.tasks.keypoints import evaluate_keypoints
from vpr_edge.datasets.homographies import (
    HomographyPair,
    random_homography,
    read_homography_pairs,
    synthetic_homography_pairs,
)
from vpr_edge.datasets.photographs import load_photographs
from vpr_edge.errors import DataError
from vpr_edge.metrics.keypoints import Keypoints, score_pair, warp

SIZE = (240, 320)


def scattered(seed: int, count: int = 150) -> Keypoints:
    """Points at least 12 px apart, each with a descriptor of its own."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(10, 310, 16), np.arange(10, 230, 16)), -1).reshape(-1, 2)
    xy = rng.permutation(grid)[:count] + rng.uniform(-2, 2, (count, 2))
    descriptor = rng.normal(size=(count, 32))
    return Keypoints(
        xy.astype(np.float32),
        np.linspace(1, 0, count, dtype=np.float32),
        (descriptor / np.linalg.norm(descriptor, axis=1, keepdims=True)).astype(np.float32),
    )


def moved(points: Keypoints, homography: np.ndarray) -> Keypoints:
    """The points as a perfect detector finds them in the other view."""
    xy = warp(points.xy, homography).astype(np.float32)
    inside = np.flatnonzero(((xy >= 0) & (xy <= (319, 239))).all(axis=1))
    return Keypoints(xy, points.score, points.descriptor).take(inside)


def test_the_same_view_twice_is_perfect() -> None:
    points = scattered(0)
    scores = score_pair(points, points, np.eye(3), SIZE)
    assert scores.repeatability == scores.matching_score == 1
    assert scores.localization_error_px == pytest.approx(0, abs=1e-9)
    assert scores.homography_d1 == scores.homography_d3 == scores.homography_d5 == 1


@pytest.mark.parametrize("seed", range(4))
def test_points_moved_by_the_homography_are_perfect_however_it_is_scaled(seed: int) -> None:
    homography = random_homography(np.random.default_rng(seed), SIZE)
    points = scattered(seed)
    scores = score_pair(points, moved(points, homography), -3 * homography, SIZE)
    assert scores.repeatability == scores.matching_score == scores.homography_d1 == 1
    assert scores.localization_error_px < 1e-3


def test_a_shift_of_two_pixels_is_the_localisation_error_and_of_four_is_no_repeat() -> None:
    points = scattered(1)

    def shifted(by: float) -> Keypoints:
        return moved(points, np.array([[1.0, 0, by], [0, 1, 0], [0, 0, 1]]))

    near, far = (score_pair(points, shifted(by), np.eye(3), SIZE) for by in (2.0, 4.0))
    assert near.repeatability == 1 and near.localization_error_px == pytest.approx(2, abs=1e-4)
    assert (near.homography_d1, near.homography_d3, near.homography_d5) == (0, 1, 1)
    assert far.repeatability == far.matching_score == 0 and np.isnan(far.localization_error_px)
    assert (far.homography_d3, far.homography_d5) == (0, 1)


def test_half_of_the_points_repeated_counts_from_both_sides() -> None:
    points = scattered(2, 100)
    half = points.take(np.arange(50))
    scores = score_pair(points, half, np.eye(3), SIZE)
    assert scores.repeatability == pytest.approx((50 + 50) / (100 + 50))
    assert scores.matching_score == pytest.approx((0.5 + 1) / 2)


def test_points_that_the_other_view_cannot_see_do_not_count() -> None:
    points = scattered(3)
    half_away = np.array([[1.0, 0, 160], [0, 1, 0], [0, 0, 1]])
    other = moved(points, half_away)
    assert 0 < len(other) < len(points)
    scores = score_pair(points, other, half_away, SIZE)
    assert scores.repeatability == scores.matching_score == 1


def test_shuffled_descriptors_ruin_the_matches_but_not_the_repeatability() -> None:
    points = scattered(4)
    other = Keypoints(points.xy, points.score, np.roll(points.descriptor, 1, axis=0))
    scores = score_pair(points, other, np.eye(3), SIZE)
    assert scores.repeatability == 1 and scores.matching_score == scores.homography_d5 == 0


def test_only_the_strongest_of_the_shared_points_are_judged() -> None:
    points = scattered(5, 100)
    other = Keypoints(points.xy[::-1], points.score, points.descriptor[::-1])
    assert score_pair(points, other, np.eye(3), SIZE, top_k=50).repeatability == 0
    assert score_pair(points, other, np.eye(3), SIZE, top_k=100).repeatability == 1


@pytest.mark.parametrize(("corner_px", "within"), [(0.9993, 1), (1.0007, 0)])
def test_the_corners_are_the_centres_of_the_corner_pixels(corner_px: float, within: int) -> None:
    points = scattered(7)
    # Grown about the first pixel's centre, whose corner stays while the other three move.
    reach = (319 + np.hypot(319, 239) + 239) / 4
    grown = moved(points, np.diag([1 + corner_px / reach, 1 + corner_px / reach, 1]))
    assert score_pair(points, grown, np.eye(3), SIZE).homography_d1 == within


def test_the_homography_is_estimated_from_all_matches_within_three_pixels() -> None:
    points = scattered(8)
    # Every other one 1.2 px to the left, the others to the right: in the mean where they are.
    away = np.where(np.random.default_rng(8).permutation(len(points)) % 2, 1.2, -1.2)
    xy = points.xy + np.stack([away, 0 * away], axis=1).astype(np.float32)
    scores = score_pair(points, Keypoints(xy, points.score, points.descriptor), np.eye(3), SIZE)
    assert scores.homography_d1 == 1
    assert scores.localization_error_px == pytest.approx(1.2, abs=1e-4)


def test_a_keypoint_silences_those_nearer_than_the_radius_and_not_those_at_it() -> None:
    score = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    location, descriptor = np.zeros((3, 4, 2), np.float32), np.ones((3, 4, 2), np.float32)
    for radius, kept in ((8.0, 12), (8.001, 6)):
        found = decode_keypoints(
            score, location, descriptor, nms_radius=radius, border=0, top_k=None
        )
        assert len(found) == kept


def test_a_view_without_keypoints_scores_zero_and_no_pairs_is_an_error() -> None:
    points = scattered(6)
    nothing = points.take(np.zeros(0, np.int64))
    for a, b in ((points, nothing), (nothing, points), (nothing, nothing)):
        scores = score_pair(a, b, np.eye(3), SIZE)
        assert scores.repeatability == scores.matching_score == scores.homography_d5 == 0
    with pytest.raises(DataError, match="no pairs"):
        evaluate_keypoints(sift_keypoints, [])


def test_decoding_puts_zero_offsets_at_cell_centres_and_full_ones_half_a_cell_beyond() -> None:
    score = np.full((3, 4, 1), -9.0, np.float32)
    location = np.zeros((3, 4, 2), np.float32)
    score[1, 1], score[1, 2] = 3.0, 1.0
    location[1, 2] = (30.0, -30.0)
    descriptor = np.zeros((3, 4, 5), np.float32)
    descriptor[1, 1, 2] = 7.0
    found = decode_keypoints(score, location, descriptor, border=0, threshold=0.5)
    np.testing.assert_allclose(found.xy, [[11.5, 11.5], [19.5 + 8, 11.5 - 8]], atol=1e-5)
    np.testing.assert_allclose(found.score, 1 / (1 + np.exp([-3.0, -1.0])), rtol=1e-6)
    np.testing.assert_allclose(found.descriptor[0], [0, 0, 1, 0, 0], atol=1e-6)


def test_decoded_descriptors_equal_torch_grid_sample() -> None:
    torch = pytest.importorskip("torch", reason="torch is the oracle: install the extra [train]")
    rng = np.random.default_rng(8)
    score, location, descriptor = (
        rng.normal(size=(6, 9, c)).astype(np.float32) for c in (1, 2, 16)
    )
    found = decode_keypoints(score, location, descriptor, nms_radius=0, border=0, top_k=None)
    assert len(found) > 30 and (np.diff(found.score) <= 0).all()
    grid = torch.tensor((found.xy + 0.5) / (9 * 8, 6 * 8) * 2 - 1, dtype=torch.float32)
    sampled = torch.nn.functional.grid_sample(
        torch.tensor(descriptor).permute(2, 0, 1)[None], grid[None, None],
        padding_mode="border", align_corners=False,
    )  # fmt: skip
    expected = torch.nn.functional.normalize(sampled[0, :, 0].T, dim=1)
    np.testing.assert_allclose(found.descriptor, expected.numpy(), atol=1e-5)


def test_decoding_keeps_a_distance_a_border_and_the_strongest() -> None:
    rng = np.random.default_rng(9)
    score, location, descriptor = (
        rng.normal(scale=2, size=(15, 20, c)).astype(np.float32) for c in (1, 2, 64)
    )
    free = decode_keypoints(score, location, descriptor, nms_radius=0, top_k=None)
    kept = decode_keypoints(score, location, descriptor, top_k=None)
    gaps = np.linalg.norm(kept.xy[:, None] - kept.xy[None], axis=2) + 99 * np.eye(len(kept))
    assert gaps.min() >= 4 and len(kept) < len(free)
    for xy, value in zip(free.xy, free.score, strict=True):
        near = np.linalg.norm(kept.xy - xy, axis=1) < 4
        assert kept.score[near].max() >= value  # whatever went, a stronger one silenced it
    assert (kept.xy >= 4).all() and (kept.xy <= (155, 115)).all()
    best = decode_keypoints(score, location, descriptor, top_k=20)
    assert np.array_equal(best.xy, kept.xy[:20])


def test_sift_finds_the_views_of_the_town(data_sets: Path) -> None:
    pairs = read_homography_pairs(data_sets / "homography")
    scores = [evaluate_keypoints(sift_keypoints, [pair]) for pair in pairs]
    assert len(scores) == 5
    for one in scores:
        assert one.homography_d3 == 1 and one.repeatability > 0.4
        assert one.localization_error_px < 1 and one.matching_score > 0.3


def test_sift_and_orb_on_real_views_are_about_what_the_field_reports(shared: Path) -> None:
    graf = list(read_homography_pairs(shared / "homography"))
    sift = [evaluate_keypoints(sift_keypoints, [pair]) for pair in graf]
    assert sift[0].repeatability > 0.6 and sift[0].homography_d1 == 1
    assert sift[0].localization_error_px < 1 < sift[4].localization_error_px
    assert sift[0].matching_score > 0.4 > sift[4].matching_score
    orb = evaluate_keypoints(orb_keypoints, graf)
    assert 0.4 < orb.repeatability < 0.8 and orb.matching_score < 0.25


def test_sift_finds_the_homography_of_synthetic_pairs(data_sets: Path) -> None:
    pictures = load_photographs(data_sets / "natural_bsds500", "test")[:8]
    pairs = list(synthetic_homography_pairs(pictures, 0, brightness=0.2))
    scores = evaluate_keypoints(sift_keypoints, pairs)
    assert scores.homography_d3 == 1 and scores.localization_error_px < 0.8
    wrong = [HomographyPair(p.name, p.image_a, p.image_b, np.eye(3)) for p in pairs]
    assert evaluate_keypoints(sift_keypoints, wrong).homography_d5 == 0
