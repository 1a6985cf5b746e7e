"""The logistic function and tanh on int16, bit for bit those of TFLM's LSTM.

Both interpolate one table of the logistic function at i / 24; tanh(x) = 2 logistic(2 x) - 1
(tensorflow/lite `reference/integer_ops/{logistic,tanh}.h`, power-of-two case).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
# TFLM's table lies one above the rounded function here, mostly where chords run well below it.
_RAISED = (
    *(4, 8, 12, 14, 15, 16, 17, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 33, 34, 35, 37, 39, 40),
    *(41, 43, 44, 45, 46, 49, 50, 54, 62, 63, 64, 66, 82, 86, 93, 100, 103, 112, 116, 135, 255),
)
LAST = 255


def _table() -> NDArray[np.uint16]:
    exact = [math.floor(65536 / (1 + math.exp(-i / 24)) + 0.5) for i in range(LAST + 1)]
    return np.array([value + (i in _RAISED) for i, value in enumerate(exact)], np.uint16)


TABLE = _table()


def logistic_int16(x: Any) -> Integers:
    """Logistic function times 2^15 of x / 2^12; int16 to int16."""
    scaled = 3 * np.asarray(x, np.int64)
    found = _interpolated(np.abs(scaled), 9, 0xFFFE)
    return np.where(scaled >= 0, found + (1 << 9), (1 << 25) - found + (1 << 9) - 1) >> 10


def tanh_int16(x: Any, power: int) -> Integers:
    """tanh times 2^15 of x 2^power; int16 to int16."""
    scaled = 3 * np.asarray(x, np.int64)
    shift = power + 12
    scaled = scaled << shift if shift >= 0 else (scaled + (1 << (-shift - 1))) >> -shift
    found = _interpolated(np.abs(scaled), 8, 0xFFFF) - (1 << 23)
    return np.where(scaled >= 0, found + (1 << 7), -found + (1 << 7) - 1) >> 8


def _interpolated(magnitude: Integers, bits: int, beyond: int) -> Integers:
    """The table at magnitude / 2^bits, times 2^bits; `beyond` from its last entry on."""
    index = np.minimum(magnitude >> bits, LAST - 1)
    table = TABLE.astype(np.int64)
    rest = magnitude & ((1 << bits) - 1)
    inside = (table[index] << bits) + rest * (table[index + 1] - table[index])
    return np.where(magnitude >> bits >= LAST, beyond << bits, inside)
