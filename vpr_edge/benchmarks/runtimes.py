"""An artefact opened in a runtime on the host: one picture in, dequantised maps out.

| runtime | artefacts |
| --- | --- |
| onnxruntime | .onnx, float or with QDQ pairs |
| litert | .tflite, XNNPACK |
| litert-reference | .tflite, reference kernels |
| tflm | .tflite, TensorFlow Lite Micro's interpreter, the oracle |
| c | .tflite, the generated C as a native library |
| torch | float checkpoint |
| integer | int8 checkpoint, the integer-exact pass |
| fake-quantised | int8 checkpoint, the forward pass of QAT |

Artefacts of other origin run too, on tensors of their own; only for pictures must an artefact
declare its preprocessing.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vpr_edge.benchmarks.runtime import Runtime
from vpr_edge.benchmarks.runtime_c import GeneratedC
from vpr_edge.benchmarks.runtime_files import LiteRt, OnnxRuntime, Tflm
from vpr_edge.errors import ModelError, ToolMissingError
from vpr_edge.models.checkpoint import load_checkpoint
from vpr_edge.places.describe import place_vector

RUNTIMES = {
    ".onnx": ("onnxruntime",),
    ".tflite": ("litert", "litert-reference", "tflm", "c"),
    ".safetensors": ("torch", "integer", "fake-quantised"),
}
LIBRARIES = {
    "onnxruntime": "onnxruntime",
    "litert": "ai_edge_litert.interpreter",
    "litert-reference": "ai_edge_litert.interpreter",
    "tflm": "tflite_micro.python.tflite_micro.runtime",
    "c": "vpr_edge.benchmarks.runtime_c",
    "torch": "torch",
    "integer": "torch",
    "fake-quantised": "torch",
}
"""The module that a runtime needs, by the runtime's name."""


def runtimes_for(path: Path) -> tuple[str, ...]:
    """The runtimes that can run an artefact, the usual one first.

    Raises:
        ModelError: no file, or a kind of file that nothing here runs.
        CheckpointError: a checkpoint that cannot be read.
    """
    if path.is_dir():
        raise ModelError(f"{path} is a folder; give the .onnx, .tflite or .safetensors file in it.")
    if not path.is_file():
        raise ModelError(f"{path} does not exist; export an artefact first (vpr-edge export).")
    if path.suffix not in RUNTIMES:
        raise ModelError(
            f"{path} is not an artefact that can be run; give a file that ends in "
            f"{', '.join(RUNTIMES)}."
        )
    names = RUNTIMES[path.suffix]
    if path.suffix == ".safetensors":
        return names[:1] if load_checkpoint(path).kind == "float" else names[1:]
    return names


def choose_runtimes(paths: Sequence[Path], wanted: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """For each artefact the runtimes that fit it, of those that are wanted (by default all).

    Raises:
        ModelError: an artefact or a wanted runtime is left over.
    """
    possible = [runtimes_for(path) for path in paths]
    chosen = [tuple(n for n in names if not wanted or n in wanted) for names in possible]
    for path, names, found in zip(paths, possible, chosen, strict=True):
        if not found:
            raise ModelError(
                f"{path} does not run in {' or '.join(wanted)}; choose {' or '.join(names)}."
            )
    for name in wanted:
        if not any(name in found for found in chosen):
            raise ModelError(
                f"no artefact here runs in {name!r}; choose {' or '.join(sum(possible, ()))}."
            )
    return chosen


def open_runtime(path: Path, name: str | None = None) -> Runtime:
    """Open an artefact, on one thread.

    Args:
        path: the artefact.
        name: of the runtime; by default the first of `runtimes_for`.

    Raises:
        ModelError: the file is damaged, or the runtime does not run it.
        ToolMissingError: the runtime's library is not installed.
    """
    possible = runtimes_for(path)
    name = name or possible[0]
    if name not in possible:
        raise ModelError(f"{path} does not run in {name!r}; choose {' or '.join(possible)}.")
    load_library(name)
    match name:
        case "onnxruntime":
            return OnnxRuntime(path)
        case "litert" | "litert-reference":
            return LiteRt(path, name)
        case "tflm":
            return Tflm(path)
        case "c":
            return GeneratedC(path)
    from vpr_edge.benchmarks.runtime_checkpoints import Int8Checkpoint, TorchNetwork

    return TorchNetwork(path) if name == "torch" else Int8Checkpoint(path, name)


def load_library(name: str) -> None:
    """Import what a runtime needs.

    Raises:
        ToolMissingError: it is not installed.
    """
    try:
        importlib.import_module(LIBRARIES[name])
    except ModuleNotFoundError as error:
        extra = "[train]" if error.name == "torch" else ""
        raise ToolMissingError(
            f"the runtime {name!r} needs the package {error.name}, which is not installed; "
            f"pip install 'vpr-edge{extra}'."
        ) from error


def place_descriptor(runtime: Runtime, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The unit vector float32 [D] by which an artefact describes a picture uint8 [H, W, 3]."""
    maps = runtime.run(runtime.preprocessing.fit(image))
    if "place" not in maps:
        raise ModelError(f"{runtime.path} has no output `place`; export a network with that task.")
    return place_vector(maps["place"], runtime.transforms["place"])
