"""Functions of real numbers that give the same bits on every machine.

exp, tanh and cbrt of numpy, torch and the C library differ in the last bit from one instruction set
to the next. Whatever is stored, or compared with what is stored, takes them from here: computed in
decimal arithmetic, which is made of integers, or by float64's four operations, which IEEE 754
fixes.
"""

from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Twice the digits of a float64: the float nearest to the result is the one nearest to the truth.
_DIGITS = Context(prec=36, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
_NEWTON_STEPS = 7


def logistic(x: ArrayLike) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)), rounded once; for tables, not for maps: 10 microseconds an element."""
    return _rounded(x, lambda value: _DIGITS.divide(Decimal(1), _one_and_exp(-value)))


def tanh(x: ArrayLike) -> NDArray[np.float64]:
    """The hyperbolic tangent, rounded once; for tables, as `logistic`."""

    def of(value: Decimal) -> Decimal:
        denominator = _one_and_exp(-2 * abs(value))
        magnitude = _DIGITS.divide(_DIGITS.subtract(Decimal(2), denominator), denominator)
        return magnitude.copy_sign(value)

    return _rounded(x, of)


def cube_root(x: ArrayLike) -> NDArray[np.float64]:
    """The cube root to the last bit or two, of finite values; by Newton's steps."""
    values = np.asarray(x, np.float64)
    fraction, exponent = np.frexp(np.abs(values))
    third = exponent // 3
    # In [1/2, 4), whose roots are within 45 % of the first guess.
    cube = np.ldexp(fraction, exponent - 3 * third)
    root = np.full_like(cube, 1.1)
    for _ in range(_NEWTON_STEPS):
        root = (2 * root + cube / (root * root)) / 3
    return np.where(values == 0, values, np.copysign(np.ldexp(root, third), values))


def floor_log2(x: float) -> int:
    """The greatest n with 2^n <= x, of a positive finite number."""
    return int(np.frexp(x)[1]) - 1


def _one_and_exp(x: Decimal) -> Decimal:
    return _DIGITS.add(Decimal(1), _DIGITS.exp(x))


def _rounded(x: ArrayLike, function: Callable[[Decimal], Decimal]) -> NDArray[np.float64]:
    values = np.asarray(x, np.float64)
    found = [float(function(Decimal(value))) for value in values.reshape(-1).tolist()]
    return np.array(found, np.float64).reshape(values.shape)
