"""TensorFlow Lite Micro's interpreter, built for this machine: the oracle of every int8 output.

Its messages and figures go to file descriptor 2 and nowhere else, so they are read there.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vpr_edge.errors import ModelError
from vpr_edge.tflite.read import read_tflite

# Beside the tensors the arena holds the interpreter's own structures and the kernels' scratch.
ARENA_ROOM = 1 << 20


class Tflm:
    """A TFLite file in TFLM's interpreter.

    Attributes:
        path: the file.
        file: what it declares.
    """

    def __init__(self, path: Path) -> None:
        """See the class.

        Raises:
            ModelError: the file is corrupt, or TFLM refuses it; the sentence holds its reason.
        """
        from tflite_micro.python.tflite_micro import runtime

        self.path, self.file = path, read_tflite(path)
        sizes = (prod(t.shape) * t.dtype.itemsize for t in self.file.tensors if t.values is None)
        self._room = 2 * sum(sizes) + ARENA_ROOM
        self._runtime, self._data = runtime, path.read_bytes()
        # Its reset does not call CALL_ONCE again.
        self._is_made_anew = bool(self.file.called)
        self._make()

    def _make(self) -> None:
        try:
            with captured_stderr() as told:
                self._interpreter = self._runtime.Interpreter.from_bytes(
                    self._data, arena_size=self._room
                )
        except (RuntimeError, ValueError) as error:
            reason = (told[0].strip().splitlines() or [str(error)])[0]
            raise ModelError(
                f"{self.path} does not run in TFLM ({reason}); convert it again, or choose another "
                "runtime."
            ) from error

    def reset(self) -> None:
        """Set all variables to what they are before the first run."""
        if self._is_made_anew:
            self._make()
        else:
            self._interpreter.reset()

    def feed(self, inputs: Sequence[NDArray[Any]]) -> None:
        """Hand over one array an input."""
        for index, value in enumerate(inputs):
            self._interpreter.set_input(value, index)

    def invoke(self) -> None:
        """Run once; variables keep their values from run to run."""
        self._interpreter.invoke()

    def outputs(self) -> tuple[NDArray[Any], ...]:
        """Copies of the outputs of the last run, in the file's order."""
        count = len(self.file.outputs)
        return tuple(self._interpreter.get_output(index).copy() for index in range(count))

    def run(self, *inputs: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """The outputs; every run starts from reset variables."""
        self.reset()
        return self.step(*inputs)

    def step(self, *inputs: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """The outputs of a run that starts from the variables as they are."""
        self.feed(inputs)
        self.invoke()
        return self.outputs()

    def arena_bytes(self) -> int:
        """What the interpreter takes of its arena, as it says itself.

        The host build has 64-bit pointers: its structures (not its tensors) are larger than on a
        microcontroller.

        Raises:
            ModelError: it said nothing that can be read.
        """
        with captured_stderr() as told:
            self._interpreter.print_allocations()
        found = re.search(r"Arena allocation total (\d+) bytes", told[0])
        if not found:
            raise ModelError(
                f"TFLM did not say what arena {self.path} needs; report this with: "
                f"{told[0][:80]!r}."
            )
        return int(found.group(1))


@contextmanager
def captured_stderr() -> Iterator[list[str]]:
    """Collect what native code writes to file descriptor 2; one string at the end of the block."""
    told: list[str] = []
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as stream:
        os.dup2(stream.fileno(), 2)
        try:
            yield told
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            stream.seek(0)
            told.append(stream.read().decode(errors="replace"))
