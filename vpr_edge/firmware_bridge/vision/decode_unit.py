"""Integer vectors brought to a fixed length and int8, the twin of `vpr_unit.h`."""

from math import isqrt

import numpy as np
from numpy.typing import NDArray


def unit_int8(vector: NDArray[np.int32], unit: int) -> NDArray[np.int8]:
    """The vector of length 1 in steps of 1 / `unit`, rounded half up, clamped to [-127, 127].

    The inverse length is a multiplier of at most 31 bits, floor(unit 2^46 / r) with r the integer
    square root of the sum of squares, scaled by a power of 4 to 61 or 62 bits.

    Args:
        vector: int32 [..., D], below 2^17 in magnitude; each along the last axis on its own.
        unit: from 1 to 32767.

    Returns:
        int8 of the same shape; zeros stay zeros.
    """
    flat = np.asarray(vector, np.int64).reshape(-1, vector.shape[-1])
    factors = [_factor(int(np.sum(row * row)), unit) for row in flat]
    multiplier, shift = np.array(factors, np.int64).reshape(-1, 2).T[:, :, None]
    scaled = (flat * multiplier + (1 << (shift - 1))) >> shift
    return np.clip(scaled, -127, 127).astype(np.int8).reshape(vector.shape)


def _factor(squares: int, unit: int) -> tuple[int, int]:
    if squares == 0:
        return 0, 46
    doublings = (62 - squares.bit_length()) // 2
    return (unit << 46) // isqrt(squares << (2 * doublings)), 46 - doublings
