"""The order of execution that needs least memory."""

import heapq
from collections.abc import Mapping
from dataclasses import replace

from vpr_edge.firmware_bridge.operators.shared.node import Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import Operator
from vpr_edge.firmware_bridge.operators.shared.program import Program
from vpr_edge.firmware_bridge.operators.shared.storage import aligned, size

# Sets of finished layers, times layers, that are looked at before the file's order is kept.
LARGEST_SEARCH = 2_000_000


def step_bytes(
    operator: Operator, live: set[Tensor], dying: set[Tensor], root: Mapping[Tensor, Tensor]
) -> int:
    """The least memory in which a step can run, its parts aligned.

    Args:
        operator: the step.
        live: activations (not views) that hold bytes during the step, its outputs among them.
        dying: those of its inputs that nobody reads later, which its output may overlap.
        root: of the program's views (`Program.storage`).
    """
    total = sum(aligned(size(tensor)) for tensor in live) + aligned(operator.scratch_bytes)
    if operator.is_view or len(operator.outputs) != 1:
        return total
    output = aligned(size(operator.outputs[0]))
    reach, apart = output, 0
    for tensor, clearance in overlaps(operator, dying, root).items():
        reach = max(reach, aligned(clearance) + aligned(size(tensor)))
        apart += aligned(size(tensor))
    return total - output - apart + max(reach, apart)


def overlaps(
    operator: Operator, dying: set[Tensor], root: Mapping[Tensor, Tensor]
) -> dict[Tensor, int]:
    """By dying input that the output may overlap: the clearance that it needs."""
    found: dict[Tensor, int] = {}
    refused: set[Tensor] = set()
    if operator.is_view or len(operator.outputs) != 1:
        return found
    for index, read in operator.activations():
        tensor = root.get(read, read)
        clearance = operator.clearance(index) if tensor in dying else None
        if clearance is None or tensor.variable:
            refused.add(tensor)
        else:
            found[tensor] = max(clearance, found.get(tensor, 0))
    return {tensor: value for tensor, value in found.items() if tensor not in refused}


def order_operators(program: Program) -> Program:
    """The program with its layers in the order whose largest step is least.

    A best-first search over sets of finished layers, so the first complete order is optimal; a
    model too wide for it keeps the file's order.
    """
    operators, root = program.operators, program.storage()
    producer = {tensor: i for i, op in enumerate(operators) for tensor in op.outputs}
    after = _after_states(program, root)
    needs = [
        frozenset(producer[t] for _, t in op.activations() if t in producer) | after[i]
        for i, op in enumerate(operators)
    ]
    reads = [{root.get(t, t) for _, t in op.activations()} for op in operators]
    writes = [{root.get(t, t) for t in op.outputs} for op in operators]
    variables = set(program.variables)
    forever = {root.get(t, t) for t in program.outputs} | variables
    everything = frozenset(range(len(operators)))

    def step(done: frozenset[int], index: int) -> int:
        later = everything - done - {index}
        needed = forever.union(*(reads[i] for i in later))
        produced = variables.union(program.inputs, *(writes[i] for i in done))
        dying = reads[index] - needed
        live = (produced & (needed | reads[index])) | writes[index]
        return step_bytes(operators[index], live, dying, root)

    best: dict[frozenset[int], int] = {frozenset(): 0}
    queue: list[tuple[int, int, tuple[int, ...]]] = [(0, 0, ())]
    while queue and len(best) * len(operators) < LARGEST_SEARCH:
        peak, _, path = heapq.heappop(queue)
        done = frozenset(path)
        if done == everything:
            return replace(program, operators=tuple(operators[i] for i in path))
        if best[done] < peak:
            continue
        for index in everything - done:
            if needs[index] <= done:
                larger, grown = max(peak, step(done, index)), done | {index}
                if larger < best.get(grown, 1 << 62):
                    best[grown] = larger
                    # Deeper first among equals, then the file's order.
                    heapq.heappush(queue, (larger, -len(grown), (*path, index)))
    return program


def _after_states(program: Program, root: Mapping[Tensor, Tensor]) -> list[frozenset[int]]:
    """For each layer those that must go first because of a variable that one of them assigns."""
    found = []
    touched = [
        {root.get(t, t) for _, t in operator.activations()} for operator in program.operators
    ]
    for index, operator in enumerate(program.operators):
        found.append(
            frozenset(
                earlier
                for earlier, other in enumerate(program.operators[:index])
                if touched[earlier] & set(operator.updates) or set(other.updates) & touched[index]
            )
        )
    return found
