"""Where each tensor lies in the arena.

Every activation is a buffer that lives from the step that writes it to the last that reads it.
Two that live at once must lie apart, but for one exception: an operator that reads its input's
front before it writes there may write over an input that dies with it (`Operator.clearance`; the
idea is that of diagonal memory optimisation, arXiv 2010.01000).
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.compile.order import overlaps, step_bytes
from vpr_edge.firmware_bridge.operators.shared.node import Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import Operator
from vpr_edge.firmware_bridge.operators.shared.program import Program
from vpr_edge.firmware_bridge.operators.shared.storage import aligned, size

ATTEMPTS = 5000
# Share of the attempts that also send a buffer to the other end.
TURNED = 0.7
# Attempts without a better plan.
SETTLE_AFTER = 300
# Attempts times conflicts, so that a model of many layers is planned in seconds too.
LARGEST_SEARCH = 5_000_000
# Offsets are int32 in the generated C.
LARGEST_ARENA = 1 << 30


@dataclass(frozen=True, eq=False)
class Buffer:
    """Bytes that live from step `first` to step `last`; scratch memory has no tensor."""

    tensor: Tensor | None
    bytes: int
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class Plan:
    """The memory map.

    Attributes:
        program: its operators in the order of the plan.
        buffers: all of them, with their offsets.
        offsets: by activation, views included, bytes from the arena's start.
        scratch: by step, likewise.
        arena_bytes: what the caller provides.
        bound_bytes: the largest sum of what one step needs at once: no plan of this order is less.
    """

    program: Program
    buffers: tuple[tuple[Buffer, int], ...]
    offsets: dict[Tensor, int]
    scratch: dict[int, int]
    arena_bytes: int
    bound_bytes: int

    def text(self) -> str:
        """The plan as a table for people."""
        lines = [
            f"arena {self.arena_bytes:,} B, lower bound {self.bound_bytes:,} B",
            f"{'offset':>8} {'bytes':>8}  steps    tensor",
        ]
        for buffer, offset in sorted(self.buffers, key=lambda pair: (pair[0].first, pair[1])):
            name = buffer.tensor.name if buffer.tensor else "(scratch)"
            steps = f"{max(buffer.first, 0)}-{buffer.last}"
            lines.append(f"{offset:>8} {buffer.bytes:>8}  {steps:<8} {name}")
        return "\n".join(lines)


# Classic orders of first fit; the search goes on from the best one.
ORDERS: tuple[Callable[[Buffer], tuple[int, ...]], ...] = (
    lambda b: (-b.bytes, b.first),
    lambda b: (-b.bytes, -b.last),
    lambda b: (-(b.last - b.first), -b.bytes),
    lambda b: (-b.bytes * (b.last - b.first + 1), b.first),
    lambda b: (-b.last, -b.bytes),
    lambda b: (b.first, -b.bytes),
)


def plan_memory(program: Program) -> Plan:
    """Assign offsets: first fit in classic orders, then seeded search until the bound is met.

    The search changes the order, and which buffers take the highest place under the bound instead
    of the lowest: small ones that live long are out of the way at either end.

    Raises:
        ModelError: the arena is larger than offsets in C reach.
    """
    buffers = _buffers(program)
    conflicts = _conflicts(program, buffers)
    bound = max(_steps(program, buffers))
    from_top = [False] * len(buffers)
    orders = [sorted(range(len(buffers)), key=lambda i: key(buffers[i])) for key in ORDERS]
    placements = [_place(buffers, conflicts, each, from_top, bound) for each in orders]
    ends = [_end(buffers, placement) for placement in placements]
    best_end = min(ends)
    order, best = (found[ends.index(best_end)] for found in (orders, placements))
    # Deterministic: the same model gives the same C.
    generator = random.Random(0)
    since_better = 0
    work = sum(map(len, conflicts)) + len(buffers)
    for _ in range(min(ATTEMPTS, LARGEST_SEARCH // work)):
        if best_end <= bound:
            break
        trial, tops = list(order), list(from_top)
        for _ in range(generator.randint(1, 3)):
            moved = trial.pop(generator.randrange(len(trial)))
            trial.insert(generator.randrange(len(trial) + 1), moved)
        if generator.random() < TURNED:
            turned = generator.randrange(len(tops))
            tops[turned] = not tops[turned]
        since_better += 1
        if since_better % SETTLE_AFTER == 0:
            # Let everything sink: lowest first, each as low as it can.
            trial = sorted(range(len(buffers)), key=best.__getitem__)
            tops = [False] * len(buffers)
        placed = _place(buffers, conflicts, trial, tops, bound)
        end = _end(buffers, placed)
        if end < best_end:
            since_better = 0
        if end <= best_end:
            order, from_top, best, best_end = trial, tops, placed, end
    if best_end > LARGEST_ARENA:
        raise ModelError(
            f"{program.source} needs an arena of {best_end:,} B, more than the "
            f"{LARGEST_ARENA:,} B that C's offsets reach; give a smaller model."
        )
    offsets = {b.tensor: at for b, at in zip(buffers, best, strict=True) if b.tensor is not None}
    for view, root in program.storage().items():
        offsets[view] = offsets[root]
    return Plan(
        program,
        tuple(zip(buffers, best, strict=True)),
        offsets,
        {b.first: at for b, at in zip(buffers, best, strict=True) if b.tensor is None},
        best_end,
        bound,
    )


def _buffers(program: Program) -> list[Buffer]:
    root = program.storage()
    last_step = len(program.operators)
    first: dict[Tensor, int] = dict.fromkeys((*program.inputs, *program.variables), -1)
    last: dict[Tensor, int] = dict.fromkeys(first, 0)
    scratch = []
    for step, operator in enumerate(program.operators):
        for _, tensor in operator.activations():
            last[root.get(tensor, tensor)] = step
        for tensor in operator.outputs:
            if tensor not in root:
                first[tensor] = last[tensor] = step
        if operator.scratch_bytes:
            scratch.append(Buffer(None, operator.scratch_bytes, step, step))
    for tensor in (*program.outputs, *program.variables):
        last[root.get(tensor, tensor)] = last_step
    tensors = [Buffer(t, size(t), first[t], last[t]) for t in first]
    return tensors + scratch


def _steps(program: Program, buffers: Sequence[Buffer]) -> list[int]:
    """What each step needs at once."""
    root = program.storage()
    found = []
    for step, operator in enumerate(program.operators):
        alive = [b for b in buffers if b.tensor is not None and b.first <= step <= b.last]
        live = {b.tensor for b in alive if b.tensor is not None}
        found.append(step_bytes(operator, live, _dying(operator, step, alive, root), root))
    return found


def _dying(
    operator: Operator, step: int, alive: Sequence[Buffer], root: Mapping[Tensor, Tensor]
) -> set[Tensor]:
    read = {root.get(tensor, tensor) for _, tensor in operator.activations()}
    return {b.tensor for b in alive if b.tensor in read and b.last == step and b.first < step}


# From buffer i's point of view: j, and the open interval around j's offset where i may not begin.
Conflict = tuple[int, int, int]


def _conflicts(program: Program, buffers: Sequence[Buffer]) -> list[list[Conflict]]:
    index = {b.tensor: i for i, b in enumerate(buffers) if b.tensor is not None}
    root = program.storage()
    allowed: dict[tuple[int, int], int] = {}
    for step, operator in enumerate(program.operators):
        if operator.is_view:
            continue
        dying = _dying(operator, step, buffers, root)
        for tensor, clearance in overlaps(operator, dying, root).items():
            allowed[index[operator.outputs[0]], index[tensor]] = aligned(clearance)
    found: list[list[Conflict]] = [[] for _ in buffers]
    for i, a in enumerate(buffers):
        for j, b in enumerate(buffers):
            if i == j or a.last < b.first or b.last < a.first:
                continue
            below, above = aligned(a.bytes), aligned(b.bytes)
            if (i, j) in allowed:  # a is written over b: a <= b - clearance
                below = min(below, allowed[i, j])
            if (j, i) in allowed:  # b is written over a: a >= b + clearance
                above = min(above, allowed[j, i])
            found[i].append((j, below, above))
    return found


def _place(
    buffers: Sequence[Buffer],
    conflicts: Sequence[Sequence[Conflict]],
    order: Sequence[int],
    from_top: Sequence[bool],
    limit: int,
) -> list[int]:
    """Each buffer at the lowest offset that those before it leave.

    Those `from_top` take the highest that ends at or under the limit, where there is one.
    """
    offsets = [-1] * len(buffers)
    for i in order:
        forbidden = [
            (offsets[j] - below, offsets[j] + above)
            for j, below, above in conflicts[i]
            if offsets[j] >= 0
        ]
        at = -1
        if from_top[i]:
            at = limit - aligned(buffers[i].bytes)
            for low, high in sorted(forbidden, key=lambda interval: -interval[1]):
                if low < at < high:
                    at = low
        if at < 0:
            at = 0
            for low, high in sorted(forbidden):
                if low < at < high:
                    at = high
        offsets[i] = at
    return offsets


def _end(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    return max(at + aligned(buffer.bytes) for buffer, at in zip(buffers, offsets, strict=True))
