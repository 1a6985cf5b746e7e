"""Logistic and hyperbolic tangent of 16-bit numbers by one table, bit for bit TFLM's int16 kernels.

An argument is an integer in steps of 2^-12 / 3, so that int16 with 12 fraction bits, times 3,
reaches 10.7; results have 15 fraction bits. Source: tflite-micro
`kernels/internal/reference/integer_ops/{logistic,tanh}.h`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def sigmoid_table() -> NDArray[np.uint16]:
    """The logistic function at i / 24 in 16 bits, 256 samples.

    A chord over one step h errs by up to h^2 f'' / 8, always to the same side. Samples are moved by
    half of that, so that interpolation errs to both sides alike; the last is the function's limit.
    """
    values = 1 / (1 + np.exp(-np.arange(256) / 24))
    second = values * (1 - values) * (1 - 2 * values) / 24**2
    samples = np.floor((values - second / 16) * 65536 + 0.5)
    samples[-1] = 65535
    return samples.astype(np.uint16)


def logistic(x: Integers) -> Integers:
    """1 / (1 + exp(-x)), in [1, 32767]."""
    value = _interpolate(np.abs(x), 9)
    value = np.where(np.abs(x) >> 9 >= 255, 32767 << 10, value)
    return np.where(x >= 0, value + (1 << 9), (1 << 25) - value + (1 << 9) - 1) >> 10


def tanh(x: Integers) -> Integers:
    """tanh(x) = 2 logistic(2 x) - 1, in [-32767, 32767]."""
    value = _interpolate(np.abs(x), 8)
    value = np.where(np.abs(x) >> 8 >= 255, 65535 << 8, value) - (1 << 23)
    return np.where(x >= 0, value + (1 << 7), -value + (1 << 7) - 1) >> 8


def _interpolate(magnitude: Integers, bits: int) -> Any:
    """Between the table's samples, with that many more bits than they have."""
    table = sigmoid_table().astype(np.int64)
    index = np.minimum(magnitude >> bits, 254)
    step = table[index + 1] - table[index]
    return (table[index] << bits) + (magnitude & ((1 << bits) - 1)) * step
