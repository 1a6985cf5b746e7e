"""An int8 TFLite model as generated C on emulated microcontrollers: instructions, memory, equality.

Counts are deterministic: the same model, compiler and emulator give the same figures anywhere.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vpr_edge.benchmarks.rows import Row
from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.emit import Emitter
from vpr_edge.firmware_bridge.compile.golden import Arrays, oracle_outputs, random_inputs
from vpr_edge.firmware_bridge.compile.plan import Plan
from vpr_edge.firmware_bridge.emulate.cores import core_named
from vpr_edge.firmware_bridge.emulate.model import EmulatedRuns, run_emulated
from vpr_edge.firmware_bridge.emulate.toolchain import choose_toolchain

RUNS = 3


def bench_mcu(
    path: Path,
    device: str,
    toolchain: str | None = None,
    runs: int = RUNS,
    layers: bool = False,
) -> list[Row]:
    """Measure a model on an emulated core, on random inputs, against TFLM.

    Args:
        path: an int8 TFLite file.
        device: name of a core, such as "cortex-m4".
        toolchain: "gcc+qemu" or "zig+unicorn"; by default the first that is here and serves.
        runs: inputs.
        layers: whether the instructions of each layer are rows too.

    Raises:
        ModelError: the model cannot be compiled, or is no TFLite file.
        ToolMissingError: no toolchain for the core is here.
        EmulationError: the program faults.
    """
    if path.suffix != ".tflite":
        raise ModelError(
            f"{path} does not run on a microcontroller; export it first (vpr-edge export "
            "--target tflite-int8) and give the .tflite file."
        )
    core = core_named(device)
    chosen = choose_toolchain(core, toolchain)
    plan = compile_model(path)
    inputs = random_inputs(plan.program, runs)
    found = run_emulated(plan, core, chosen, inputs)
    expected = oracle_outputs(path, inputs)
    return [
        Row(path.name, f"{device}/{chosen.name}", "", metric, value, unit, method)
        for metric, value, unit, method in [
            *_static(plan),
            *_emulated(found),
            *_equality(found.outputs, expected),
            *(_by_layer(plan, found) if layers else ()),
        ]
    ]


Figure = tuple[str, float, str, str]


def _static(plan: Plan) -> list[Figure]:
    scratch = max((o.scratch_bytes for o in plan.program.operators), default=0)
    return [
        ("macs", plan.program.macs, "count", "static"),
        ("arena_bytes", plan.arena_bytes, "bytes", "static"),
        ("arena_bound_bytes", plan.bound_bytes, "bytes", "static"),
        # Within the arena.
        ("scratch_bytes", scratch, "bytes", "static"),
    ]


def _emulated(found: EmulatedRuns) -> list[Figure]:
    sizes = found.sizes
    return [
        ("instructions", round(found.instructions), "count", "emulated"),
        ("stack_bytes", found.stack_bytes, "bytes", "emulated"),
        ("static_ram_bytes", sizes.data + sizes.bss, "bytes", "static"),
        ("code_bytes", sizes.code + sizes.rodata, "bytes", "static"),
        ("weights_bytes", sizes.weights, "bytes", "static"),
    ]


def _equality(outputs: Sequence[Arrays], expected: Sequence[Arrays]) -> list[Figure]:
    """Elements that differ from TFLM over all runs and outputs, and by how much."""
    apart = [
        np.abs(a.astype(np.float64) - b.astype(np.float64))
        for ours, theirs in zip(outputs, expected, strict=True)
        for a, b in zip(ours, theirs, strict=True)
    ]
    unequal = sum(int(np.count_nonzero(gap)) for gap in apart)
    largest = max(float(gap.max()) for gap in apart)
    return [
        ("oracle_unequal_elements", unequal, "count", "emulated"),
        ("oracle_max_lsb", largest, "count", "emulated"),
    ]


def _by_layer(plan: Plan, found: EmulatedRuns) -> list[Figure]:
    return [
        (
            f"layer_{layer.index}_{layer.about.split()[0]}_instructions",
            round(count),
            "count",
            "emulated",
        )
        for layer, count in zip(
            Emitter(plan, "model").layers, found.layer_instructions, strict=True
        )
    ]
