"""int8 activations that TFLM computes for all of 256 values: HARD_SWISH and LEAKY_RELU."""

import numpy as np
from numpy.typing import NDArray

from vpr_edge.arithmetic.affine import INT8_MAX, INT8_MIN, Affine
from vpr_edge.arithmetic.fixed_point import shift_right
from vpr_edge.arithmetic.integers import multiply, quantize_multiplier

Integers = NDArray[np.int64]
INT8 = np.arange(INT8_MIN, INT8_MAX + 1)


def leaky_relu_table(slope: float, source: Affine, output: Affine) -> NDArray[np.int8]:
    """x where it is not negative, else slope x, for each int8 from the least on."""
    x = (INT8 - source.zero_point).astype(np.int64)
    ratio = float(source.scale) / float(output.scale)
    real = ratio * float(np.float32(slope))
    below = int(np.sign(real)) * _rescaled(np.minimum(x, 0), abs(real))
    found = np.where(x < 0, below, _rescaled(np.maximum(x, 0), ratio)) + output.zero_point
    return np.clip(found, INT8_MIN, INT8_MAX).astype(np.int8)


def _rescaled(x: Integers, real: float) -> Integers:
    factor = quantize_multiplier(real)
    return np.asarray(multiply(x, int(factor.value), int(factor.shift)))


def hard_swish_table(source: Affine, output: Affine) -> NDArray[np.int8]:
    """x relu6(x + 3) / 6 for each int8 from the least on, in 16 bits (TFLM's `hard_swish.h`).

    Raises:
        ValueError: scales that this arithmetic does not reach.
    """
    fine_scale = source.scale * np.float32(1 / 128)
    with np.errstate(over="ignore"):
        real = float(fine_scale / output.scale), float(fine_scale / np.float32(3 / 32768))
    if not np.all(np.isfinite(real)):
        raise ValueError("a scale is not finite")
    (to_output, output_shift), (to_gate, gate_shift) = map(_short_multiplier, real)
    if not (-15 <= output_shift <= 0 and -15 <= gate_shift <= 31):
        raise ValueError("the scales of input and output lie too far apart")
    x = (INT8 - source.zero_point).astype(np.int64) << 7
    # The gate (x + 3) / 6, saturated to [0, 1], in 15 bits.
    gate = _saturate(x << max(gate_shift - 1, 0))
    gate = _high_mul_short(gate, to_gate)
    gate = _saturate(gate << 1) if gate_shift > 0 else shift_right(gate, -gate_shift)
    gate = (gate + (1 << 15)) >> 1
    product = gate * _high_mul_short(x, to_output)
    # Rounded to zero.
    product = np.sign(product) * (np.abs(product) >> 15)
    found = shift_right(product, -output_shift) + output.zero_point
    return np.clip(found, INT8_MIN, INT8_MAX).astype(np.int8)


def _short_multiplier(real: float) -> tuple[int, int]:
    """A factor as a 15-bit fraction and a left shift."""
    factor = quantize_multiplier(real)
    return min((int(factor.value) + (1 << 15)) >> 16, 32767), int(factor.shift)


def _saturate(x: Integers) -> Integers:
    return np.clip(x, -32768, 32767)


def _high_mul_short(a: Integers, b: int) -> Integers:
    return (a * b + (1 << 14)) >> 15
