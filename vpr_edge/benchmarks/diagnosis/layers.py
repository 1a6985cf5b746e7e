"""Work, bytes and use of the int8 range of each layer of any int8 TFLite file; needs no torch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vpr_edge.benchmarks.diagnosis.diagnosis import Layer, MemoryBlock, RangeUse
from vpr_edge.firmware_bridge.compile.golden import Arrays
from vpr_edge.firmware_bridge.compile.importer import import_tflite
from vpr_edge.firmware_bridge.compile.plan import Plan
from vpr_edge.firmware_bridge.operators.shared.operator import Operator
from vpr_edge.firmware_bridge.operators.shared.program import run_reference
from vpr_edge.firmware_bridge.operators.shared.storage import size

STEPS = 256


def plan_layers(plan: Plan) -> tuple[Layer, ...]:
    """The layers of a compiled model."""
    return tuple(
        Layer(
            index,
            operator.code,
            (*operator.outputs, *operator.updates)[0].name,
            operator.macs,
            0 if operator.is_view else sum(size(tensor) for tensor in operator.outputs),
            _constant_bytes(operator),
        )
        for index, operator in enumerate(plan.program.operators)
    )


def plan_memory_blocks(plan: Plan) -> tuple[MemoryBlock, ...]:
    """What lies where in the arena, and for how long."""
    return tuple(
        MemoryBlock(
            buffer.tensor.name if buffer.tensor else "",
            buffer.first,
            buffer.last,
            offset,
            buffer.bytes,
        )
        for buffer, offset in plan.buffers
    )


def range_use(path: Path, inputs: Sequence[Arrays]) -> dict[str, RangeUse]:
    """Saturation and dead range of every int8 map, by tensor name.

    The maps are those of TensorFlow Lite Micro, bit for bit, of the file as it is.

    Args:
        path: an int8 TFLite file.
        inputs: one tuple of arrays a run.

    Raises:
        ModelError: the file is corrupt, or asks for what the compiler lacks.
    """
    program = import_tflite(path)
    counts: dict[str, NDArray[np.int64]] = {}
    zeros: dict[str, int] = {}
    for one in inputs:
        for tensor, values in run_reference(program, *one).items():
            if tensor.dtype != np.int8 or tensor.scale.size != 1:
                continue
            found = np.bincount(values.reshape(-1).astype(np.int64) + 128, minlength=STEPS)
            counts[tensor.name] = counts.get(tensor.name, 0) + found
            zeros[tensor.name] = int(tensor.zero_point[0]) + 128
    return {name: _range_use(count, zeros[name]) for name, count in counts.items()}


def _range_use(counts: NDArray[np.int64], zero: int) -> RangeUse:
    used = np.flatnonzero(counts)
    ends = [end for end in (0, STEPS - 1) if end != zero]
    return RangeUse(
        float(counts[ends].sum() / counts.sum()),
        float(1 - (used[-1] - used[0] + 1) / STEPS),
    )


def _constant_bytes(operator: Operator) -> int:
    return sum(t.values.nbytes for t in operator.inputs if t is not None and t.values is not None)
