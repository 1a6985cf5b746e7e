"""Run an image under QEMU, whose clock advances by one nanosecond an instruction."""

import struct
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from vpr_edge.errors import ToolMissingError
from vpr_edge.firmware_bridge.emulate.image import Image
from vpr_edge.firmware_bridge.emulate.record import (
    FAULT,
    MARKS,
    EmulationError,
    Interval,
    Run,
    finished,
)
from vpr_edge.firmware_bridge.emulate.toolchain import QEMU
from vpr_edge.processes import run as run_program
from vpr_edge.scratch import ScratchFolder

_COUNTER_PERIOD = 1 << 24
# Of the loop in vpr_mark.c that waits for the next tick.
_LOOP_INSTRUCTIONS = 4
_DIVISION, _UNDEFINED = 1 << 25, 1 << 16


@dataclass(frozen=True)
class _Moment:
    """A reading of SysTick, as vpr_mark.c takes it."""

    wraps: int
    pending: int
    value: int
    rounds: int

    def end(self, clock_hz: int) -> float:
        """Instructions before the tick that the reading waited for."""
        # A wrap that was pending belongs to a value read after it, thus a large one.
        late = self.pending != 0 and self.value > _COUNTER_PERIOD // 2
        ticks = (self.wraps + late + 1) * _COUNTER_PERIOD - 1 - self.value
        return ticks * 1e9 / clock_hz

    def start(self, clock_hz: int) -> float:
        """Instructions before it began to wait."""
        return self.end(clock_hz) - self.rounds * _LOOP_INSTRUCTIONS


def run(image: Image, files: Mapping[str, bytes], uart: bytes, timeout: float) -> Run:
    """Run to the end.

    Args:
        image: for any core.
        files: that the program may read, by name.
        uart: bytes that it receives.
        timeout: seconds.

    Raises:
        EmulationError: it faulted, or did not end in time.
        ToolMissingError: QEMU is not here or does not know the board.
    """
    about = f"{image.path.name} on {image.core.name} under QEMU"
    with ScratchFolder("qemu") as folder:
        for name, data in files.items():
            (folder / name).write_bytes(data)
        (folder / _UART_INPUT).write_bytes(uart)
        done = _started(image, folder, timeout, about)
        # What the program wrote, and what it was given and let be.
        left = {path.name: path.read_bytes() for path in folder.iterdir()}
    del left[_UART_INPUT]
    written = {name: data for name, data in left.items() if data != files.get(name)}
    if FAULT in written:
        raise EmulationError(f"{about} {_fault(written[FAULT])}.")
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise EmulationError(f"{about} failed: {reason[-1]}.")
    moments = list(_moments(written.get(MARKS, b"")))
    clock = image.core.board.clock_hz
    intervals = tuple(
        Interval(mark, round(entry.start(clock) - leave.end(clock)))
        for (mark, _, leave), (_, entry, _) in pairwise(moments)
    )
    return finished(written, done.stdout, intervals, about)


_UART_INPUT = ".uart"


def _started(
    image: Image, folder: Path, timeout: float, about: str
) -> "subprocess.CompletedProcess[bytes]":
    command = [
        *(QEMU, "-machine", image.core.board.qemu_machine),
        *("-kernel", str(image.path.resolve())),
        *("-icount", "shift=0"),
        *("-semihosting-config", "enable=on,target=native"),
        *("-nodefaults", "-display", "none", "-monitor", "none"),
        *("-chardev", "stdio,id=uart,signal=off", "-serial", "chardev:uart"),
        # The second UART, which the first needs (bare_metal/vpr_uart.c).
        *("-serial", "null"),
    ]
    try:
        with (folder / _UART_INPUT).open("rb") as given:
            return run_program(command, stdin=given, cwd=folder, timeout=timeout)
    except FileNotFoundError as error:
        raise ToolMissingError(
            f"{QEMU} is not here; install it (Debian: apt-get install qemu-system-arm)."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise EmulationError(
            f"{about} did not end within {timeout:g} s; give it more time or fewer inputs, and all "
            "the UART bytes that it waits for."
        ) from error


def _moments(data: bytes) -> Iterator[tuple[int, _Moment, _Moment]]:
    """Each mark's index, when it was reached, when it was left."""
    for index, *words in struct.iter_unpack("<i8I", data):
        yield index, _Moment(*words[:4]), _Moment(*words[4:])


def _fault(record: bytes) -> str:
    pc, status, stack_overflow = struct.unpack("<3I", record)
    if stack_overflow:
        return "overflowed its stack"
    if status & _DIVISION:
        what = "divided by zero"
    elif status & _UNDEFINED:
        what = "executed an undefined instruction"
    else:
        what = "made an access that its memory does not allow"
    return f"{what} (fault status {status:#010x}), at pc {pc:#010x}"
