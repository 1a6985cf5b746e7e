"""DEPTHWISE_CONV_2D by planes, for cores with the DSP extension.

See runtime/vpr_depthwise_planes_dsp_s8.h.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vpr_edge.firmware_bridge.operators.shared.requantize import ACCUMULATOR_LIMIT, Requantization
from vpr_edge.firmware_bridge.operators.shared.window import Window

KERNEL = (3, 3)
GROUP = 4
# So many output rows share the rows that they have in common, and so many outputs share what a
# plane takes to set up, as long as the rows beyond the first are no more bytes than this.
ROWS, OUTPUTS, LARGEST_DELAY = 4, 160, 1 << 10
# Reach of a load's immediate offset, and of an addition's.
LARGEST_OFFSET = 4095


@dataclass(frozen=True, eq=False)
class DepthwisePlanes:
    """A layer by planes.

    Attributes:
        band: output rows at once.
        scratch_bytes: for the planes of a band.
        constants: uint32, six words a channel.
    """

    band: int
    scratch_bytes: int
    constants: NDArray[np.uint32]


def depthwise_planes(
    window: Window,
    weights: NDArray[np.int8],
    zero_point: int,
    requantization: Requantization,
    multiplier: int,
) -> DepthwisePlanes | None:
    """The layer by planes, or None where that kernel does not serve it exactly.

    Args:
        window: the geometry.
        weights: [1, rows, columns, channels].
        zero_point: of the input.
        requantization: from sums to outputs.
        multiplier: output channels an input channel.
    """
    w, q, channels = window, requantization, weights.shape[3]
    if (
        multiplier != 1
        or w.kernel != KERNEL
        or w.dilation != (1, 1)
        or w.stride not in ((1, 1), (2, 2))
        or channels < GROUP
        or not q.right_only
    ):
        return None
    taps = weights.reshape(-1, channels).astype(np.int64)
    bias = q.bias.astype(np.int64) - zero_point * taps.sum(axis=0)
    if np.any(128 * np.abs(taps).sum(axis=0) + np.abs(bias) >= ACCUMULATOR_LIMIT):
        return None
    stride, columns = w.stride[0], -(-w.result[1] // 2) * 2
    width = (columns * stride + KERNEL[1] + 3) // 4 * 4
    if max(8 * width + 4, 4 * width * stride, 4 * channels) > LARGEST_OFFSET:
        return None
    wanted = max(ROWS, -(-OUTPUTS // w.result[1]))
    fits = 1 + LARGEST_DELAY // (w.result[1] * channels)
    bands = -(-w.result[0] // min(wanted, fits))
    band = -(-w.result[0] // bands)
    scratch = (band * stride + KERNEL[0] - stride) * 4 * width
    return DepthwisePlanes(band, scratch, _constants(taps, bias, q))


def _constants(
    taps: NDArray[np.int64], bias: NDArray[np.int64], q: Requantization
) -> NDArray[np.uint32]:
    none = np.zeros(taps.shape[1], np.int64)
    words = [
        (taps[0], taps[1], taps[2], taps[4]),
        (taps[3], taps[7], taps[5], none),
        (taps[6], none, taps[8], none),
    ]
    packed = [sum((t & 255) << 8 * i for i, t in enumerate(word)) for word in words]
    factor = np.int64(1) << (32 + q.shift.astype(np.int64))
    stream = np.stack([*packed, 2 * bias, q.multiplier.astype(np.int64), factor], axis=1)
    return (stream & 0xFFFFFFFF).astype(np.uint32).reshape(-1)
