"""The generated folder: C, weights, kernels, golden vectors with a self-test."""

from collections.abc import Sequence
from pathlib import Path

from vpr_edge.firmware_bridge.compile.emit import Emitter, runtime_headers
from vpr_edge.firmware_bridge.compile.golden import Vector
from vpr_edge.firmware_bridge.compile.plan import Plan

RUNTIME = "vpr_runtime"


def write_project(
    plan: Plan, name: str, folder: Path, vectors: Sequence[Vector] = ()
) -> list[Path]:
    """Write `name`.h, `name`.c, the weights and the kernels that they include.

    Args:
        plan: the compiled model.
        name: prefix of every file and symbol; a lower-case C identifier.
        folder: where; made if missing.
        vectors: with some, `name`_selftest.{h,c} are written, which compare to the last bit.

    Returns:
        The C sources to compile, in `folder`; `folder/vpr_runtime` is their include folder.

    Raises:
        OutputError: the name does not fit.
    """
    emitter = Emitter(plan, name)
    (folder / RUNTIME).mkdir(parents=True, exist_ok=True)
    texts = {
        f"{name}.h": "model.h.j2",
        f"{name}.c": "model.c.j2",
        f"{name}_weights.h": "weights.h.j2",
        f"{name}_weights.c": "weights.c.j2",
    }
    if vectors:
        texts |= {f"{name}_selftest.h": "selftest.h.j2", f"{name}_selftest.c": "selftest.c.j2"}
    for file, template in texts.items():
        (folder / file).write_text(emitter.render(template, vectors=vectors))
    for file, path in runtime_headers(emitter.headers).items():
        (folder / RUNTIME / file).write_bytes(path.read_bytes())
    return [folder / file for file in texts if file.endswith(".c")]
