"""The compiler's stages in a row."""

from pathlib import Path

from vpr_edge.firmware_bridge.importer import import_tflite
from vpr_edge.firmware_bridge.order import order_operators
from vpr_edge.firmware_bridge.passes import run_passes
from vpr_edge.firmware_bridge.plan import Plan, plan_memory


def compile_model(path: Path) -> Plan:
    """From an int8 TFLite file to operators in order, each tensor with its place in the arena.

    Raises:
        ModelError: the file is corrupt, or asks for what the compiler lacks.
    """
    return plan_memory(order_operators(run_passes(import_tflite(path))))
