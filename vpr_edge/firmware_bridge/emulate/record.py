"""What a run leaves behind, whichever emulator it was."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from vpr_edge.errors import VprEdgeError

REPORT = "vpr.report"
MARKS = "vpr.marks"
FAULT = "vpr.fault"
OWN_FILES = (REPORT, MARKS, FAULT)


class EmulationError(VprEdgeError):
    """An emulated program faulted, ran too long or ended without a report."""


@dataclass(frozen=True)
class Interval:
    """From one mark to the next.

    Attributes:
        mark: that it starts with.
        instructions: executed.
    """

    mark: int
    instructions: int


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        status: what main returned or vpr_exit was given.
        files: that the program wrote.
        uart: bytes that it sent.
        stack_bytes: the deepest stack between vpr_stack_begin and vpr_stack_end, or of main.
        intervals: between successive marks, in order.
    """

    status: int
    files: Mapping[str, bytes]
    uart: bytes
    stack_bytes: int
    intervals: tuple[Interval, ...]

    def instructions(self) -> dict[int, int]:
        """Instructions by mark, all intervals that start with it together."""
        totals: dict[int, int] = {}
        for interval in self.intervals:
            totals[interval.mark] = totals.get(interval.mark, 0) + interval.instructions
        return totals


def finished(
    files: Mapping[str, bytes], uart: bytes, intervals: tuple[Interval, ...], about: str
) -> Run:
    """A run from the files it left and the intervals as the emulator measured them.

    Start-up sets two marks in a row: their interval is what a mark itself costs, and is taken from
    all others.

    Args:
        files: all that the program wrote, its report among them.
        uart: bytes that it sent.
        intervals: between marks, those of start-up first.
        about: which image on what, for the error.

    Raises:
        EmulationError: there is no report.
    """
    if REPORT not in files:
        raise EmulationError(
            f"{about} ended without a report; main must return or call vpr_exit, and not more "
            "files be used than vpr_device.h allows."
        )
    status, stack = struct.unpack("<iI", files[REPORT])
    own = intervals[0].instructions
    return Run(
        status=status,
        files={name: data for name, data in files.items() if name not in OWN_FILES},
        uart=uart,
        stack_bytes=stack,
        # The second is from start-up to the program's own first mark.
        intervals=tuple(
            Interval(interval.mark, max(0, interval.instructions - own))
            for interval in intervals[2:]
        ),
    )
