"""How an element-wise operator of two inputs walks over them where their shapes differ."""

from dataclasses import dataclass

import numpy as np

from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor

# Loops that the C takes (VPR_AXES in vpr_broadcast.h); TFLM itself takes 6 dimensions.
AXES = 6


@dataclass(frozen=True)
class Broadcast:
    """Nested loops over the output, the innermost last.

    Attributes:
        count: iterations of each loop.
        steps: for each input how far each loop moves in it, elements; 0 repeats.
    """

    count: tuple[int, ...]
    steps: tuple[tuple[int, ...], tuple[int, ...]]

    def c(self) -> str:
        """The initialiser of a `struct vpr_broadcast`."""
        rows = (self.count, *self.steps)
        return "{" + ", ".join("{" + ", ".join(map(str, row)) + "}" for row in rows) + "}"


def read_broadcast(node: Node, a: Tensor, b: Tensor, output: Tensor) -> Broadcast:
    """The loops for an operator's two inputs, neighbouring dimensions joined where they can be.

    Raises:
        ModelError: the shapes do not broadcast to the output's, or have too many dimensions.
    """
    rank = max(len(a.shape), len(b.shape), len(output.shape))
    try:
        shape = _extended(np.broadcast_shapes(a.shape, b.shape), rank)
    except ValueError:
        shape = None
    if shape != _extended(output.shape, rank) or rank > AXES:
        raise node.refuse(
            f"the shapes {list(a.shape)} and {list(b.shape)} do not broadcast to "
            f"{list(output.shape)} in at most {AXES} dimensions",
            "the file is corrupt, so convert the model again",
        )
    sizes = (_extended(a.shape, rank), _extended(b.shape, rank))
    loops: list[tuple[int, tuple[bool, ...]]] = []
    for axis, count in enumerate(_extended(output.shape, rank)):
        moves = tuple(size[axis] == count for size in sizes)
        if count == 1:
            continue
        if loops and loops[-1][1] == moves:
            loops[-1] = (loops[-1][0] * count, moves)
        else:
            loops.append((count, moves))
    loops = [(1, (True, True))] * (AXES - len(loops)) + loops
    return Broadcast(tuple(count for count, _ in loops), (_steps(loops, 0), _steps(loops, 1)))


def _extended(shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    return (1,) * (rank - len(shape)) + tuple(shape)


def _steps(loops: list[tuple[int, tuple[bool, ...]]], operand: int) -> tuple[int, ...]:
    steps, size = [], 1
    for count, moves in reversed(loops):
        steps.append(size if moves[operand] else 0)
        size *= count if moves[operand] else 1
    return tuple(reversed(steps))
