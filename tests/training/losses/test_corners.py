"""Corners against OpenCV, heat maps, and what perfect points pay."""

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from vpr_edge.training.losses.corners import agreement, corner_targets, heat_targets, points
from vpr_edge.training.losses.keypoints import CELL, keypoint_positions


def _image() -> torch.Tensor:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (12, 16, 3)).astype(np.uint8)
    picture = cv2.resize(small, (320, 240), interpolation=cv2.INTER_CUBIC)[None, ::2, ::2]
    return torch.from_numpy(picture.copy()).permute(0, 3, 1, 2).float() / 255


def test_corner_targets_are_those_of_opencv() -> None:
    image = _image()
    target = corner_targets(image)
    grey = image[0].mean(0).numpy()
    oracle = cv2.cornerMinEigenVal(grey, blockSize=3, ksize=3)
    best = [oracle[r : r + 8, c : c + 8].max() for r in range(0, 120, 8) for c in range(0, 160, 8)]
    x, y = target.positions[0].long().T.numpy()
    inner = (x > 8) & (x < 150) & (y > 8) & (y < 110)
    assert (oracle[y, x] >= 0.97 * np.array(best))[inner].mean() > 0.95
    assert 0.4**2 < float(target.strength.median()) < 0.6**2
    rows, columns = np.divmod(target.inside[0].numpy(), 8)
    cells = np.arange(300)
    np.testing.assert_array_equal(x, cells % 20 * 8 + columns)
    np.testing.assert_array_equal(y, cells // 20 * 8 + rows)


def test_the_hottest_pixel_of_a_heat_map_is_the_target_at_any_cell() -> None:
    heat = torch.zeros(1, 1, 8, 12)
    heat[0, 0, 1, 6], heat[0, 0, 7, 11] = 0.5, 0.25
    target = heat_targets(heat, cell=4)
    assert target.positions[0, 1].tolist() == [6, 1] and target.positions[0, 5].tolist() == [11, 7]
    assert target.inside[0, [1, 5]].tolist() == [1 * 4 + 2, 3 * 4 + 3]
    np.testing.assert_allclose(target.strength[0], [0, 0.5, 0, 0, 0, 0.25])


def test_perfect_keypoints_pay_nothing_for_corners_and_others_do() -> None:
    target = corner_targets(_image())
    centred = torch.zeros(1, 2, 15, 20)
    offsets = (target.positions - keypoint_positions(centred)) / CELL
    location = torch.atanh(offsets).transpose(1, 2).reshape(1, 2, 15, 20)
    inside = 50.0 * functional.one_hot(target.inside, 64).float().transpose(1, 2)
    score = torch.logit(target.strength, eps=1e-6).reshape(1, 1, 15, 20)
    right = points(location, score, inside.reshape(1, 64, 15, 20), target)
    wrong = points(centred, -score, torch.zeros(1, 64, 15, 20), target)
    assert float(right["corners"]) < 1e-6 and float(right["inside"]) < 1e-6
    assert abs(float(wrong["inside"]) - np.log(64) / 4) < 1e-5
    assert float(wrong["corners"]) > 0.1
    assert float(wrong["strength"]) > 1.5 * float(right["strength"])


def test_agreement_is_the_cross_entropy_of_what_the_other_view_chose() -> None:
    torch.manual_seed(0)
    rows, columns = 3, 4
    a, b = (torch.randn(2, CELL**2, rows, columns) for _ in range(2))
    scores = (torch.randn(2, 1, rows, columns), torch.randn(2, 1, rows, columns))
    # A shift by whole pixels; b shows a's pixel (x, y) at (x + 5, y - 3).
    homography = torch.eye(3).repeat(2, 1, 1)
    homography[:, 0, 2], homography[:, 1, 2] = 5, -3
    found = agreement((a, b), scores, homography)

    expected = 0.0
    for source, target, score, dx, dy in ((a, b, scores[0], 5, -3), (b, a, scores[1], -5, 3)):
        total = weights = 0.0
        known = target.log_softmax(1)
        for n in range(2):
            for row in range(rows):
                for column in range(columns):
                    pixel = int(source[n, :, row, column].argmax())
                    x = column * CELL + pixel % CELL + dx
                    y = row * CELL + pixel // CELL + dy
                    if not (0 <= x < columns * CELL and 0 <= y < rows * CELL):
                        continue
                    weight = float(torch.sigmoid(score[n, 0, row, column])) ** 2
                    within = y % CELL * CELL + x % CELL
                    total -= weight * float(known[n, within, y // CELL, x // CELL])
                    weights += weight
        expected += total / weights / 2
    assert float(found) == pytest.approx(expected, rel=1e-5)
