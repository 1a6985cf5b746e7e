"""Run an image under unicorn: semihosting, the UART and the counting of instructions are ours."""

import time
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from vpr_edge.firmware_bridge.emulate.block_counter import BlockCounter
from vpr_edge.firmware_bridge.emulate.elf import Elf
from vpr_edge.firmware_bridge.emulate.image import Image
from vpr_edge.firmware_bridge.emulate.record import EmulationError, Interval, Run, finished
from vpr_edge.firmware_bridge.emulate.semihosting import EXIT_EXTENDED, SemihostingFiles
from vpr_edge.firmware_bridge.emulate.uart import Uart

# Between two looks at the clock; the emulator cannot be interrupted meanwhile.
_SLICE_INSTRUCTIONS = 20_000_000
_BREAKPOINT = 7
_SEMIHOSTING = 0xBEAB
_SYSTEM_SPACE = 0xE000E000
_PAGE = 0x1000
# As much as start-up guards under QEMU; there is nothing, so whoever gets there overflowed.
_BELOW_STACK = 16 << 20
_NOWHERE = 0xFFFFFFFE


class _Machine:
    """One engine with an image in it."""

    def __init__(self, image: Image, files: Mapping[str, bytes], uart: bytes) -> None:
        import unicorn
        from unicorn import arm_const

        self.image, self.uart = image, Uart(uart)
        self.failure: str | None = None
        self.has_ended = False
        self.engine: Any = unicorn.Uc(
            unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS
        )
        self.engine.ctl_set_cpu_model(getattr(arm_const, image.core.unicorn_model or ""))
        self.files = SemihostingFiles(
            files,
            lambda address, size: bytes(self.engine.mem_read(address, size)),
            lambda address, data: self.engine.mem_write(address, data),
        )
        self._sp, self._r0, self._r1, self._pc = (
            getattr(arm_const, f"UC_ARM_REG_{name}") for name in ("SP", "R0", "R1", "PC")
        )
        self._load(Elf(image.path))
        self.engine.hook_add(unicorn.UC_HOOK_INTR, self._on_exception)
        self.engine.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_bad_access)

    def _load(self, elf: Elf) -> None:
        from unicorn import UC_PROT_EXEC, UC_PROT_READ

        board = self.image.core.board
        end = max(segment.address + len(segment.data) for segment in elf.segments)
        code = bytearray(end - board.vectors)
        for segment in elf.segments:
            at = segment.address - board.vectors
            code[at : at + len(segment.data)] = segment.data
        at = elf.symbols["vpr_mark_counted_outside"] - board.vectors
        code[at] = 1
        flash_end = board.flash + board.flash_bytes
        self.engine.mem_map(board.vectors, flash_end - board.vectors, UC_PROT_READ | UC_PROT_EXEC)
        self.engine.mem_write(board.vectors, bytes(code))
        self.engine.mem_map(board.ram, board.ram_bytes)
        self.engine.mem_map(_SYSTEM_SPACE, _PAGE)
        self.engine.mmio_map(board.uart, 2 * _PAGE, self.uart.read, None, self.uart.write, None)
        mark = elf.symbols["vpr_mark"]
        self.counter = BlockCounter(
            self.engine, bytes(code), board.vectors, range(mark, elf.symbols["vpr_mark_end"])
        )
        for register, at in ((self._sp, 0), (self._pc, 4)):
            self.engine.reg_write(register, int.from_bytes(code[at : at + 4], "little"))

    @property
    def pc(self) -> int:
        """Of the instruction that comes next or failed."""
        return int(self.engine.reg_read(self._pc))

    def advance(self) -> None:
        """Run for a slice, or to the end; `failure` then says what went wrong."""
        from unicorn import UcError

        self.counter.pause_after(_SLICE_INSTRUCTIONS)
        try:
            self.engine.emu_start(self.pc | 1, _NOWHERE)
        except UcError as error:
            self.failure = self.failure or f"failed: {str(error).lower()}"
        self.counter.collect()
        if self.counter.left_the_code:
            self.failure = "left its code"
        elif self.uart.waits_in_vain:
            self.failure = "waits for more bytes on its UART than it was given"

    def _stop(self, failure: str | None) -> None:
        self.failure = self.failure or failure
        self.engine.emu_stop()

    def _on_exception(self, _engine: Any, number: int, _data: Any) -> None:
        pc = self.pc
        if number != _BREAKPOINT or self._halfword(pc) != _SEMIHOSTING:
            self._stop(f"took exception {number}")
            return
        operation = self.engine.reg_read(self._r0)
        if operation == EXIT_EXTENDED:
            self.has_ended = True
            self._stop(None)
            return
        result = self.files.call(operation, self.engine.reg_read(self._r1))
        if result is None:
            self._stop(f"made the unknown semihosting call {operation:#x}")
            return
        self.engine.reg_write(self._r0, result)
        self.engine.reg_write(self._pc, (pc + 2) | 1)

    def _halfword(self, address: int) -> int:
        return int.from_bytes(self.engine.mem_read(address, 2), "little")

    def _on_bad_access(
        self, _engine: Any, _kind: int, address: int, _size: int, _value: int, _data: Any
    ) -> bool:
        ram = self.image.core.board.ram
        self.failure = (
            "overflowed its stack"
            if ram - _BELOW_STACK <= address < ram
            else f"accessed {address:#010x}, where there is no memory that allows it"
        )
        return False


def run(image: Image, files: Mapping[str, bytes], uart: bytes, timeout: float) -> Run:
    """Run to the end.

    Args:
        image: for a core that unicorn has.
        files: that the program may read, by name.
        uart: bytes that it receives.
        timeout: seconds.

    Raises:
        EmulationError: it faulted, or did not end in time.
        ToolMissingError: there is no C compiler on this machine, which counting takes.
    """
    machine = _Machine(image, files, uart)
    about = f"{image.path.name} on {image.core.name} under unicorn"
    deadline = time.monotonic() + timeout
    while not machine.has_ended:
        machine.advance()
        if machine.failure:
            raise EmulationError(f"{about} {machine.failure}, at pc {machine.pc:#010x}.")
        if time.monotonic() > deadline:
            raise EmulationError(
                f"{about} did not end within {timeout:g} s, at pc {machine.pc:#010x}; "
                "give it more time or fewer inputs."
            )
    intervals = tuple(
        Interval(mark, after - before)
        for (mark, before), (_, after) in pairwise(machine.counter.marks)
    )
    written = {name: bytes(data) for name, data in machine.files.written.items()}
    return finished(written, bytes(machine.uart.sent), intervals, about)
