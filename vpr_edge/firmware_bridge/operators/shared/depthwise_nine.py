"""DEPTHWISE_CONV_2D of nine taps, for cores with Helium.

See runtime/vpr_depthwise_nine_mve_s8.h.
"""

import numpy as np
from numpy.typing import NDArray

from vpr_edge.firmware_bridge.operators.shared.requantize import Requantization

KERNEL = (3, 3)
LANES, QUARTERS = 16, (0, 2, 1, 3)


def nine_scratch_bytes(channels: int) -> int:
    """For a row of zero points."""
    return -(-channels // LANES) * LANES


def depthwise_nine(
    weights: NDArray[np.int8], zero_point: int, requantization: Requantization, multiplier: int
) -> NDArray[np.uint32] | None:
    """The kernel's stream, or None where that kernel does not serve the layer exactly.

    Args:
        weights: [1, rows, columns, channels].
        zero_point: of the input.
        requantization: from sums to outputs.
        multiplier: output channels an input channel.
    """
    q, channels = requantization, weights.shape[3]
    if (
        multiplier != 1
        or weights.shape[1:3] != KERNEL
        or channels % len(QUARTERS)
        or not q.right_only
        or weights.min() < -127
    ):
        return None
    filled = nine_scratch_bytes(channels)
    taps = np.zeros((9, filled), np.int8)
    taps[:, :channels] = weights.reshape(9, channels)
    folded = q.bias - zero_point * taps[:, :channels].astype(np.int64).sum(axis=0)
    constants = np.zeros((3, filled), np.int64)
    constants[:, :channels] = folded, q.multiplier, q.shift
    parts = []
    for block in range(0, filled, LANES):
        parts.append(taps[:, block : block + LANES].tobytes())
        for start in QUARTERS:
            quarter = constants[:, block + start : block + LANES : len(QUARTERS)]
            parts.append(quarter.astype("<i4").tobytes())
    return np.frombuffer(b"".join(parts), "<u4").astype(np.uint32)
