"""The logistic function and tanh on int16, bit for bit those of TFLM's LSTM.

Both interpolate one table of the logistic function at i / 24; tanh(x) = 2 logistic(2 x) - 1
(tensorflow/lite `reference/integer_ops/{logistic,tanh}.h`, power-of-two case).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpr_edge.arithmetic.portable import logistic

Integers = NDArray[np.int64]
LAST = 255


def _table() -> NDArray[np.uint16]:
    """The logistic function at i / 24 times 2^16, as TFLM holds it.

    A chord over a step h errs by up to h^2 f'' / 8, always to one side. The samples are moved by
    half of that, so that interpolation errs to both sides alike; the last is the limit.
    """
    values = logistic(np.arange(LAST + 1) / 24)
    second = values * (1 - values) * (1 - 2 * values) / 24**2
    samples = np.floor((values - second / 16) * 65536 + 0.5)
    samples[LAST] = 65535
    return samples.astype(np.uint16)


TABLE = _table()


def logistic_int16(x: Any) -> Integers:
    """Logistic function times 2^15 of x / 2^12; int16 to int16."""
    return logistic_of(3 * np.asarray(x, np.int64))


def logistic_of(scaled: Integers) -> Integers:
    """Logistic function times 2^15 of what is a place in the table times 2^9."""
    found = _interpolated(np.abs(scaled), 9, 0xFFFE)
    return np.where(scaled >= 0, found + (1 << 9), (1 << 25) - found + (1 << 9) - 1) >> 10


def tanh_int16(x: Any, power: int) -> Integers:
    """tanh times 2^15 of x 2^power; int16 to int16."""
    scaled = 3 * np.asarray(x, np.int64)
    shift = power + 12
    return tanh_of(scaled << shift if shift >= 0 else (scaled + (1 << (-shift - 1))) >> -shift)


def tanh_of(scaled: Integers) -> Integers:
    """tanh times 2^15 of what is a place in the table times 2^8."""
    found = _interpolated(np.abs(scaled), 8, 0xFFFF) - (1 << 23)
    return np.where(scaled >= 0, found + (1 << 7), -found + (1 << 7) - 1) >> 8


def _interpolated(magnitude: Integers, bits: int, beyond: int) -> Integers:
    """The table at magnitude / 2^bits, times 2^bits; `beyond` from its last entry on."""
    index = np.minimum(magnitude >> bits, LAST - 1)
    table = TABLE.astype(np.int64)
    rest = magnitude & ((1 << bits) - 1)
    inside = (table[index] << bits) + rest * (table[index + 1] - table[index])
    return np.where(magnitude >> bits >= LAST, beyond << bits, inside)
