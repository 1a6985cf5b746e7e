"""RESIZE_BILINEAR of int8 maps in TFLM's fixed point, pixels' centres at halves."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Coordinates have this many fractional bits.
FRACTION_BITS = 10


def resize_bilinear(stored: Any, size: tuple[int, ...]) -> Any:
    """A map of stored integers at another size.

    Args:
        stored: int64 array or tensor [N, C, rows, columns].
        size: rows and columns of the result.
    """
    (top, bottom, below), (left, right, beside) = (
        _between(source, result) for source, result in zip(stored.shape[2:], size, strict=True)
    )
    one, total = 1 << FRACTION_BITS, 0
    for rows, vertical in ((top, one - below), (bottom, below)):
        for columns, horizontal in ((left, one - beside), (right, beside)):
            weights = vertical[:, None] * horizontal
            part = stored[:, :, rows][:, :, :, columns]
            # A tensor takes weights of its own kind only.
            total = total + part * (
                weights if isinstance(part, np.ndarray) else part.new_tensor(weights)
            )
    # Half away from zero; x >> 63 is -1 for negative x.
    half = 1 << 2 * FRACTION_BITS - 1
    return (total + half + (total >> 63)) >> 2 * FRACTION_BITS


def _between(source: int, result: int) -> tuple[NDArray[np.int64], ...]:
    """Lower and upper neighbours along an axis, and the weight of the upper."""
    scale = ((source << FRACTION_BITS) + result // 2) // result
    at = np.arange(result) * scale + scale // 2 - (1 << FRACTION_BITS >> 1)
    lower = np.maximum(at >> FRACTION_BITS, 0)
    upper = np.minimum((at + (1 << FRACTION_BITS) - 1) >> FRACTION_BITS, source - 1)
    return lower, upper, at - (lower << FRACTION_BITS)
