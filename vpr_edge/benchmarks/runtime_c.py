"""The generated C as a runtime: what a microcontroller runs, compiled for this machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vpr_edge.benchmarks.runtime import (
    Declaration,
    Input,
    Maps,
    Runtime,
    dequantized,
    read_declaration,
)
from vpr_edge.export.tflite_read import read_metadata
from vpr_edge.firmware_bridge.compiler import compile_model
from vpr_edge.firmware_bridge.host import FLAGS, NativeModel


class GeneratedC(Runtime):
    """A TFLite file through the firmware bridge and this machine's C compiler, on one thread."""

    name = "c"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = NativeModel(compile_model(path), (*FLAGS, "-march=native"))
        program = self.model.plan.program
        self.inputs = tuple(Input(tensor.shape, tensor.dtype) for tensor in program.inputs)

    def feed(self, tensors: Sequence[NDArray[Any]]) -> None:
        """See `Runtime.feed`."""
        self.fed = tensors

    def invoke(self) -> None:
        """See `Runtime.invoke`. A run uses its inputs up, so writing them is part of it."""
        self.model.feed(*self.fed)
        self.model.invoke()

    def maps(self) -> Maps:
        """See `Runtime.maps`."""
        tensors = self.model.plan.program.outputs
        return {
            tensor.name: dequantized(
                value[0],
                float(tensor.scale[0]) if tensor.scale.size else 0.0,
                int(tensor.zero_point[0]) if tensor.scale.size else 0,
            )
            for tensor, value in zip(tensors, self.model.outputs(), strict=True)
        }

    def arena_bytes(self) -> int:
        """What the plan takes."""
        return self.model.plan.arena_bytes

    def _declare(self) -> Declaration:
        return read_declaration(self.path, read_metadata(self.path))
