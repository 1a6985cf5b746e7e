"""The native block hook: compiled at first use, kept in the cache, attached to an emulator.

A hook in Python would take ten times as long.
"""

import ctypes
import hashlib
import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

from vpr_edge.errors import ToolMissingError
from vpr_edge.files import atomic_file
from vpr_edge.firmware_bridge.compile.host import host_compiler
from vpr_edge.processes import run as run_program

SOURCE = Path(__file__).with_name("block_counter.c")
_MARKS = 4096
_NO_BLOCK = 1


class _Mark(ctypes.Structure):
    _fields_ = (("index", ctypes.c_int64), ("instructions", ctypes.c_uint64))


class _Counter(ctypes.Structure):
    _fields_ = (
        ("instructions", ctypes.c_uint64),
        ("pause_at", ctypes.c_uint64),
        ("code", ctypes.c_char_p),
        ("known", ctypes.POINTER(ctypes.c_uint64)),
        ("marks", ctypes.POINTER(_Mark)),
        ("code_start", ctypes.c_uint32),
        ("code_end", ctypes.c_uint32),
        ("mark_start", ctypes.c_uint32),
        ("mark_end", ctypes.c_uint32),
        ("mark_count", ctypes.c_uint32),
        ("mark_capacity", ctypes.c_uint32),
        ("paused_at", ctypes.c_uint32),
        ("outside", ctypes.c_uint32),
        ("register_r0", ctypes.c_int32),
        ("read_register", ctypes.c_void_p),
        ("stop", ctypes.c_void_p),
    )


class BlockCounter:
    """Counts the instructions that a unicorn engine executes.

    Attributes:
        marks: (index, instructions executed before it) of each mark so far, after `collect`.
    """

    def __init__(self, engine: Any, code: bytes, start: int, mark: range) -> None:
        """Attach to an engine.

        Args:
            engine: a `unicorn.Uc`.
            code: all that may be executed.
            start: address of its first byte.
            mark: addresses of the function whose calls are marks and are not counted.

        Raises:
            ToolMissingError: there is no C compiler on this machine.
        """
        from unicorn import UC_HOOK_BLOCK, UcError
        from unicorn.arm_const import UC_ARM_REG_R0
        from unicorn.unicorn_py3.unicorn import uclib

        self.marks: list[tuple[int, int]] = []
        self._known = (ctypes.c_uint64 * (len(code) // 2 + 1))()
        self._marks = (_Mark * _MARKS)()
        self._counter = _Counter(
            code=code,
            known=self._known,
            marks=self._marks,
            code_start=start,
            code_end=start + len(code),
            mark_start=mark.start,
            mark_end=mark.stop,
            mark_capacity=_MARKS,
            paused_at=_NO_BLOCK,
            register_r0=UC_ARM_REG_R0,
            read_register=ctypes.cast(uclib.uc_reg_read, ctypes.c_void_p),
            stop=ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p),
        )
        handle = ctypes.c_size_t()
        status = uclib.uc_hook_add(
            engine._uch,
            ctypes.byref(handle),
            UC_HOOK_BLOCK,
            ctypes.cast(_library().on_block, ctypes.c_void_p),
            ctypes.cast(ctypes.byref(self._counter), ctypes.c_void_p),
            ctypes.c_uint64(1),
            ctypes.c_uint64(0),
        )
        if status:
            raise UcError(status)

    def pause_after(self, instructions: int) -> None:
        """Let the engine stop when that many more are counted."""
        self._counter.pause_at = self._counter.instructions + instructions

    def collect(self) -> None:
        """Move the marks from the hook's buffer to `marks`."""
        count = self._counter.mark_count
        self.marks += [(mark.index, mark.instructions) for mark in self._marks[:count]]
        self._counter.mark_count = 0

    @property
    def left_the_code(self) -> bool:
        """Whether execution went where there is no code."""
        return bool(self._counter.outside)


@cache
def _library() -> ctypes.CDLL:
    """The hook, compiled unless this machine's cache has it."""
    root = Path(os.environ.get("VPR_EDGE_CACHE") or Path.home() / ".cache" / "vpr-edge")
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]
    library = root / f"block-counter-{platform.system()}-{platform.machine()}-{digest}.so".lower()
    if not library.exists():
        with atomic_file(library) as scratch:
            command = [*host_compiler(), "-std=c99", "-O2", "-shared", "-fPIC"]
            done = run_program([*command, str(SOURCE), "-o", str(scratch)])
            if done.returncode:
                raise ToolMissingError(
                    f"The C compiler here ({host_compiler()[0]}) cannot make a shared library; "
                    "install gcc, or: pip install ziglang."
                )
    return ctypes.CDLL(str(library))
