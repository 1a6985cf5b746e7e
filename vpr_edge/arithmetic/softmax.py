"""Softmax of int8 rows in gemmlowp's fixed point, bit for bit as TFLM computes it.

Source: tensorflow/lite `reference/softmax.h`. A row has at most 256 distinct differences from its
maximum, so their exponentials are a table.
"""

import math

import numpy as np
from numpy.typing import NDArray

from vpr_edge.arithmetic.fixed_point import exp_negative, high_mul, one_over_one_plus, shift_right
from vpr_edge.arithmetic.integers import multiply, quantize_multiplier

# Integer bits of the scaled difference and of the sum of exponentials.
DIFFERENCE_BITS, SUM_BITS = 5, 12


def probabilities(
    rows: NDArray[np.int64], table: NDArray[np.int32], bits: int
) -> NDArray[np.int64]:
    """Softmax of each row of int8 values times 2^bits, from the table of `exponentials`."""
    powers = table.astype(np.int64)[rows.max(axis=1, keepdims=True) - rows]
    total = shift_right(powers, SUM_BITS).sum(axis=1, keepdims=True)
    # Leading zeros of the 32-bit sum.
    headroom = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
    reciprocal = one_over_one_plus((total << headroom) - (1 << 31))
    product = high_mul(reciprocal, powers)
    exponent = SUM_BITS - headroom + 31 - bits
    return np.asarray((product + ((1 << exponent) >> 1)) >> exponent)


def exponentials(beta: float, scale: float) -> NDArray[np.int32]:
    """exp(-beta * scale * d) in F0 for d = 0..255 (`PreprocessSoftmaxScaling`)."""
    real = min(beta * scale * 2.0 ** (31 - DIFFERENCE_BITS), 2.0**31 - 1)
    factor = quantize_multiplier(real)
    shift = int(factor.shift)
    radius = math.floor(((1 << DIFFERENCE_BITS) - 1) * 2.0 ** (31 - DIFFERENCE_BITS - shift))
    distance = np.arange(256)
    kept = distance <= radius
    scaled = multiply(-np.where(kept, distance, 0), int(factor.value), shift)
    return np.where(kept, exp_negative(scaled, DIFFERENCE_BITS), 0).astype(np.int32)
