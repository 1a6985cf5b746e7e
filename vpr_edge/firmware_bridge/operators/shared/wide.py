"""Requantisation of 64-bit sums, as TFLM's int16 kernels do it (`kernels/internal/common.cc`)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpr_edge.arithmetic.integers import Multiplier, multiply
from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.requantize import INT32_MAX, INT32_MIN

# Of a sum: TFLM's assumption, which keeps its product with 15 bits within int64.
SUM_LIMIT = 1 << 47
LARGEST_SHIFT = 7


@dataclass(frozen=True, eq=False)
class WideScaling:
    """From sums to integers, before the zero point; one value, or one for each output channel.

    Attributes:
        multiplier: of 15 bits where the sums have 64, else of 31.
        shift: to the left.
        wide: whether the sums have 64 bits.
    """

    multiplier: NDArray[np.int32]
    shift: NDArray[np.int8]
    wide: bool

    def apply(self, sums: NDArray[np.int64]) -> NDArray[np.int64]:
        """The scaled sums, rounded."""
        shift = self.shift.astype(np.int64)
        if not self.wide:
            return np.asarray(multiply(sums, self.multiplier.astype(np.int64), shift))
        right = 15 - shift
        half = np.left_shift(np.int64(1), right - 1)
        return np.asarray((sums * self.multiplier.astype(np.int64) + half) >> right)


def wide_scaling(
    node: Node, factor: Multiplier, ends: tuple[NDArray[Any], NDArray[Any]], wide: bool
) -> WideScaling:
    """The scaling by a factor, of sums that stay where its arithmetic is defined.

    Args:
        node: the layer.
        factor: one, or one for each output channel.
        ends: least and greatest sums.
        wide: whether sums have 64 bits.

    Raises:
        ModelError: a sum, or what it is scaled to, may leave its type.
    """
    value, shift = factor.value, factor.shift
    if wide:
        value = np.where(value < 0x7FFF0000, (value + (1 << 15)) >> 16, 0x7FFF)
    scaling = WideScaling(value.astype(np.int32), shift.astype(np.int8), wide)
    limit = SUM_LIMIT if wide else INT32_MAX + 1
    for end in ends:
        left = np.maximum(np.zeros_like(shift) if wide else shift, 0)
        outside = np.abs(end.astype(np.float64)) * 2.0**left >= limit
        if np.any(shift > (LARGEST_SHIFT if wide else 30)) or np.any(outside):
            raise _refuse(node)
        scaled = scaling.apply(end.astype(np.int64))
        if np.any(scaled < INT32_MIN) or np.any(scaled > INT32_MAX):
            raise _refuse(node)
    return scaling


def _refuse(node: Node) -> Exception:
    return node.refuse(
        "its sums can overflow at these scales",
        "the file is corrupt or badly scaled, so quantise the model again",
    )
