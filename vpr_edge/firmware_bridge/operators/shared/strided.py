"""Copies between arrays of any strides: the longest runs of bytes, in few loops."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from vpr_edge.firmware_bridge.operators.shared.operator import Values

# Loops that the C takes (VPR_COPY_LOOPS in vpr_copy.h).
LOOPS = 5


@dataclass(frozen=True)
class StridedCopy:
    """Runs of bytes in nested loops, the innermost last.

    Attributes:
        start: of the first run, bytes from the source's and the result's first.
        count: iterations of each loop.
        source, result: how far each loop moves, bytes.
        run: bytes of each run.
    """

    start: tuple[int, int]
    count: tuple[int, ...]
    source: tuple[int, ...]
    result: tuple[int, ...]
    run: int

    def c(self) -> str:
        """The initialiser of a `struct vpr_copy`."""
        idle = LOOPS - len(self.count)
        rows = (
            (1,) * idle + self.count,
            (0,) * idle + self.source,
            (0,) * idle + self.result,
        )
        text = ", ".join("{" + ", ".join(map(str, row)) + "}" for row in rows)
        return f"{{{text}, {self.run}}}"

    @property
    def is_whole(self) -> bool:
        """Whether it is one run from the first byte to the first byte."""
        return self.start == (0, 0) and prod(self.count) == 1

    @property
    def clearance(self) -> int:
        """How far above the result's first byte the source must begin, if they may overlap.

        For results written from the first byte to the last: what is written when a run is done
        must lie below where the run was read. That difference is linear in each loop.
        """
        lead = self.start[1] + self.run - self.start[0]
        gains = zip(self.count, self.source, self.result, strict=True)
        return max(0, lead + sum(max(0, (n - 1) * (to - at)) for n, at, to in gains))


def strided_copy(array: Values, source: Values, base: Values, result: Values) -> StridedCopy:
    """The copy between views, `source` of `array` and `result` of `base`, of one shape and type.

    Only shapes, strides and addresses are looked at, never values.
    """
    loops: list[tuple[int, int, int]] = []
    for count, at, to in _loops(source, result):
        if loops and loops[-1][1:] == (count * at, count * to):
            loops[-1] = (loops[-1][0] * count, at, to)
        else:
            loops.append((count, at, to))
    run = source.itemsize
    if loops and loops[-1][1:] == (run, run):
        run *= loops.pop()[0]
    columns = list(zip(*loops, strict=True)) or [(), (), ()]
    return StridedCopy(
        (_address(source) - _address(array), _address(result) - _address(base)),
        tuple(columns[0]),
        tuple(columns[1]),
        tuple(columns[2]),
        run,
    )


def _loops(source: Values, result: Values) -> Iterator[tuple[int, int, int]]:
    for count, at, to in zip(source.shape, source.strides, result.strides, strict=True):
        if count != 1:
            yield count, at, to


def _address(array: Values) -> int:
    return int(np.asarray(array).__array_interface__["data"][0])
