"""Layers that multiply the channels of each pixel by a matrix: 1x1 convolutions, FULLY_CONNECTED.

Their C takes its sizes as parameters, so that all of a model's share one function: a constant size
gains a loop over channels nothing.
"""

from math import prod

import numpy as np
from numpy.typing import NDArray

from vpr_edge.firmware_bridge.operators.shared.node import Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Constant,
    Kernel,
    Scratch,
    c_struct,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.requantize import Requantization

WORD, BLOCK = 4, 16
# Scratch bytes a byte of depth: the hungriest variant's (runtime/vpr_conv_dsp_s8.h).
SCRATCH = 5


def packed_depth(taps: int) -> int:
    """Bytes of one output channel's weights in the kernels' layout."""
    return -(-taps // WORD) * WORD


def pack_channel_pairs(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Weights [O, K] in the order in which the kernels read them (runtime/vpr_conv_s8.h).

    Pairs of output channels, K filled to whole words, blocks of 16 bytes of the two in turn.
    """
    channels, taps = weights.shape
    depth = packed_depth(taps)
    filled = np.zeros((-(-channels // 2) * 2, depth), np.int8)
    filled[:channels, :taps] = weights
    pairs = filled.reshape(-1, 2, depth)
    blocks = [
        pairs[:, :, start : start + BLOCK].reshape(len(pairs), -1)
        for start in range(0, depth, BLOCK)
    ]
    return np.concatenate(blocks, axis=1).reshape(-1)


def channel_constants(
    weights: NDArray[np.int8], zero_point: int, requantization: Requantization
) -> list[tuple[str, Constant]]:
    """The parameters by output channel; the bias has the input's zero point folded in.

    Args:
        weights: [O, K].
        zero_point: of the input.
        requantization: from sums to outputs.
    """
    q = requantization
    folded = q.bias.astype(np.int64) - zero_point * weights.astype(np.int64).sum(axis=1)
    return [
        ("const int8_t *weights", Constant("weights", pack_channel_pairs(weights))),
        ("const int32_t *bias", Constant("bias", folded.astype(np.int32))),
        ("const int32_t *multiplier", Constant("multiplier", q.multiplier)),
        ("const int8_t *shift", Constant("shift", q.shift)),
    ]


def pointwise_kernel(
    source: Tensor,
    output: Tensor,
    weights: NDArray[np.int8],
    zero_point: int,
    requantization: Requantization,
) -> Kernel:
    """The C of a layer whose input is any number of vectors of K, the weights being [O, K]."""
    channels, taps = weights.shape
    q = requantization
    one = dict.fromkeys(
        (
            "in_rows",
            "out_rows",
            "kernel_rows",
            "kernel_columns",
            "stride_rows",
            "stride_columns",
            "dilation_rows",
            "dilation_columns",
        ),
        1,
    )
    shape = c_struct(
        **one,
        pad_top=0,
        pad_left=0,
        in_columns="pixels",
        out_columns="pixels",
        in_channels="taps",
        out_channels="outputs",
        depth=f"(taps + {WORD - 1}) & ~{WORD - 1}",
    )
    return Kernel(
        "vpr_conv_s8.h",
        "pointwise_s8",
        parameters(
            [
                ("const int8_t *input", source),
                ("int32_t pixels", str(prod(source.shape) // taps)),
                ("int32_t taps", str(taps)),
                ("int32_t outputs", str(channels)),
                *channel_constants(weights, zero_point, q),
                ("int8_t *output", output),
                ("void *scratch", Scratch()),
            ]
        ),
        f"const struct vpr_conv shape = {shape};\n"
        f"const struct vpr_channels channels = {q.c_channels()};\n"
        f"const struct vpr_range range = {q.range.c()};\n"
        "/* Without padding the zero point is in the bias alone. */\n"
        "vpr_conv_s8(shape, input, 0, channels, range, output, scratch);",
    )
