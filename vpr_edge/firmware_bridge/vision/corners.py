"""Corners of a picture near given positions, in integers: the twin of `vpr_corner.h`, bit for bit.

The strength of a pixel is that of Foerstner and Guelch (1987): determinant by trace of the products
of the gradients, summed over 3x3 pixels. A position moves to the strongest pixel within `REACH`,
then by a parabola through the strengths of its neighbours, in x and in y, to a fraction of a pixel.
"""

import numpy as np
from numpy.typing import NDArray

STEPS = 64
"""Position steps a pixel."""
REACH = 4
"""Pixels, to every side, within which the strongest corner is looked for."""


def grey_picture(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Luma of ITU-R BT.601 with 8-bit coefficients, rounded: uint8 [H, W, 3] to [H, W].

    Three equal channels stay as they are.
    """
    weighted = rgb.astype(np.int32) @ np.array([77, 150, 29], np.int32)
    return ((weighted + 128) >> 8).astype(np.uint8)


def corner_strength(grey: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Strength of every pixel of uint8 [H, W], int32 [H, W] from 0 to below 2^23.

    Gradients are Sobel's; beyond the edges the pixels at the edge are repeated.
    """
    pixel = np.pad(grey.astype(np.int32), 2, mode="edge")
    down = pixel[:-2] + 2 * pixel[1:-1] + pixel[2:]
    across = pixel[:, :-2] + 2 * pixel[:, 1:-1] + pixel[:, 2:]
    dx, dy = down[:, 2:] - down[:, :-2], across[2:] - across[:-2]
    # A gradient is at most 1020, so a sum of nine products stays below 2^24.
    xx, xy, yy = (_sum_of_nine(product).astype(np.int64) for product in (dx * dx, dx * dy, dy * dy))
    return ((xx * yy - xy * xy) // np.maximum(xx + yy, 1)).astype(np.int32)


def _sum_of_nine(plane: NDArray[np.int32]) -> NDArray[np.int32]:
    rows = plane[:-2] + plane[1:-1] + plane[2:]
    return np.asarray(rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:])


def snapped(
    strength: NDArray[np.int32], xy: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Move positions to the strongest corners near them.

    Of equally strong pixels the first in row-major order counts. Where all are 0, a position stays.

    Args:
        strength: of `corner_strength`, [H, W].
        xy: int32 [N, 2], 1/64 pixel, within the picture.

    Returns:
        The positions, int32 [N, 2] in 1/64 pixel, and the strengths there, int32 [N].
    """
    rows, columns = strength.shape
    side = np.arange(-REACH, REACH + 1)
    x, y = ((xy + STEPS // 2) // STEPS).T
    x, y = x[:, None] + np.tile(side, side.size), y[:, None] + np.repeat(side, side.size)
    within = (x >= 0) & (y >= 0) & (x < columns) & (y < rows)
    near = np.where(within, strength[y.clip(0, rows - 1), x.clip(0, columns - 1)], -1)
    best = near.argmax(axis=1)[:, None]
    top, x, y = (np.take_along_axis(a, best, axis=1)[:, 0] for a in (near, x, y))
    edge = np.pad(strength, 1)  # the strengths beyond the edge are not used
    along_x = _vertex(edge[y + 1, x], top, edge[y + 1, x + 2]) * ((x > 0) & (x < columns - 1))
    along_y = _vertex(edge[y, x + 1], top, edge[y + 2, x + 1]) * ((y > 0) & (y < rows - 1))
    corner = np.stack([x * STEPS + along_x, y * STEPS + along_y], axis=-1)
    return np.where(top[:, None] > 0, corner, xy).astype(np.int32), top


def _vertex(
    before: NDArray[np.int32], top: NDArray[np.int32], after: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Where the parabola through three strengths is highest, 1/64 pixel from the middle one.

    Rounded, halves away from the middle; at most half a pixel, 0 where there is no highest point.
    """
    bend = 2 * top - before - after
    rise = (STEPS // 2) * (after - before)
    shift = np.sign(rise) * ((np.abs(rise) + bend // 2) // np.maximum(bend, 1))
    return np.where(bend > 0, shift.clip(-STEPS // 2, STEPS // 2), 0)
