"""The generated C as a native library on this machine."""

import ctypes
import platform
import shutil
import sys
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import ModelError, ToolMissingError
from vpr_edge.firmware_bridge.compile.emit import Emitter
from vpr_edge.firmware_bridge.compile.plan import Plan
from vpr_edge.firmware_bridge.compile.project import RUNTIME, write_project
from vpr_edge.firmware_bridge.operators.shared.storage import ALIGNMENT
from vpr_edge.processes import run as run_program
from vpr_edge.scratch import ScratchFolder

NAME = "model"
# No contraction: a float island must give the same bits whether or not the chip has fused
# multiply-add.
FLAGS = ("-std=c99", "-O3", "-ffp-contract=off")
# What only this machine has to run may use all that this machine has.
NATIVE = ("-march=native",) if platform.machine() in ("x86_64", "AMD64") else ()
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")


def host_compiler() -> list[str]:
    """The command of this machine's C compiler: cc, gcc, clang, or the one in `ziglang`.

    Raises:
        ToolMissingError: there is none.
    """
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            return [name]
    if find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise ToolMissingError("There is no C compiler here; install gcc, or: pip install ziglang.")


def build_library(
    sources: Sequence[Path],
    include: Path,
    library: Path,
    flags: Sequence[str] = FLAGS,
    compiler: Sequence[str] = (),
) -> Path:
    """Compile C sources to a shared library.

    Raises:
        ToolMissingError: there is no compiler.
        ModelError: the C does not compile.
    """
    command = [*(compiler or host_compiler()), *flags, "-shared", "-fPIC", f"-I{include}"]
    done = run_program([*command, *map(str, sources), "-o", str(library), "-lm"], text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line] or ["no message"]
        raise ModelError(
            f"The generated C does not compile ({lines[0].strip()}); this is a fault in vpr-edge, "
            "please report it with the model."
        )
    return library


class NativeModel:
    """A compiled model, callable on arrays.

    Attributes:
        plan: what was compiled.
    """

    def __init__(
        self,
        plan: Plan,
        flags: Sequence[str] = (*FLAGS, *NATIVE),
        compiler: Sequence[str] = (),
        libraries: Sequence[Path] = (),
    ) -> None:
        """Generate the C and compile it; it is loaded when it is first used.

        Args:
            plan: the compiled model.
            flags: of the compiler.
            compiler: its command; by default this machine's.
            libraries: that the C calls.

        Raises:
            ToolMissingError: there is no compiler.
            ModelError: the C does not compile.
        """
        self.plan = plan
        self._folder = ScratchFolder("native")
        folder = self._folder.path
        sources = write_project(plan, NAME, folder)
        self._built = build_library(
            [*sources, *libraries], folder / RUNTIME, folder / "model.so", flags, compiler
        )
        self._ports = Emitter(plan, NAME).ports
        self.reset()

    @cached_property
    def _library(self) -> ctypes.CDLL:
        return ctypes.CDLL(str(self._built))

    @cached_property
    def _arena(self) -> NDArray[np.uint8]:
        memory = np.zeros(self.plan.arena_bytes + ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % ALIGNMENT
        return memory[start : start + self.plan.arena_bytes]

    def reset(self) -> None:
        """Set the variables to zero, where the model has some."""
        if self.plan.program.variables:
            self._call("reset")

    def feed(self, *inputs: NDArray[Any]) -> None:
        """Write the inputs to their places in the arena."""
        ports = [port for port in self._ports if port.role == "input"]
        for port, value in zip(ports, inputs, strict=True):
            data = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
            self._arena[port.offset : port.offset + data.size] = data

    def invoke(self) -> None:
        """Run once on what was fed; the inputs are used up."""
        self._call("run")

    def outputs(self) -> tuple[NDArray[Any], ...]:
        """Copies of the outputs, in the model's order."""
        found = []
        for port in self._ports:
            if port.role == "output":
                tensor = port.tensor
                count = port.elements * tensor.dtype.itemsize
                data = self._arena[port.offset : port.offset + count].tobytes()
                found.append(np.frombuffer(data, tensor.dtype).reshape(tensor.shape))
        return tuple(found)

    def run(self, *inputs: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """Feed, invoke, outputs."""
        self.feed(*inputs)
        self.invoke()
        return self.outputs()

    def _call(self, name: str) -> None:
        function = getattr(self._library, f"{NAME}_{name}")
        status = function(
            ctypes.c_void_p(self._arena.ctypes.data), ctypes.c_size_t(self._arena.size)
        )
        if status:
            raise ModelError(f"The generated C returned the status {status}; report this.")
