"""The integer arithmetic, against its definition written out in Python's exact integers."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vpr_edge.arithmetic.affine import Affine, affine_from_range
from vpr_edge.arithmetic.integers import (
    activation_range,
    mean_multiplier,
    multiply,
    quantize_multiplier,
    round_average,
)

pytestmark = pytest.mark.exact

int32 = st.integers(-(2**31), 2**31 - 1)
factors = st.floats(2.0**-30, 8.0)


def divided_toward_zero(a: int, b: int) -> int:
    """Division of C."""
    return abs(a) // b * (1 if a >= 0 else -1)


def gemmlowp(x: int, value: int, shift: int) -> int:
    """SaturatingRoundingDoublingHighMul, then RoundingDivideByPOT, from gemmlowp's header."""
    product = x * 2 ** max(shift, 0) * value
    nudge = 2**30 if product >= 0 else 1 - 2**30
    high = divided_toward_zero(product + nudge, 2**31)
    right = max(-shift, 0)
    mask = 2**right - 1
    threshold = (mask >> 1) + (1 if high < 0 else 0)
    return (high >> right) + (1 if (high & mask) > threshold else 0)


@given(factors)
def test_multiplier_is_the_factor_to_31_bits(factor: float) -> None:
    m = quantize_multiplier(factor)
    assert 2**30 <= m.value < 2**31
    represented = Fraction(int(m.value)) * Fraction(2) ** (int(m.shift) - 31)
    assert abs(represented - Fraction(factor)) <= Fraction(factor) / 2**31


def test_multiplier_at_the_edges() -> None:
    just_below_one = quantize_multiplier(1 - 2.0**-40)
    assert (just_below_one.value, just_below_one.shift) == (2**30, 1)
    for lost in (0.0, 2.0**-40):
        assert quantize_multiplier(lost).value == 0


@given(int32, factors)
def test_double_rounding_equals_gemmlowp(x: int, factor: float) -> None:
    m = quantize_multiplier(factor)
    value, shift = int(m.value), int(m.shift)
    x = divided_toward_zero(x, 2 ** max(shift, 0))
    assert multiply(np.int64(x), value, shift) == gemmlowp(x, value, shift)


@given(int32, factors)
def test_single_rounding_is_the_nearest_integer(x: int, factor: float) -> None:
    m = quantize_multiplier(factor)
    exact = x * Fraction(int(m.value)) * Fraction(2) ** (int(m.shift) - 31)
    result = int(multiply(np.int64(x), int(m.value), int(m.shift), "single"))
    assert abs(exact - result) <= Fraction(1, 2)


def test_numpy_and_torch_agree_with_a_factor_for_each_channel() -> None:
    random = np.random.default_rng(0)
    x = random.integers(-(2**26), 2**26, (2, 5, 7))
    m = quantize_multiplier(np.array([2.0**-20, 0.3, 0.9999, 1.0, 3.7])[:, None])
    from_numpy = multiply(x, m.value, m.shift)
    value, shift = torch.from_numpy(m.value), torch.from_numpy(m.shift)
    from_torch = multiply(torch.from_numpy(x), value, shift)
    np.testing.assert_array_equal(from_numpy, from_torch.numpy())
    expected = [gemmlowp(int(v), int(m.value[2, 0]), int(m.shift[2, 0])) for v in x[0, 2]]
    assert from_numpy[0, 2].tolist() == expected


@given(st.integers(-128 * 9, 127 * 9), st.integers(1, 9))
def test_average_rounds_half_away_from_zero(total: int, count: int) -> None:
    half = count // 2
    expected = divided_toward_zero(total + half if total > 0 else total - half, count)
    assert round_average(np.array([total]), count)[0] == expected


@pytest.mark.parametrize("count", [1, 2, 48, 80, 1 << 20])
def test_mean_multiplier_divides_by_the_count(count: int) -> None:
    m = mean_multiplier(np.float32(0.02), np.float32(0.013), count)
    factor = float(m.value) * 2.0 ** (float(m.shift) - 31)
    assert factor == pytest.approx(
        float(np.float32(0.02)) / float(np.float32(0.013)) / count, rel=1e-8
    )


@given(st.floats(-50, 50, width=32), st.floats(-50, 50, width=32))
def test_range_is_covered_and_zero_is_exact(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    affine = affine_from_range(low, high)
    assert -128 <= affine.zero_point <= 127 and affine.scale > 0
    least, most = (float(affine.scale) * (q - affine.zero_point) for q in (-128, 127))
    half = float(affine.scale) / 2 + 1e-6
    assert least - half <= low and high <= most + half


def test_activations_clamp_at_their_zero_point() -> None:
    affine = Affine(np.float32(0.05), -20)
    assert activation_range("none", affine) == (-128, 127)
    assert activation_range("relu", affine) == (-20, 127)
    assert activation_range("relu6", affine) == (-20, 100)
