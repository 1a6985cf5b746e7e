"""Channels that cannot change, or that nobody needs, are left out, and no bit of an output changes.

Training with weight decay leaves output channels behind whose weights are all zero. Such a channel
holds one number everywhere; what a later convolution makes of it goes into that one's bias.
"""

from collections import defaultdict
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vpr_edge.firmware_bridge.operators.convolution import (
    Convolution,
    DepthwiseConvolution,
    WindowedWeights,
)
from vpr_edge.firmware_bridge.operators.shared.node import Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import Operator
from vpr_edge.firmware_bridge.operators.shared.program import Program

# Channels are kept in whole words, as the kernels read them.
WORD = 4
Channels = NDArray[np.bool_]
Known = dict[Tensor, dict[int, int]]


def drop_constant_channels(program: Program) -> Program:
    """The program with narrower convolutions where channels are constant or unused."""
    known = _constants(program)
    dropped = _droppable(program, known)
    renamed: dict[Tensor, Tensor] = {}
    operators = []
    for operator in program.operators:
        if isinstance(operator, WindowedWeights):
            operator = _narrowed(operator, known, dropped, renamed)
        operators.append(operator)
    return replace(program, operators=tuple(operators))


def _constants(program: Program) -> Known:
    """By tensor the channels that hold the same value at every pixel whatever the input is."""
    known: Known = defaultdict(dict)
    for operator in program.operators:
        if isinstance(operator, Convolution):
            sums = {int(o): 0 for o in np.flatnonzero(~operator.weights.any(axis=(1, 2, 3)))}
        elif isinstance(operator, DepthwiseConvolution):
            sums = _depthwise_sums(operator, known[operator.source])
        else:
            continue
        for o, total in sums.items():
            known[operator.outputs[0]][o] = _output(operator, o, total)
    return known


