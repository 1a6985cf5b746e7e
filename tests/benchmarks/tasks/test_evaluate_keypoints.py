"""Keypoints snapped to corners: decoded from float maps, and in the rows of the shipped network."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.firmware_bridge.spots import spotted
from vpr_edge.benchmarks.tasks.evaluate import detector, homography_pairs, keypoint_rows
from vpr_edge.benchmarks.tasks.keypoint_sources import decode_keypoints
from vpr_edge.benchmarks.tasks.keypoints import evaluate_keypoints
from vpr_edge.datasets.homographies import synthetic_homography_pairs
from vpr_edge.datasets.photographs import load_photographs
from vpr_edge.errors import DataError
from vpr_edge.export.package import export
from vpr_edge.metrics.keypoints import Keypoints
from vpr_edge.models.checkpoint import find_checkpoint
from vpr_edge.runtimes.choose import open_runtime


def test_one_run_a_picture_gives_both_readings_and_snapped_ones_are_more_exact(
    data_sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(find_checkpoint("nano-int8"), "tflite-int8", tmp_path / "out")
    runtime = open_runtime(tmp_path / "out" / "nano.tflite", "litert")
    pictures = load_photographs(data_sets / "natural_bsds500", "test")[:6]
    pairs = tuple(synthetic_homography_pairs(pictures, seed=0, size=(120, 160)))

    def read_one(which: int) -> Callable[[NDArray[np.uint8]], Keypoints]:
        return lambda image: detector(runtime)(image)[which]

    expected = [evaluate_keypoints(read_one(which), pairs, (120, 160)) for which in (0, 1)]
    run, runs = runtime.run, []

    def counted(fitted: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        runs.append(fitted)
        return run(fitted)

    monkeypatch.setattr(runtime, "run", counted)
    rows = keypoint_rows(runtime, "six pictures", pairs)
    assert len(runs) == 2 * len(pairs)
    for terms, scores in zip(("", ", snapped"), expected, strict=True):
        told = {r.metric: r.value for r in rows if r.data == f"six pictures, 160x120, k 300{terms}"}
        assert told == pytest.approx(vars(scores))
    own, snapped = expected
    assert snapped.localization_error_px < 0.7 * own.localization_error_px
    assert snapped.repeatability > own.repeatability


def test_snapped_positions_are_told_in_the_pictures_own_pixels(
    data_sets: Path, tmp_path: Path
) -> None:
    export(find_checkpoint("nano-int8"), "tflite-int8", tmp_path / "out")
    runtime = open_runtime(tmp_path / "out" / "nano.tflite", "litert")
    small = runtime.preprocessing.fit(load_photographs(data_sets / "natural_bsds500", "test")[0])
    large = np.repeat(np.repeat(small, 2, axis=0), 2, axis=1)
    for of_small, of_large in zip(detector(runtime)(small), detector(runtime)(large), strict=True):
        assert len(of_small) > 100
        np.testing.assert_allclose(of_large.xy, 2 * of_small.xy + 0.5, atol=1e-3)


def test_the_float_decoder_finds_most_spots_and_none_of_them_twice() -> None:
    picture, centres = spotted(5)
    random = np.random.default_rng(3)
    # Cells of 4 pixels, so that several candidates reach the same spot.
    score, location = (
        random.normal(scale=0.5, size=(20, 20, c)).astype(np.float32) for c in (1, 2)
    )
    descriptor = np.ones((20, 20, 4), np.float32)
    rgb = np.repeat(picture[..., None], 3, axis=2)
    near = []
    for given_ in (None, rgb):
        found = decode_keypoints(score, location, descriptor, cell=4, picture=given_)
        gap = np.linalg.norm(found.xy[:, None] - centres[None], axis=2)
        near.append(gap.argmin(axis=1)[gap.min(axis=1) < 0.1].tolist())
    own, snapped_ = near
    assert len(own) < 3
    assert len(snapped_) == len(set(snapped_)) >= 12


def test_where_a_picture_is_flat_keypoints_stay_and_the_probable_come_first() -> None:
    random = np.random.default_rng(4)
    score, location, descriptor = (
        random.normal(size=(6, 8, c)).astype(np.float32) for c in (1, 2, 4)
    )
    own, found = (
        decode_keypoints(score, location, descriptor, picture=picture)
        for picture in (None, np.full((48, 64, 3), 97, np.uint8))
    )
    np.testing.assert_allclose(found.xy, own.xy, atol=1 / 128 + 1e-5)
    np.testing.assert_allclose(found.score, own.score, rtol=1e-6)


def test_further_homographies_of_a_photograph_follow_the_first_ones(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (2, 60, 80, 3), np.uint8)
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    terms, once = homography_pairs(tmp_path)
    more, thrice = homography_pairs(tmp_path, 3)
    assert terms.endswith("2 synthetic homographies") and more.endswith("6 synthetic homographies")
    for first, again in zip(once, thrice, strict=False):
        np.testing.assert_array_equal(first.homography, again.homography)
        np.testing.assert_array_equal(first.image_b, again.image_b)
    assert len({pair.homography.tobytes() for pair in thrice}) == 6
    (tmp_path / "H_1_2").write_text("1 0 0 0 1 0 0 0 1")
    with pytest.raises(DataError, match="leave out --homographies"):
        homography_pairs(tmp_path, 3)
