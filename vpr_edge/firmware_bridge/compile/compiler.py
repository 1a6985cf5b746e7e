"""The compiler's stages in a row."""

from pathlib import Path

from vpr_edge.firmware_bridge.cmsis_nn import use_cmsis_nn
from vpr_edge.firmware_bridge.compile.importer import import_tflite
from vpr_edge.firmware_bridge.compile.order import order_operators
from vpr_edge.firmware_bridge.compile.passes import Pass, run_passes
from vpr_edge.firmware_bridge.compile.plan import Plan, plan_memory

PORTABLE = "portable"
# What computes the layers: the kernels that are generated with the model, or a library's.
BACKENDS: dict[str, tuple[Pass, ...]] = {PORTABLE: (), "cmsis-nn": (use_cmsis_nn,)}


def compile_model(path: Path, backend: str = PORTABLE) -> Plan:
    """From an int8 TFLite file to operators in order, each tensor with its place in the arena.

    Args:
        path: the file.
        backend: a key of `BACKENDS`.

    Raises:
        ModelError: the file is corrupt, or asks for what the compiler lacks.
    """
    program = run_passes(import_tflite(path))
    for choose in BACKENDS[backend]:
        program = choose(program)
    return plan_memory(order_operators(program))
