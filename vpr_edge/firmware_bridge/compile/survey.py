"""Whether models compile and equal TFLM, many at a time: `vpr-edge export --check`."""

import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.golden import golden_vectors, random_inputs
from vpr_edge.tflite.tflm import Tflm

# What a process of its own, which TFLM may abort, writes before the figure.
MARK = "arena bytes:"


@dataclass(frozen=True)
class Verdict:
    """What became of one model.

    Attributes:
        path: of the file.
        is_compiled: whether there is C for it.
        note: the refusal; why there is no comparison with TFLM; empty where both agree.
        arena_bytes: of the C; None where refused.
        tflm_arena_bytes: what TFLM's interpreter takes on this machine; None where it does not run.
    """

    path: Path
    is_compiled: bool
    note: str
    arena_bytes: int | None = None
    tflm_arena_bytes: int | None = None

    @property
    def word(self) -> str:
        """In one word."""
        if not self.is_compiled:
            return "refused"
        return "compiles" if self.note else "equal"


def find_models(given: Sequence[Path]) -> list[Path]:
    """The .tflite files among these files and below these folders, in order.

    Raises:
        ModelError: there is none.
    """
    found: list[Path] = []
    for path in given:
        found += sorted(path.rglob("*.tflite")) if path.is_dir() else [path]
    if not found:
        raise ModelError(
            f"There is no .tflite file in {', '.join(map(str, given))}; give files or their folder."
        )
    return found


def survey(paths: Iterable[Path], runs: int) -> Iterator[Verdict]:
    """Compile each model, and compare the compiler's reference with TFLM.

    Args:
        paths: of TFLite files.
        runs: on random inputs; 0 leaves the comparison out.
    """
    for path in paths:
        try:
            plan = compile_model(path)
        except ModelError as error:
            yield Verdict(path, False, str(error), tflm_arena_bytes=_tflm_arena(path))
            continue
        note = "not compared" if runs == 0 else ""
        try:
            golden_vectors(path, plan.program, random_inputs(plan.program, runs))
        except ModelError as error:
            note = str(error)
        yield Verdict(path, True, note, plan.arena_bytes, _tflm_arena(path))


def _tflm_arena(path: Path) -> int | None:
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(path)], capture_output=True, text=True, check=False
    )
    figures = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    return int(figures[-1].removeprefix(MARK)) if figures else None


if __name__ == "__main__":
    print(MARK, Tflm(Path(sys.argv[1])).arena_bytes())
