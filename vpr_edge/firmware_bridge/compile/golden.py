"""Golden vectors: inputs and the outputs that TFLM gives for them, the oracle asked anew."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.operators.shared.node import Tensor
from vpr_edge.firmware_bridge.operators.shared.program import Program, run_reference
from vpr_edge.processes import run as run_program
from vpr_edge.scratch import ScratchFolder
from vpr_edge.tflite.tflm import Tflm

Arrays = tuple[NDArray[Any], ...]


@dataclass(frozen=True, eq=False)
class Vector:
    """One run: the model's inputs, and its outputs."""

    inputs: Arrays
    outputs: Arrays


def oracle_outputs(path: Path, inputs: Sequence[Arrays]) -> list[Arrays]:
    """TFLM's outputs for each run, from a process of its own: it aborts on some models.

    Raises:
        ModelError: TFLM refuses the file, or ends the process.
    """
    with ScratchFolder("oracle") as scratch:
        given, found = scratch / "inputs", scratch / "outputs"
        _save(given, inputs)
        done = run_program([sys.executable, "-m", __name__, str(path), str(given), str(found)])
        if not found.is_file():
            last = (done.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
            raise ModelError(
                f"{path.name} does not run in TFLM (exit status {done.returncode}, "
                f"{last[:120]!r}), so there is nothing to compare with; convert it again, or "
                "export with --golden 0."
            )
        return _load(found)


def _save(path: Path, runs: Sequence[Arrays]) -> None:
    named = {(r, i): array for r, run in enumerate(runs) for i, array in enumerate(run)}
    save_file({f"{r} {i}": np.ascontiguousarray(array) for (r, i), array in named.items()}, path)


def _load(path: Path) -> list[Arrays]:
    runs: dict[int, dict[int, NDArray[Any]]] = {}
    for name, array in load_file(path).items():
        r, i = map(int, name.split())
        runs.setdefault(r, {})[i] = array
    return [tuple(runs[r][i] for i in sorted(runs[r])) for r in sorted(runs)]


def golden_vectors(path: Path, program: Program, inputs: Sequence[Arrays]) -> list[Vector]:
    """Run TFLM and the compiler's own reference; both must agree to the last bit.

    Raises:
        ModelError: they do not, or TFLM refuses the file.
    """
    vectors = []
    computed = oracle_outputs(path, inputs) if inputs else []
    for given, outputs in zip(inputs, computed, strict=True):
        values = run_reference(program, *given)
        for tensor, expected in zip(program.outputs, outputs, strict=True):
            if values[tensor].tobytes() != expected.tobytes() and tensor.dtype != np.float32:
                raise ModelError(
                    f"{path.name}: the output '{tensor.name}' of the compiled model differs from "
                    "TFLM; this is a fault in vpr-edge, please report it with the file."
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


if __name__ == "__main__":
    _path, _given, _found = map(Path, sys.argv[1:])
    _oracle = Tflm(_path)
    _save(_found, [_oracle.run(*run) for run in _load(_given)])
