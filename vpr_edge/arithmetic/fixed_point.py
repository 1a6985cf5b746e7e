"""32-bit fixed-point functions, bit for bit those that TFLM's integer kernels use.

A number in the format Fn is an int32 with n integer bits: raw / 2^(31 - n). Arrays are int64, so
that nothing overflows; every function takes and gives values that fit int32.

Sources: gemmlowp `fixedpoint/fixedpoint.h` (exp, tanh, logistic), tflite-micro
`kernels/internal/common.h` (inverse square root).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpr_edge.arithmetic.integers import Multiplier

Raw = NDArray[np.int64]
INT32_MAX = 2**31 - 1
# exp(-2^k) in F0, for k from -2 on.
_EXP_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)


def high_mul(a: Any, b: Any) -> Raw:
    """The high half of 2 a b, rounded half up; a product of Fm and Fn is in F(m + n)."""
    return (np.asarray(a, np.int64) * b + (1 << 30)) >> 31


def shift_left(x: Any, exponent: int) -> Raw:
    """x 2^exponent, saturated to int32."""
    return np.clip(np.asarray(x, np.int64) << exponent, -INT32_MAX - 1, INT32_MAX)


def shift_right(x: Any, exponent: int) -> Raw:
    """x / 2^exponent, rounded to nearest and half away from zero."""
    x = np.asarray(x, np.int64)
    return (x + ((1 << exponent) >> 1) + (x >> 63) * (exponent > 0)) >> exponent


def exp_negative(x: Raw, integer_bits: int) -> Raw:
    """exp(x) in F0 for x <= 0 in F`integer_bits`; integer_bits from 1 to 5."""
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    reduced = (x & (quarter - 1)) - quarter
    remainder = reduced - x
    result = _exp_last_quarter(shift_left(reduced, integer_bits))
    for k, factor in zip(range(-2, integer_bits), _EXP_POWERS, strict=False):
        has_bit = (remainder & (1 << (fraction_bits + k))) != 0
        result = np.where(has_bit, high_mul(result, factor), result)
    return np.where(x == 0, INT32_MAX, result)


def _exp_last_quarter(x: Raw) -> Raw:
    """exp(x) in F0 for x in [-1/4, 0) in F0: four terms of the Taylor series about -1/8."""
    at_centre, third = 1895147668, 715827883
    y = x + (1 << 28)
    y2 = high_mul(y, y)
    y3, y4 = high_mul(y2, y), high_mul(y2, y2)
    tail = shift_right(high_mul(shift_right(y4, 2) + y3, third) + y2, 1)
    return at_centre + high_mul(at_centre, y + tail)


def _reciprocal(x: Raw) -> Raw:
    """2 / (1 + x) in F2 for x in [0, 1] in F0: three Newton-Raphson steps."""
    half_denominator = (x + INT32_MAX + 1) >> 1
    guess = 1515870810 + high_mul(half_denominator, -1010580540)
    for _ in range(3):
        rest = (1 << 29) - high_mul(half_denominator, guess)
        guess = guess + shift_left(high_mul(guess, rest), 2)
    return guess


def one_over_one_plus(x: Raw) -> Raw:
    """1 / (1 + x) in F0 for x in [0, 1] in F0."""
    return shift_left(_reciprocal(x), 1)


def logistic(x: Raw, integer_bits: int) -> Raw:
    """1 / (1 + exp(-x)) in F0 for x in F`integer_bits`."""
    positive = one_over_one_plus(exp_negative(-np.abs(x), integer_bits))
    return np.where(x == 0, 1 << 30, np.where(x > 0, positive, INT32_MAX - positive))


def tanh(x: Raw, integer_bits: int) -> Raw:
    """tanh(x) in F0 for x in F`integer_bits`: (1 - e) / (1 + e) with e = exp(-2 |x|)."""
    magnitude = shift_left(_reciprocal(exp_negative(-np.abs(x), integer_bits + 1)) - (1 << 29), 2)
    return np.where(x == 0, 0, np.where(x > 0, magnitude, -magnitude))


def inverse_square_root(x: int) -> Multiplier:
    """1 / sqrt(x) of a positive int32 as a multiplier; 1 and less count as 1."""
    if x <= 1:
        return Multiplier(np.asarray(INT32_MAX), np.asarray(0))
    right = 11
    while x >= 1 << 29:
        x //= 4
        right += 1
    pairs = (32 - x.bit_length() - 1) // 2 - 1
    right -= pairs
    x <<= 2 * pairs
    # In F3; Newton-Raphson from 1, five steps.
    value = x >> 1
    half, root = shift_right(value, 1), np.asarray(1 << 28, np.int64)
    for _ in range(5):
        cube = shift_left(high_mul(high_mul(root, root), root), 6)
        # Both products are in F6.
        root = shift_left(high_mul((1 << 28) + (1 << 27), root) - high_mul(half, cube), 3)
    root = high_mul(root, 1518500250)
    if right < 0:
        root, right = root << -right, 0
    return Multiplier(root, np.asarray(-right))
