"""Where keypoints come from: the network's three maps, or SIFT and ORB as peers."""

import cv2
import numpy as np
from numpy.typing import NDArray

from vpr_edge.firmware_bridge.vision.corners import STEPS, corner_strength, grey_picture, snapped
from vpr_edge.metrics.keypoints import TOP_K, Keypoints

NMS_RADIUS = 4.0
"""Pixels; a keypoint silences weaker ones nearer than this, the same for every source."""
BORDER = 4
"""Pixels along the edge without keypoints."""


def decode_keypoints(
    score: NDArray[np.float32],
    location: NDArray[np.float32],
    descriptor: NDArray[np.float32],
    cell: int = 8,
    top_k: int | None = TOP_K,
    nms_radius: float = NMS_RADIUS,
    border: float = BORDER,
    threshold: float = 0.0,
    reach: float = 1.0,
    picture: NDArray[np.uint8] | None = None,
) -> Keypoints:
    """Read keypoints off the dequantised maps, one candidate a cell (KP2D, Tang et al. 2020).

    The probability is sigmoid(score); x = (column + 0.5) * cell - 0.5 + tanh(dx) * reach * cell,
    and y likewise, so that with a reach of 1 a keypoint may leave its cell by half a cell on each
    side. The descriptor is sampled bilinearly there and L2-normalised.

    With a picture each candidate moves to the strongest corner near it, and its score becomes the
    probability times that corner's strength (`vpr_edge.firmware_bridge.vision.corners`).

    Args:
        score: float32 [h, w, 1], logits.
        location: float32 [h, w, 2], logits of dx, dy.
        descriptor: float32 [f * h, f * w, C], f >= 1: its map may be finer than the others.
        cell: pixels a cell; the picture is h * cell by w * cell.
        top_k: at most so many keypoints, the most probable; None for all.
        nms_radius: a keypoint silences less probable ones nearer than this, pixels.
        border: pixels along the edge without keypoints.
        threshold: least probability.
        reach: farthest from the cell's centre, in cells.
        picture: uint8 [h * cell, w * cell, 3], to snap keypoints to its corners.
    """
    rows, columns = score.shape[:2]
    row, column = np.mgrid[:rows, :columns]
    strength = (1 / (1 + np.exp(-score[..., 0].astype(np.float64)))).reshape(-1)
    centre = (np.stack([column, row], axis=-1) + 0.5) * cell - 0.5
    xy = (centre + np.tanh(location.astype(np.float64)) * reach * cell).reshape(-1, 2)
    size = (rows * cell, columns * cell)
    inside = _inside(xy, size, border) & (strength >= threshold)
    xy, strength = xy[inside], strength[inside]
    if picture is not None:
        steps = np.rint(xy * STEPS).astype(np.int32)
        steps, corner = snapped(corner_strength(grey_picture(picture)), steps)
        inside = _inside(steps / STEPS, size, border)
        # Plus 1, so that where the picture is flat the probable ones still come first.
        xy, strength = (steps / STEPS)[inside], (strength * (corner + 1.0))[inside]
    kept = strongest(xy, strength, nms_radius, top_k)
    xy = xy[kept]
    fine = cell * rows / descriptor.shape[0]
    sampled = _bilinear(descriptor.astype(np.float64), (xy + 0.5) / fine - 0.5)
    sampled /= np.maximum(np.linalg.norm(sampled, axis=1, keepdims=True), 1e-12)
    return Keypoints(
        xy.astype(np.float32), strength[kept].astype(np.float32), sampled.astype(np.float32)
    )


def strongest(
    xy: NDArray[np.float64], score: NDArray[np.float64], radius: float, top_k: int | None
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression: indices of those kept, strongest first.

    Args:
        xy: [N, 2], pixels.
        score: [N].
        radius: what lies nearer than this to a stronger one goes.
        top_k: stop after so many; None for all.
    """
    order = np.argsort(-score, kind="stable")
    alive = np.ones(len(order), bool)
    kept: list[int] = []
    for index in order:
        if top_k is not None and len(kept) == top_k:
            break
        if alive[index]:
            kept.append(index)
            alive &= np.hypot(*(xy - xy[index]).T) >= radius
    return np.array(kept, np.int64)


def sift_keypoints(image: NDArray[np.uint8], top_k: int = TOP_K) -> Keypoints:
    """SIFT (Lowe 2004) by OpenCV on uint8 [H, W, 3]; suppressed and cut as the network's are."""
    return _opencv(cv2.SIFT.create(), image, top_k)


def orb_keypoints(image: NDArray[np.uint8], top_k: int = TOP_K) -> Keypoints:
    """ORB (Rublee et al. 2011) by OpenCV on uint8 [H, W, 3].

    The descriptor holds the 256 bits as 0 and 1, so that the Euclidean distance orders as the
    Hamming distance does.
    """
    found = _opencv(cv2.ORB.create(nfeatures=10 * top_k, fastThreshold=5), image, top_k)
    bits = np.unpackbits(found.descriptor.astype(np.uint8), axis=1)
    return Keypoints(found.xy, found.score, bits.astype(np.float32))


def _opencv(detector: cv2.Feature2D, image: NDArray[np.uint8], top_k: int) -> Keypoints:
    points, descriptor = detector.detectAndCompute(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), None)
    if descriptor is None:
        return Keypoints(*(np.zeros(s, np.float32) for s in ((0, 2), 0, (0, 32))))
    xy = np.array([point.pt for point in points], np.float32)
    score = np.array([point.response for point in points], np.float32)
    found = Keypoints(xy, score, np.asarray(descriptor, np.float32))
    return strongest_inside(found, image.shape, top_k)


def strongest_inside(found: Keypoints, size: tuple[int, ...], top_k: int = TOP_K) -> Keypoints:
    """Of a peer's keypoints those that are judged: cut as the network's are.

    Args:
        found: in any order.
        size: (height, width, ...) of the picture.
        top_k: at most so many.
    """
    xy, score = found.xy.astype(np.float64), found.score.astype(np.float64)
    inside = np.flatnonzero(_inside(xy, size[:2], BORDER))
    return found.take(inside[strongest(xy[inside], score[inside], NMS_RADIUS, top_k)])


def _inside(xy: NDArray[np.float64], size: tuple[int, ...], border: float) -> NDArray[np.bool_]:
    far = np.array([size[1], size[0]]) - 1 - border
    return np.asarray(((xy >= border) & (xy <= far)).all(axis=1))


def _bilinear(plane: NDArray[np.float64], xy: NDArray[np.float64]) -> NDArray[np.float64]:
    last = np.array([plane.shape[1], plane.shape[0]]) - 1
    xy = np.clip(xy, 0, last)
    x0, y0 = np.floor(xy).astype(np.int64).T
    x1, y1 = np.minimum(x0 + 1, last[0]), np.minimum(y0 + 1, last[1])
    fx, fy = (xy - np.floor(xy)).T[..., None]
    upper = plane[y0, x0] * (1 - fx) + plane[y0, x1] * fx
    lower = plane[y1, x0] * (1 - fx) + plane[y1, x1] * fx
    return np.asarray(upper * (1 - fy) + lower * fy)
