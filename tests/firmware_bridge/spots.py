"""A drawn picture whose corners are known to a fraction of a pixel."""

import cv2
import numpy as np
from numpy.typing import NDArray


def spotted(seed: int, fine: int = 32) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """80x80 pixels, each the mean of its area, with discs of radius 1.5; their centres [16, 2]."""
    grid = np.stack(np.meshgrid(np.arange(4), np.arange(4)), axis=-1).reshape(-1, 2)
    centres = 16.0 * grid + 16 + np.random.default_rng(seed).uniform(-0.5, 0.5, grid.shape)
    at = (np.arange(80 * fine) + 0.5) / fine - 0.5
    sharp = np.full((80 * fine, 80 * fine), 30, np.float32)
    for x, y in centres:
        sharp[np.square(at - x)[None] + np.square(at - y)[:, None] < 1.5**2] = 220
    small = cv2.resize(sharp, (80, 80), interpolation=cv2.INTER_AREA)
    return np.rint(small).astype(np.uint8), centres
