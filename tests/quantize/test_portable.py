"""What is stored has the same bits whatever the processor: every value against fifty digits."""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

from vpr_edge.arithmetic.portable import cube_root, floor_log2, logistic, tanh

pytestmark = pytest.mark.exact


def nearest(function: Callable[[Any], Any], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The floats nearest to a function's true values."""
    with mpmath.workdps(50):
        return np.array([float(function(mpmath.mpf(value))) for value in values.tolist()])


def arguments() -> NDArray[np.float64]:
    rng = np.random.default_rng(5)
    wide = rng.normal(size=400) * 10.0 ** rng.integers(-12, 3, 400)
    return np.concatenate([wide, [0.0, 1.0, -1.0, 700.0, -700.0]])


def test_logistic_and_tanh_are_the_floats_nearest_to_the_truth() -> None:
    x = arguments()
    np.testing.assert_array_equal(logistic(x), nearest(lambda v: 1 / (1 + mpmath.exp(-v)), x))
    # tanh is that of a difference: near 0 it keeps 36 digits less those of the argument.
    large = x[np.abs(x) > 1e-9]
    np.testing.assert_array_equal(tanh(large), nearest(mpmath.tanh, large))
    assert tanh(0.0) == 0 and logistic(-1e300) == 0 and tanh(-1e300) == -1


def test_cube_roots_are_true_to_two_units_in_the_last_place() -> None:
    x = np.concatenate([arguments(), np.arange(-128.0, 128), [5e-324, 1.7e308]])
    true = nearest(lambda v: mpmath.sign(v) * mpmath.cbrt(abs(v)), x)
    assert (np.abs(cube_root(x) - true) <= 2 * np.spacing(np.abs(true))).all()


def test_the_power_of_two_below_is_found_at_both_sides_of_each() -> None:
    for power in (-1000, -30, -1, 0, 1, 52, 1000):
        exact = 2.0**power
        found = [floor_log2(x) for x in (np.nextafter(exact, 0), exact, np.nextafter(exact, 1e308))]
        assert found == [power - 1, power, power]
