"""An artefact opened in a runtime on the host: one picture in, dequantised maps out.

| runtime | artefacts |
| --- | --- |
| onnxruntime | .onnx, float or with QDQ pairs |
| litert | .tflite, XNNPACK |
| litert-reference | .tflite, reference kernels |
| tflm | .tflite, TensorFlow Lite Micro's interpreter, the oracle |
| c | .tflite, the generated C as a native library |
| device | .tflite, the same with the device's camera, decoders and map, see `device` |
| torch | float checkpoint |
| integer | int8 checkpoint, the integer-exact pass |
| fake-quantised | int8 checkpoint, the forward pass of QAT |
| emx-onnx-cgen, onnx2c, bakenn | other generators of C, see `peers` |

Artefacts of other origin run too, on tensors of their own; only for pictures must an artefact
declare its preprocessing.
"""

import importlib
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from vpr_edge.errors import ModelError, ToolMissingError
from vpr_edge.extras import install_extra
from vpr_edge.firmware_bridge.compile.host import host_compiler
from vpr_edge.models.checkpoint import load_checkpoint
from vpr_edge.runtimes.device import DeviceRuntime, DeviceWay
from vpr_edge.runtimes.files import LiteRt, OnnxRuntime, TflmRuntime
from vpr_edge.runtimes.generated_c import GeneratedC
from vpr_edge.runtimes.peers import PEERS, PeerC, build_peer, missing_peer
from vpr_edge.runtimes.runtime import Runtime

RUNTIMES = {
    ".onnx": ("onnxruntime",),
    ".tflite": ("litert", "litert-reference", "tflm", "c", "device"),
    ".safetensors": ("torch", "integer", "fake-quantised"),
}
ON_REQUEST = ("device",)
"""Runtimes that are chosen only where they are named: they take the networks of vpr-edge alone."""
LIBRARIES = {
    "onnxruntime": "onnxruntime",
    "litert": "ai_edge_litert.interpreter",
    "litert-reference": "ai_edge_litert.interpreter",
    "tflm": "tflite_micro.python.tflite_micro.runtime",
    "torch": "torch",
    "integer": "torch",
    "fake-quantised": "torch",
}
"""The module that a runtime needs, by the runtime's name."""
THREADED = ("onnxruntime", "litert", "torch", "integer", "fake-quantised")
"""The runtimes that use more than one thread where they are given more."""


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
    peers = tuple(name for name, peer in PEERS.items() if peer.suffix == path.suffix)
    if path.suffix == ".safetensors":
        return names[:1] if load_checkpoint(path).kind == "float" else names[1:]
    return (*names, *peers)


def choose_runtimes(paths: Sequence[Path], wanted: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """For each artefact the runtimes that fit it, of those that are wanted.

    By default all that are on this machine.

    Raises:
        ModelError: an artefact or a wanted runtime is left over.
        ToolMissingError: a wanted runtime is not here, or for an artefact there is none.
    """
    possible = [runtimes_for(path) for path in paths]
    chosen = []
    for path, names in zip(paths, possible, strict=True):
        usual = [name for name in names if name not in ON_REQUEST and not missing(name)]
        found = tuple(name for name in names if name in (wanted or usual))
        if not found and wanted:
            raise ModelError(
                f"{path} does not run in {' or '.join(wanted)}; choose {_listed(names)}."
            )
        if not found:
            raise ToolMissingError(missing(names[0]))
        chosen.append(found)
    for name in wanted:
        if not any(name in found for found in chosen):
            every = tuple(dict.fromkeys(sum(possible, ())))
            raise ModelError(f"no artefact here runs in {name!r}; choose {_listed(every)}.")
        if reason := missing(name):
            raise ToolMissingError(reason)
    return chosen


def left_out(path: Path) -> list[str]:
    """Why a runtime that fits an artefact is not among those chosen by default, a sentence each.

    Peers that are not installed are not missed.
    """
    names = [name for name in runtimes_for(path) if name not in PEERS and name not in ON_REQUEST]
    return [reason for name in names if (reason := missing(name))]


def missing(name: str) -> str:
    """What a runtime lacks on this machine and how to get it, in one sentence; "" if nothing."""
    if name in PEERS and (reason := missing_peer(name)):
        return reason
    if name in ("c", "device") or name in PEERS:
        try:
            host_compiler()
        except ToolMissingError as error:
            return str(error)
        return ""
    package = LIBRARIES[name].partition(".")[0]
    if find_spec(package):
        return ""
    extra = "train" if package == "torch" else ""
    return (
        f"the runtime {name!r} needs the package {package}, which is not installed; "
        f"{install_extra(extra)}"
    )


def open_runtime(path: Path, name: str | None = None, threads: int = 1) -> Runtime:
    """Open an artefact.

    Args:
        path: the artefact.
        name: of the runtime; by default the first of `runtimes_for`.
        threads: of runtimes that can use several; torch takes its number from OMP_NUM_THREADS.

    Raises:
        ModelError: the file is damaged, or the runtime does not run it.
        ToolMissingError: the runtime is not here.
    """
    return prepare_runtime(path, name, threads)()


def prepare_runtime(path: Path, name: str | None = None, threads: int = 1) -> Callable[[], Runtime]:
    """Do what is the tool's work and not the artefact's: import libraries, generate and compile C.

    Args and Raises: as `open_runtime`.

    Returns:
        What opens the artefact.
    """
    possible = runtimes_for(path)
    name = name or possible[0]
    if name not in possible:
        raise ModelError(f"{path} does not run in {name!r}; choose {_listed(possible)}.")
    if reason := missing(name):
        raise ToolMissingError(reason)
    if name in LIBRARIES:
        importlib.import_module(LIBRARIES[name])
    match name:
        case "onnxruntime":
            return partial(OnnxRuntime, path, threads)
        case "litert" | "litert-reference":
            return partial(LiteRt, path, name, threads)
        case "tflm":
            return partial(TflmRuntime, path)
        case "c":
            return partial(GeneratedC, path, GeneratedC.build(path))
        case "device":
            return partial(DeviceRuntime, path, DeviceWay(path), GeneratedC.build(path))
        case peer if peer in PEERS:
            return partial(PeerC, path, peer, build_peer(path, peer))
    from vpr_edge.runtimes.checkpoints import Int8Checkpoint, TorchNetwork

    if name == "torch":
        return partial(TorchNetwork, path)
    return partial(Int8Checkpoint, path, name)


def _listed(names: Sequence[str]) -> str:
    """The runtimes to choose from; peers only where they are installed."""
    return " or ".join(name for name in names if name not in PEERS or not missing(name))
