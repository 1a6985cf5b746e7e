"""Golden vectors: inputs and the outputs that TFLM gives for them, the oracle asked anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import ModelError
from vpr_edge.export.tflite_read import read_tflite
from vpr_edge.firmware_bridge.node import Tensor
from vpr_edge.firmware_bridge.program import Program, run_reference

ARENA_ROOM = 1 << 20
Arrays = tuple[NDArray[Any], ...]


@dataclass(frozen=True, eq=False)
class Vector:
    """One run: the model's inputs, and its outputs."""

    inputs: Arrays
    outputs: Arrays


class Oracle:
    """TFLM's interpreter on a TFLite file."""

    def __init__(self, path: Path) -> None:
        """See the class.

        Raises:
            ModelError: TFLM refuses the file.
        """
        from tflite_micro.python.tflite_micro import runtime

        file = read_tflite(path)
        sizes = (prod(t.shape) * t.dtype.itemsize for t in file.tensors if t.values is None)
        try:
            self._interpreter = runtime.Interpreter.from_bytes(
                path.read_bytes(), arena_size=2 * sum(sizes) + ARENA_ROOM
            )
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"{path} does not run in TFLM, so its golden vectors cannot be made; convert it "
                "again, or pass --golden 0."
            ) from error
        self._outputs = len(file.outputs)

    def run(self, *inputs: NDArray[Any]) -> Arrays:
        """The outputs; every run starts from reset variables."""
        self._interpreter.reset()
        for index, value in enumerate(inputs):
            self._interpreter.set_input(value, index)
        self._interpreter.invoke()
        return tuple(self._interpreter.get_output(index).copy() for index in range(self._outputs))


def golden_vectors(path: Path, program: Program, inputs: Sequence[Arrays]) -> list[Vector]:
    """Run TFLM and the compiler's own reference; both must agree to the last bit.

    Raises:
        ModelError: they do not, or TFLM refuses the file.
    """
    oracle = Oracle(path)
    vectors = []
    for given in inputs:
        outputs = oracle.run(*given)
        values = run_reference(program, *given)
        for tensor, expected in zip(program.outputs, outputs, strict=True):
            if values[tensor].tobytes() != expected.tobytes() and tensor.dtype != np.float32:
                raise ModelError(
                    f"{path}: the output '{tensor.name}' of the compiled model differs from TFLM; "
                    "this is a fault in vpr-edge, please report it with the file."
                )
        vectors.append(Vector(given, outputs))
    return vectors


def random_inputs(program: Program, count: int, seed: int = 0) -> list[Arrays]:
    """Inputs that cover each type's whole range (floats: standard normal), from a seed."""
    generator = np.random.default_rng(seed)
    return [tuple(_random(generator, tensor) for tensor in program.inputs) for _ in range(count)]


def _random(generator: np.random.Generator, tensor: Tensor) -> NDArray[Any]:
    if tensor.dtype == np.float32:
        return generator.standard_normal(tensor.shape).astype(np.float32)
    if tensor.dtype == np.bool_:
        return generator.integers(0, 2, tensor.shape).astype(np.bool_)
    limits = np.iinfo(tensor.dtype)
    return generator.integers(limits.min, limits.max, tensor.shape, tensor.dtype, endpoint=True)
