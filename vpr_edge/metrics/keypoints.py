"""Keypoints of two views whose homography is known: how many are found again, and matched right.

The protocol of SuperPoint (2018) as KP2D (2020) runs it.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

TOP_K = 300
CORRECT_PX = 3.0
"""A keypoint is repeated, a match right, within this distance."""
SIZE = (240, 320)
"""Height and width at which the field compares."""


@dataclass(frozen=True, eq=False)
class Keypoints:
    """Keypoints of one picture, strongest first.

    Attributes:
        xy: float32 [N, 2], pixels; (0, 0) is the centre of the first pixel.
        score: float32 [N].
        descriptor: float32 [N, D], compared by Euclidean distance.
    """

    xy: NDArray[np.float32]
    score: NDArray[np.float32]
    descriptor: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.xy)

    def take(self, which: NDArray[np.generic]) -> "Keypoints":
        """Those that an index array or a mask chooses."""
        return Keypoints(self.xy[which], self.score[which], self.descriptor[which])


@dataclass(frozen=True)
class KeypointScores:
    """Figures of one pair, or their means over many.

    Attributes:
        repeatability: fraction of the keypoints of either view that the other view has too.
        localization_error_px: mean distance of the repeated ones; nan if none is.
        homography_d1, homography_d3, homography_d5: fraction of pairs whose homography, estimated
            from the matches, moves the corners by at most 1, 3, 5 pixels on average.
        matching_score: fraction of the keypoints that both views see whose nearest descriptor is
            the right one.
    """

    repeatability: float
    localization_error_px: float
    homography_d1: float
    homography_d3: float
    homography_d5: float
    matching_score: float


def score_pair(
    a: Keypoints,
    b: Keypoints,
    homography: NDArray[np.float64],
    size: tuple[int, int] = SIZE,
    top_k: int = TOP_K,
) -> KeypointScores:
    """Judge the keypoints of two views.

    Only keypoints that the other view sees count; of these the `top_k` strongest are kept.

    Args:
        a, b: keypoints of the two views, strongest first.
        homography: float64 [3, 3], from pixel centres of the first view to those of the second.
        size: (height, width) of both views.
        top_k: how many keypoints of a view are judged.
    """
    back = np.asarray(np.linalg.inv(homography), np.float64)
    a = a.take(np.flatnonzero(_seen(warp(a.xy, homography), size))[:top_k])
    b = b.take(np.flatnonzero(_seen(warp(b.xy, back), size))[:top_k])
    repeatability, error = _repeatability(warp(a.xy, homography), b.xy.astype(np.float64))
    to_b, to_a = _nearest(a.descriptor, b.descriptor), _nearest(b.descriptor, a.descriptor)
    moved = _corner_error(a, b, to_b, to_a, homography, size)
    right = [_right(warp(a.xy, homography), b.xy, to_b), _right(warp(b.xy, back), a.xy, to_a)]
    d1, d3, d5 = (float(moved <= limit) for limit in (1, 3, 5))
    return KeypointScores(repeatability, error, d1, d3, d5, float(np.mean(right)))


def warp(xy: NDArray[np.floating], homography: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points [N, 2] through a homography; those on or behind its horizon become infinite."""
    moved = np.column_stack([xy.astype(np.float64), np.ones(len(xy))]) @ homography.T
    # A homography between views of one side of a plane keeps orientation: the sign of the third
    # coordinate of every point in view is that of the determinant.
    ahead = moved[:, 2] * np.sign(np.linalg.det(homography)) > 1e-12
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(ahead[:, None], moved[:, :2] / moved[:, 2:], np.inf)


def _seen(xy: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    return np.asarray(((xy >= 0) & (xy <= np.array(size[::-1]) - 1)).all(axis=1))


def _repeatability(warped: NDArray[np.float64], xy: NDArray[np.float64]) -> tuple[float, float]:
    if not len(warped) or not len(xy):
        return 0.0, np.nan
    distance = np.linalg.norm(warped[:, None] - xy[None], axis=2)
    nearest = [distance.min(axis=1), distance.min(axis=0)]
    repeated = [gap[gap <= CORRECT_PX] for gap in nearest]
    share = sum(map(len, repeated)) / (len(warped) + len(xy))
    return share, float(np.mean([gap.mean() for gap in repeated])) if share else np.nan


def _nearest(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.int64]:
    """Index into `b` of the descriptor nearest to each of `a`."""
    if not len(a) or not len(b):
        return np.zeros(0, np.int64)
    return np.argmin(np.sum(b**2, axis=1)[None] - 2 * a @ b.T, axis=1)


def _right(
    warped: NDArray[np.float64], other: NDArray[np.float32], match: NDArray[np.int64]
) -> float:
    if not len(match):
        return 0.0
    return float(np.mean(np.linalg.norm(warped - other[match], axis=1) <= CORRECT_PX))


def _corner_error(
    a: Keypoints,
    b: Keypoints,
    to_b: NDArray[np.int64],
    to_a: NDArray[np.int64],
    homography: NDArray[np.float64],
    size: tuple[int, int],
) -> float:
    """Mean distance of the corners under the true and the estimated homography, pixels."""
    mutual = np.flatnonzero(to_a[to_b] == np.arange(len(to_b))) if len(to_a) else to_a
    if len(mutual) < 4:
        return np.inf
    cv2.setRNGSeed(0)
    estimate, _ = cv2.findHomography(
        a.xy[mutual], b.xy[to_b[mutual]], cv2.RANSAC, CORRECT_PX, maxIters=5000
    )
    if estimate is None:
        return np.inf
    right, bottom = size[1] - 1, size[0] - 1
    corners = np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]], np.float64)
    true, found = warp(corners, homography), warp(corners, np.asarray(estimate, np.float64))
    return float(np.mean(np.linalg.norm(true - found, axis=1)))
