"""The generated C as a runtime: what a microcontroller runs, compiled for this machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.host import FLAGS, NativeModel
from vpr_edge.runtimes.runtime import (
    Declaration,
    Input,
    Maps,
    Runtime,
    affine_of,
    dequantized,
    read_declaration,
)
from vpr_edge.tflite.read import read_metadata


class GeneratedC(Runtime):
    """A TFLite file through the firmware bridge and this machine's C compiler, on one thread."""

    name = "c"

    def __init__(self, path: Path, model: NativeModel) -> None:
        """Take what `build` made of the file at `path`."""
        self.path = path
        self.model = model
        program = self.model.plan.program
        self.inputs = tuple(Input(tensor.shape, tensor.dtype) for tensor in program.inputs)

    @staticmethod
    def build(path: Path) -> NativeModel:
        """Compile the file to C, and the C for this machine.

        Raises:
            ModelError: the file cannot be compiled.
            ToolMissingError: there is no C compiler.
        """
        return NativeModel(compile_model(path), (*FLAGS, "-march=native"))

    def feed(self, tensors: Sequence[NDArray[Any]]) -> None:
        """See `Runtime.feed`. A run uses its inputs up: each run needs to be fed."""
        self.model.feed(*tensors)

    def invoke(self) -> None:
        """See `Runtime.invoke`."""
        self.model.invoke()

    def maps(self) -> Maps:
        """See `Runtime.maps`."""
        tensors = self.model.plan.program.outputs
        return {
            tensor.name: dequantized(value[0], *affine_of(tensor.scale, tensor.zero_point))
            for tensor, value in zip(tensors, self.model.outputs(), strict=True)
        }

    def arena_bytes(self) -> int:
        """What the plan takes."""
        return self.model.plan.arena_bytes

    def _declare(self) -> Declaration:
        return read_declaration(self.path, read_metadata(self.path))
