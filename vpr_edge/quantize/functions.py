"""Softmax, logistic function, tanh and L2 normalisation of int8 maps, as TFLM computes them.

Their outputs have parameters that the int8 specification fixes (`graph.FIXED_PARAMETERS`). The
arithmetic is the firmware bridge's own, so that the two cannot part.
"""

import numpy as np
from numpy.typing import NDArray

from vpr_edge.arithmetic.affine import INT8_MAX, INT8_MIN, Affine
from vpr_edge.arithmetic.fixed_point import high_mul, logistic, shift_left, shift_right, tanh
from vpr_edge.arithmetic.integers import quantize_multiplier
from vpr_edge.arithmetic.normalization import unit_rows
from vpr_edge.arithmetic.softmax import exponentials, probabilities

# The logistic function and tanh take their input with this many integer bits.
FUNCTION_BITS = 4


def fixed_function(op: str, rows: NDArray[np.int64], source: Affine) -> NDArray[np.int64]:
    """The stored integers that an operation with fixed output parameters gives.

    Args:
        op: "softmax", "logistic", "tanh" or "l2_normalize".
        rows: stored integers [pixels, channels].
        source: their parameters.
    """
    if op == "softmax":
        table = exponentials(1.0, float(source.scale))
        return np.minimum(probabilities(rows, table, 8) + INT8_MIN, INT8_MAX)
    if op == "logistic":
        return _logistic(rows - source.zero_point, source.scale)
    if op == "tanh":
        x, inside = _fixed_point(rows - source.zero_point, source.scale)
        ends = np.where(rows < source.zero_point, INT8_MIN, INT8_MAX)
        return np.where(inside, np.minimum(shift_right(tanh(x, FUNCTION_BITS), 24), INT8_MAX), ends)
    return np.clip(unit_rows(rows - source.zero_point), INT8_MIN, INT8_MAX)


def _logistic(centered: NDArray[np.int64], scale: np.float32) -> NDArray[np.int64]:
    """tflite-micro `logistic_common.cc`: fixed point inside a radius, saturated outside."""
    x, inside = _fixed_point(centered, scale)
    found = np.minimum(shift_right(logistic(x, FUNCTION_BITS), 23) + INT8_MIN, INT8_MAX)
    return np.where(inside, found, np.where(centered < 0, INT8_MIN, INT8_MAX))


def _fixed_point(
    centered: NDArray[np.int64], scale: np.float32
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The inputs in fixed point, and which of them lie inside the radius."""
    factor = quantize_multiplier(float(scale) * (1 << (31 - FUNCTION_BITS)))
    shift = int(factor.shift)
    radius = (((1 << FUNCTION_BITS) - 1) << (31 - FUNCTION_BITS)) >> shift
    inside = np.abs(centered) < radius
    raw = shift_left(np.where(inside, centered, 0), min(shift, 31))
    return high_mul(raw, int(factor.value)), inside
