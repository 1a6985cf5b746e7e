"""Scale and zero point: what a stored integer stands for."""

from dataclasses import dataclass

import numpy as np

INT8_MIN, INT8_MAX = -128, 127
# Keeps products and quotients of scales within float32 where a map is all but dead.
SMALLEST_SCALE = 1e-9


@dataclass(frozen=True)
class Affine:
    """int8 parameters of an activation tensor: real = scale * (q - zero_point)."""

    scale: np.float32
    zero_point: int


def affine_from_range(low: float, high: float) -> Affine:
    """int8 parameters that cover [low, high], widened to hold 0, which is represented exactly."""
    low, high = min(low, 0.0), max(high, 0.0)
    span = (high - low) / (INT8_MAX - INT8_MIN)
    scale = np.float32(max(span, SMALLEST_SCALE) if span else 1.0)
    zero_point = round(INT8_MIN - low / float(scale))
    return Affine(scale, int(np.clip(zero_point, INT8_MIN, INT8_MAX)))
