"""Pairs whose camera moves: how far, and what of a view is seen in the other."""

import cv2
import numpy as np
import torch

from vpr_edge.preprocessing import Preprocessing
from vpr_edge.training.augment import apply_homography
from vpr_edge.training.moving import moved_places, moving_views


def overlaps(n: int) -> np.ndarray:
    """The share of each first view that its second one shows."""
    first, second = moving_views(torch.Generator().manual_seed(0), n)
    axis = torch.linspace(-0.95, 0.95, 20)
    grid = torch.cartesian_prod(axis, axis).expand(n, -1, -1)
    there = apply_homography(torch.linalg.inv(second) @ first, grid)
    return (there.abs() <= 1).all(-1).float().mean(1).numpy()


def test_views_move_far_and_still_show_one_place() -> None:
    shares = overlaps(500)
    assert np.quantile(shares, 0.05) > 0.3
    assert np.mean(shares < 0.7) > 0.3, "many pairs see much that the other does not"


def test_both_views_are_of_the_photograph_where_their_homographies_say() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(3, 150, 150, 3))
    smooth = [cv2.GaussianBlur(one, (0, 0), 4) for one in noise]
    photographs = np.stack([(one - one.min()) / np.ptp(one) * 255 for one in smooth])
    photographs = photographs.astype(np.uint8)
    fit = Preprocessing(60, 80)
    source = moved_places("moved", photographs, fit, seed=3)
    homographies = moving_views(torch.Generator().manual_seed(3), 3)
    # OpenCV's warp as the oracle, in pixels whose centres lie at half.
    to_pixels = np.array([[75, 0, 74.5], [0, 75, 74.5], [0, 0, 1]])
    from_view = np.array([[1 / 40, 0, 1 / 80 - 1], [0, 1 / 30, 1 / 60 - 1], [0, 0, 1]])
    for pair, photograph, *both in zip(source.pairs, photographs, *homographies, strict=True):
        for index, h in zip(pair, both, strict=True):
            matrix = to_pixels @ h.numpy().astype(np.float64) @ from_view
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            expected = cv2.warpPerspective(
                photograph, matrix, (80, 60), flags=flags, borderMode=cv2.BORDER_REFLECT
            )
            gap = np.abs(source.images[index].astype(int) - expected).mean()
            assert gap < 1.5
    assert len(np.unique(source.track)) == 3, "a photograph is a place of its own"