def _depthwise_sums(operator: DepthwiseConvolution, source: dict[int, int]) -> dict[int, int]:
    """By constant output channel the sum of its products."""
    weights = operator.weights[0].astype(np.int64)
    repeat = weights.shape[2] // operator.source.shape[3]
    sums = {}
    for o in range(weights.shape[2]):
        value = source.get(o // repeat)
        if not weights[..., o].any():
            sums[o] = 0
        elif value is not None and (value == operator.zero_point or _inside(operator)):
            sums[o] = int((value - operator.zero_point) * weights[..., o].sum())
    return sums


def _output(operator: WindowedWeights, channel: int, total: int) -> int:
    """What a channel's sum becomes."""
    q = operator.requantization
    sums = np.zeros(len(q.bias), np.int64)
    sums[channel] = total
    return int(q.apply(sums, np.dtype(np.int64))[channel])


def _inside(operator: WindowedWeights) -> bool:
    """Whether no kernel reaches outside the image."""
    w = operator.window
    return w.pad == (0, 0) and all(
        (r - 1) * s + (k - 1) * d + 1 <= n
        for r, s, k, d, n in zip(w.result, w.stride, w.kernel, w.dilation, w.source, strict=True)
    )


def _droppable(program: Program, known: Known) -> dict[Tensor, Channels]:
    """By tensor which channels no reader needs, or needs but for a number in its bias."""
    depthwise = [
        operator for operator in program.operators if isinstance(operator, DepthwiseConvolution)
    ]
    blocked: set[Tensor] = set()
    while True:
        dropped = _unneeded_channels(program, known, blocked)
        # Input and output of a depthwise layer have the same channels, or none of them is dropped.
        uneven = {
            operator.outputs[0]
            for operator in depthwise
            if operator.outputs[0] in dropped
            and not np.array_equal(
                dropped[operator.outputs[0]], dropped.get(operator.source, np.zeros(0))
            )
        }
        if not uneven:
            return dropped
        blocked |= uneven


def _unneeded_channels(
    program: Program, known: Known, blocked: set[Tensor]
) -> dict[Tensor, Channels]:
    """Without regard to depthwise layers' inputs; of the tensors in `blocked` none."""
    readers: dict[Tensor, list[Operator]] = defaultdict(list)
    for operator in program.operators:
        for _, tensor in operator.activations():
            readers[tensor].append(operator)
    dropped: dict[Tensor, Channels] = {}
    # Readers come later in the order, so theirs is known by the time that it is asked for.
    for operator in reversed(program.operators):
        if not _divisible(operator):
            continue
        output = operator.outputs[0]
        if output in blocked or output in program.outputs:
            continue
        unneeded = np.ones(output.shape[3], bool)
        for reader in readers[output]:
            unneeded &= _unneeded(reader, output, known[output], dropped)
        kept = int((~unneeded).sum())
        unneeded[np.flatnonzero(unneeded)[: -kept % WORD if kept else WORD]] = False
        if unneeded.any():
            dropped[output] = unneeded
    return dropped


def _divisible(operator: Operator) -> bool:
    """Whether the operator can be made to write fewer channels."""
    if isinstance(operator, DepthwiseConvolution):
        return _repeat(operator) == 1
    return isinstance(operator, Convolution) and not _grouped(operator)


def _unneeded(
    reader: Operator, tensor: Tensor, known: dict[int, int], dropped: dict[Tensor, Channels]
) -> Channels:
    """The tensor's channels that a reader can do without."""
    none = np.zeros(tensor.shape[3], bool)
    if isinstance(reader, DepthwiseConvolution):
        return dropped.get(reader.outputs[0], none) if _repeat(reader) == 1 else none
    if not isinstance(reader, Convolution) or _grouped(reader):
        return none
    unneeded: Channels = np.asarray(~reader.weights.any(axis=(0, 1, 2)))
    for channel, value in known.items():
        unneeded[channel] |= value == reader.zero_point or _inside(reader)
    return unneeded


def _repeat(operator: DepthwiseConvolution) -> int:
    return operator.weights.shape[3] // operator.source.shape[3]


def _grouped(operator: Convolution) -> bool:
    return operator.weights.shape[3] != operator.source.shape[3]


def _narrowed(
    operator: WindowedWeights,
    known: Known,
    dropped: dict[Tensor, Channels],
    renamed: dict[Tensor, Tensor],
) -> WindowedWeights:
    """The operator without its dropped input and output channels."""
    source, output, weights = operator.source, operator.outputs[0], operator.weights
    lost, unused = dropped.get(source), dropped.get(output)
    if lost is None and unused is None:
        return operator
    lost = np.zeros(source.shape[3], bool) if lost is None else lost
    kept = np.ones(output.shape[3], bool) if unused is None else ~unused
    q = operator.requantization
    bias = q.bias.astype(np.int64)
    if isinstance(operator, Convolution):
        for channel in np.flatnonzero(lost):
            # Where the value is not known the weights are zero.
            value = known[source].get(int(channel), operator.zero_point)
            sums = weights[..., channel].astype(np.int64).sum(axis=(1, 2))
            bias += (value - operator.zero_point) * sums
        narrow, axis = weights[kept][..., ~lost], 0
    else:
        narrow, axis = weights[..., kept], 3
    tensor = operator.inputs[1]
    assert tensor is not None
    scales = kept if tensor.scale.size == len(kept) else slice(None)
    packed = replace(
        tensor,
        shape=narrow.shape,
        values=narrow,
        scale=tensor.scale[scales],
        zero_point=tensor.zero_point[scales],
        axis=axis,
    )
    if source in dropped:
        source = renamed[source]
    if output in dropped:
        renamed[output] = replace(output, shape=(*output.shape[:3], int(kept.sum())))
        output = renamed[output]
    return replace(
        operator,
        node=replace(
            operator.node, inputs=(source, packed, *operator.inputs[2:]), outputs=(output,)
        ),
        requantization=replace(
            q,
            bias=bias[kept].astype(np.int32),
            multiplier=q.multiplier[kept],
            shift=q.shift[kept],
        ),
    )
