"""Rewrites that leave every output's bits as they are: fewer layers, fewer copies."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import reduce

import numpy as np

from vpr_edge.firmware_bridge.compile.constant_channels import drop_constant_channels
from vpr_edge.firmware_bridge.operators import make_operator
from vpr_edge.firmware_bridge.operators.convolution import WindowedWeights
from vpr_edge.firmware_bridge.operators.shared.node import Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import Operator
from vpr_edge.firmware_bridge.operators.shared.program import Program
from vpr_edge.firmware_bridge.operators.shared.storage import size
from vpr_edge.firmware_bridge.operators.state import ReadVariable

# Bytes of what is computed now; a larger constant would cost flash that its layer does not.
LARGEST_FOLDED = 1 << 20
Pass = Callable[[Program], Program]


def run_passes(program: Program) -> Program:
    """All rewrites, in order."""
    rewrites: tuple[Pass, ...] = (
        fold_constants,
        fold_padding,
        fuse_activations,
        drop_constant_channels,
        drop_unused,
        share_states,
    )
    return reduce(lambda current, rewrite: rewrite(current), rewrites, program)


def fold_constants(program: Program) -> Program:
    """Layers whose inputs are all constants are computed now, by their references."""
    known: dict[Tensor, Tensor] = {}
    kept = []
    for operator in program.operators:
        operator = _reading(operator, known)
        foldable = (
            not operator.activations()
            and not set(operator.outputs) & set(program.outputs)
            and sum(map(size, operator.outputs)) <= LARGEST_FOLDED
        )
        if not foldable:
            kept.append(operator)
            continue
        values = operator.reference(*(None if t is None else t.values for t in operator.inputs))
        known |= {
            tensor: replace(tensor, values=value)
            for tensor, value in zip(operator.outputs, values, strict=True)
        }
    return replace(program, operators=tuple(kept))


def fold_padding(program: Program) -> Program:
    """PAD with the zero point in front of a convolution becomes the convolution's own padding."""
    readers = _readers(program)
    padded: dict[Tensor | None, Operator] = {
        operator.outputs[0]: operator
        for operator in program.operators
        if operator.code in ("PAD", "PADV2") and readers[operator.outputs[0]] == 1
    }
    folded: set[Operator] = set()
    operators = []
    for operator in program.operators:
        pad = padded.get(operator.inputs[0]) if isinstance(operator, WindowedWeights) else None
        if pad is not None and isinstance(operator, WindowedWeights):
            inner = _with_padding(operator, pad)
            if inner is not None:
                folded.add(pad)
                operator = inner
        operators.append(operator)
    return replace(program, operators=tuple(o for o in operators if o not in folded))


def _with_padding(operator: WindowedWeights, pad: Operator) -> WindowedWeights | None:
    """The convolution on what PAD read; None where the padding is none that it can take on."""
    source, amounts = pad.inputs[0], pad.inputs[1]
    if source is None or amounts is None or amounts.values is None or len(source.shape) != 4:
        return None
    before_after = amounts.values.reshape(4, 2)
    fill = pad.inputs[2] if len(pad.inputs) > 2 else None
    zero = int(source.zero_point[0]) if source.zero_point.size else 0
    value = zero if fill is None or fill.values is None else int(fill.values.reshape(-1)[0])
    if value != operator.zero_point or np.any(before_after[[0, 3]]):
        return None
    window = operator.window
    top, left = int(before_after[1, 0]), int(before_after[2, 0])
    wider = replace(
        window,
        source=(source.shape[1], source.shape[2]),
        pad=(window.pad[0] + top, window.pad[1] + left),
    )
    node = replace(operator.node, inputs=(source, *operator.node.inputs[1:]))
    return replace(operator, window=wider, node=node)


def fuse_activations(program: Program) -> Program:
    """RELU and RELU6 that do not rescale become the clamp of the convolution in front."""
    readers = _readers(program)
    writers: dict[Tensor | None, WindowedWeights] = {
        operator.outputs[0]: operator
        for operator in program.operators
        if isinstance(operator, WindowedWeights)
    }
    fused: dict[Operator, Operator | None] = {}
    for operator in program.operators:
        before = writers.get(operator.inputs[0]) if operator.code in ("RELU", "RELU6") else None
        if before is None or readers[before.outputs[0]] != 1:
            continue
        middle, output = before.outputs[0], operator.outputs[0]
        if not (
            np.array_equal(middle.scale, output.scale)
            and np.array_equal(middle.zero_point, output.zero_point)
        ):
            continue
        # The clamp that the activation applies, read off its reference at every int8 value.
        every = np.arange(-128, 128).astype(np.int8)
        table = operator.reference(every.reshape(1, 1, 1, 256))[0].reshape(-1)
        low, high = int(table.min()), int(table.max())
        if not np.array_equal(table, np.clip(every, low, high)):
            continue
        old = before.requantization.range
        narrowed = replace(old, low=max(old.low, low), high=min(old.high, high))
        fused[before] = replace(
            before,
            requantization=replace(before.requantization, range=narrowed),
            node=replace(before.node, outputs=(output,)),
        )
        fused[operator] = None
    operators = (fused.get(operator, operator) for operator in program.operators)
    return replace(program, operators=tuple(o for o in operators if o is not None))


def drop_unused(program: Program) -> Program:
    """Layers whose outputs nobody reads are left out."""
    wanted = set(program.outputs)
    kept = []
    for operator in reversed(program.operators):
        if wanted & set(operator.outputs) or any(t.variable for _, t in operator.activations()):
            kept.append(operator)
            wanted |= {tensor for _, tensor in operator.activations()}
    return replace(program, operators=tuple(reversed(kept)))


def share_states(program: Program) -> Program:
    """READ_VARIABLE gives the variable's own bytes where all its readers come before ASSIGN's."""
    operators = list(program.operators)
    for index, operator in enumerate(operators):
        if not isinstance(operator, ReadVariable) or not operator.source.variable:
            continue
        shared = replace(operator, shared=True)
        trial = replace(program, operators=(*operators[:index], shared, *operators[index + 1 :]))
        if _is_read_before_assigned(trial, index):
            operators[index] = shared
            program = trial
    return program


def _is_read_before_assigned(program: Program, index: int) -> bool:
    operators, variable = program.operators, program.operators[index].source
    mine = {operators[index].outputs[0]}
    last = index
    for position, operator in enumerate(operators[index + 1 :], index + 1):
        if any(tensor in mine for tensor in operator.inputs):
            if variable in operator.updates:
                return False
            last = position
            if operator.is_view:
                mine.add(operator.outputs[0])
    assigned = any(variable in operator.updates for operator in operators[index:last])
    return not assigned and not mine & set(program.outputs)


def _readers(program: Program) -> Counter[Tensor]:
    """How often each activation is read; being an output of the model counts as a reader."""
    counts = Counter(
        tensor for operator in program.operators for _, tensor in operator.activations()
    )
    counts.update(program.outputs)
    return counts


def _reading(operator: Operator, known: dict[Tensor, Tensor]) -> Operator:
    """The operator with inputs that have become constants."""
    if not any(tensor in known for tensor in operator.inputs):
        return operator
    inputs = tuple(None if t is None else known.get(t, t) for t in operator.inputs)
    return make_operator(replace(operator.node, inputs=inputs))
