"""Layers that multiply the channels of each pixel by a matrix: 1x1 convolutions, FULLY_CONNECTED.

Their C takes its sizes as parameters, so that all of a model's share one function: a constant size
gains a loop over channels nothing.
"""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vpr_edge.firmware_bridge.operators.shared.node import Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import (
    DSP,
    MVE,
    NOTHING,
    SMALL,
    Constant,
    Kernel,
    Scratch,
    Values,
    c_struct,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.requantize import ACCUMULATOR_LIMIT, Requantization

# Within this the product of the upper byte survives below its own 24 bits.
HALF_EXTENDED_LIMIT = 1 << 23

WORD, BLOCK, GROUP = 4, 16, 4
# Scratch bytes a byte of depth: the hungriest variant's (runtime/vpr_conv_dsp_s8.h), which also
# fills two patches to whole words.
SCRATCH, SCRATCH_MORE = 6, 8


def packed_depth(taps: int) -> int:
    """Bytes of one output channel's weights in the kernels' layout."""
    return -(-taps // WORD) * WORD


def scratch_bytes(taps: int) -> int:
    """Scratch memory of a layer with so many weights an output channel."""
    return SCRATCH * packed_depth(taps) + SCRATCH_MORE


def pack_groups(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Weights [O, K] in the order in which the kernels read them (runtime/vpr_conv_s8.h).

    Groups of four output channels, K filled to whole words, blocks of 16 bytes of the four in turn;
    behind the last what its last vector load reads further.
    """
    groups = _filled(weights).reshape(-1, GROUP, packed_depth(weights.shape[1]))
    blocks = [
        groups[:, :, start : start + BLOCK].reshape(len(groups), -1)
        for start in range(0, groups.shape[2], BLOCK)
    ]
    beyond = np.zeros(-groups.shape[2] % BLOCK, np.int8)
    return np.concatenate([np.concatenate(blocks, axis=1).reshape(-1), beyond])


def _filled(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    channels, taps = weights.shape
    filled = np.zeros((-(-channels // GROUP) * GROUP, packed_depth(taps)), np.int8)
    filled[:channels, :taps] = weights
    return filled


@dataclass(frozen=True, eq=False)
class Matrix:
    """Weights [O, K] of a layer, with what turns their sums into outputs.

    Attributes:
        weights: int8 [O, K].
        bias: int64 [O], the input's zero point folded in.
        requantization: from sums to outputs; its bias is not used.
        order: of the taps in the halves of `half_extended`, where the patches are gathered so.
    """

    weights: NDArray[np.int8]
    bias: NDArray[np.int64]
    requantization: Requantization
    order: NDArray[np.intp] | None = None

    @classmethod
    def of(
        cls,
        weights: NDArray[np.int8],
        zero_point: int,
        requantization: Requantization,
        order: NDArray[np.intp] | None = None,
    ) -> Self:
        """From weights [O, K] and the input's zero point."""
        folded = requantization.bias.astype(np.int64)
        folded -= zero_point * weights.astype(np.int64).sum(axis=1)
        return cls(weights, folded, requantization, order)

    @cached_property
    def channels(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Bias, multiplier and shift, each [groups, 4], of whole groups."""
        q = self.requantization
        bias, multiplier, shift = (
            np.full(-(-len(self.weights) // GROUP) * GROUP, filler, np.int64)
            for filler in (0, 0, int(q.shift[0]))
        )
        for values, given in ((bias, self.bias), (multiplier, q.multiplier), (shift, q.shift)):
            values[: len(given)] = given
        return bias.reshape(-1, GROUP), multiplier.reshape(-1, GROUP), shift.reshape(-1, GROUP)

    @property
    def constants(self) -> NDArray[np.int32]:
        """By group of four output channels their biases, multipliers and shifts."""
        return np.stack(self.channels, axis=1).astype(np.int32).reshape(-1)

    @cached_property
    def is_half_extensible(self) -> bool:
        """Whether `half_extended` gives the exact sums (runtime/vpr_product_dsp_s8.h)."""
        sums = 128 * np.abs(self.weights.astype(np.int64)).sum(axis=1) + np.abs(self.bias)
        odd = self.weights[1::2]
        return (
            self.requantization.right_only
            and bool(np.all(odd > -128))
            and bool(np.all(sums[1::2] < HALF_EXTENDED_LIMIT))
            and bool(np.all(sums < ACCUMULATOR_LIMIT))
        )

    @property
    def half_extended(self) -> NDArray[np.uint32]:
        """The stream that `vpr_product_dsp_s8` reads, group by group."""
        weights = self.weights if self.order is None else self.weights[:, self.order]
        groups = _filled(weights).astype(np.int64).reshape(-1, 2, 2, packed_depth(weights.shape[1]))
        bias, multiplier, shift = self.channels
        even, odd = bias[:, 0::2], bias[:, 1::2]
        sums = np.stack([even, even + 256 * odd], axis=2).reshape(-1, GROUP)
        # Halfwords [group, pair, tap]; bytes 0 and 2 of a word of taps, then 1 and 3.
        halves = (groups[:, :, 0] + 256 * groups[:, :, 1]) & 0xFFFF
        words = halves.reshape(*halves.shape[:2], -1, 2, 2).swapaxes(3, 4)
        words = words[..., 0] | words[..., 1] << 16
        taken = words.transpose(0, 2, 3, 1).reshape(len(groups), -1)
        factors = np.stack([multiplier, np.int64(1) << (32 + shift)], axis=2).reshape(-1, 2 * GROUP)
        stream = np.concatenate([sums, taken, factors], axis=1).reshape(-1)
        return (stream & 0xFFFFFFFF).astype(np.uint32)

    @property
    def streamed(self) -> NDArray[np.uint32]:
        """The stream that `vpr_product_mve_s8` reads, group by group."""
        weights = pack_groups(self.weights).view(np.uint8)
        constants = self.constants.astype("<i4").view(np.uint8).reshape(-1, 12 * WORD)
        groups = weights[: GROUP * len(constants) * packed_depth(self.weights.shape[1])]
        stream = np.concatenate([groups.reshape(len(constants), -1), constants], axis=1)
        return np.frombuffer(stream.tobytes(), "<u4").astype(np.uint32)

    @property
    def raised(self) -> NDArray[np.uint8]:
        """By group of four output channels, tap by tap, 128 more (runtime/vpr_conv_small_s8.h)."""
        taps = self.weights.shape[1]
        groups = _filled(self.weights)[:, :taps].astype(np.int16).reshape(-1, GROUP, taps)
        return (groups.swapaxes(1, 2) + 128).astype(np.uint8).reshape(-1)

    def parameters(self) -> list[tuple[str, Constant]]:
        """What the layer's C function is given."""
        weights: dict[str, Values] = {SMALL: self.raised}
        constants: dict[str, Values] = {}
        if self.is_half_extensible:
            weights[DSP], constants[DSP] = self.half_extended, NOTHING
        if self.requantization.right_only:
            weights[MVE], constants[MVE] = self.streamed, NOTHING
        return [
            ("const void *weights", Constant("weights", pack_groups(self.weights), weights)),
            ("const int32_t *constants", Constant("constants", self.constants, constants)),
        ]

    def c(self) -> str:
        """The declaration of a `struct vpr_matrix` named `matrix`."""
        right_only, extended = self.requantization.right_only, self.is_half_extensible
        return (
            "const struct vpr_matrix matrix = "
            f"{{weights, constants, {int(right_only)}, {int(extended)}}};\n"
        )


def pointwise_kernel(
    source: Tensor,
    output: Tensor,
    weights: NDArray[np.int8],
    zero_point: int,
    requantization: Requantization,
) -> Kernel:
    """The C of a layer whose input is any number of vectors of K, the weights being [O, K]."""
    channels, taps = weights.shape
    matrix = Matrix.of(weights, zero_point, requantization)
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
                *matrix.parameters(),
                ("int8_t *output", output),
                ("void *scratch", Scratch()),
            ]
        ),
        f"const struct vpr_conv shape = {shape};\n"
        f"{matrix.c()}"
        f"const struct vpr_range range = {requantization.range.c()};\n"
        "/* Without padding the zero point is in the bias alone. */\n"
        "vpr_conv_s8(shape, input, 0, matrix, range, output, scratch);",
    )
