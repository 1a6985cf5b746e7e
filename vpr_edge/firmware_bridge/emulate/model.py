"""The generated C on an emulated microcontroller."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.compile.emit import Emitter
from vpr_edge.firmware_bridge.compile.golden import Arrays
from vpr_edge.firmware_bridge.compile.plan import Plan
from vpr_edge.firmware_bridge.compile.project import RUNTIME, write_project
from vpr_edge.firmware_bridge.emulate.cores import Core
from vpr_edge.firmware_bridge.emulate.image import Sizes, build_image
from vpr_edge.firmware_bridge.emulate.run import run_image
from vpr_edge.firmware_bridge.emulate.toolchain import Toolchain
from vpr_edge.firmware_bridge.operators.shared.node import Tensor
from vpr_edge.scratch import ScratchFolder

NAME = "model"
# A run on the slowest core takes seconds, not minutes.
SECONDS_AN_INPUT = 60.0


@dataclass(frozen=True, eq=False)
class EmulatedRuns:
    """What a model did on a core.

    Attributes:
        outputs: of each run, in the model's order.
        instructions: of one run, the mean over all.
        layer_instructions: likewise by layer, in the order of `Emitter.layers`.
        stack_bytes: the deepest stack below the call of `run`.
        sizes: of code, constants and variables.
    """

    outputs: tuple[Arrays, ...]
    instructions: float
    layer_instructions: tuple[float, ...]
    stack_bytes: int
    sizes: Sizes


def run_emulated(
    plan: Plan,
    core: Core,
    toolchain: Toolchain,
    inputs: Sequence[Arrays],
    flags: Sequence[str] = (),
) -> EmulatedRuns:
    """Compile a plan to a bare-metal image and run it on inputs.

    Args:
        plan: the compiled model.
        core: to emulate.
        toolchain: compiler and emulator.
        inputs: one tuple of arrays a run; at least one.
        flags: more of the compiler's switches.

    Raises:
        ModelError: the C does not compile or the image does not fit, or a run fails.
        EmulationError: the program faults or hangs.
        ToolMissingError: the toolchain is not here.
    """
    with ScratchFolder("emulated") as scratch:
        folder = Path(scratch)
        sources = write_project(plan, NAME, folder)
        main = folder / "emulated_main.c"
        emitter = Emitter(plan, NAME)
        main.write_text(emitter.render("emulated_main.c.j2"))
        image = build_image(
            toolchain,
            core,
            sources,
            folder,
            harness=[main],
            include=[folder, folder / RUNTIME],
            defines={f"{NAME.upper()}_ON_LAYER(i)": "vpr_mark(i)"},
            flags=flags,
        )
        fed = b"".join(np.ascontiguousarray(value).tobytes() for one in inputs for value in one)
        run = run_image(image, {"input.bin": fed}, timeout=SECONDS_AN_INPUT * max(len(inputs), 1))
    if run.status != 0:
        raise ModelError(
            f"The generated C returned an error on {core.name}; this is a fault in vpr-edge, "
            "please report it with the model."
        )
    counts = run.instructions()
    layers = tuple(counts.get(index, 0) / len(inputs) for index in range(len(emitter.layers)))
    return EmulatedRuns(
        _outputs(run.files.get("output.bin", b""), plan.program.outputs, len(inputs)),
        sum(layers),
        layers,
        run.stack_bytes,
        image.sizes,
    )


def _outputs(data: bytes, tensors: Sequence[Tensor], runs: int) -> tuple[Arrays, ...]:
    """Split what the program wrote into runs and tensors."""
    found, at = [], 0
    for _ in range(runs):
        arrays: list[Any] = []
        for tensor in tensors:
            count = prod(tensor.shape)
            values = np.frombuffer(data, tensor.dtype, count, at)
            arrays.append(values.reshape(tensor.shape))
            at += values.nbytes
        found.append(tuple(arrays))
    return tuple(found)
