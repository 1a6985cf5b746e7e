"""Other generators of C as runtimes: the same file, compiled for this machine as ours is.

| runtime | artefacts | generated function |
| --- | --- | --- |
| emx-onnx-cgen | .onnx | `void model(inputs, outputs)` |
| onnx2c | .onnx | `void entry(inputs, outputs)` |
| bakenn | .tflite | `void bknn_model_infer(arena, input, output)` |

None of them is needed; each is measured where it is installed.
"""

import ctypes
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from vpr_edge.errors import ModelError
from vpr_edge.export.onnx import METADATA
from vpr_edge.firmware_bridge.compile.host import host_compiler
from vpr_edge.processes import run as run_program
from vpr_edge.runtimes.runtime import (
    Declaration,
    Input,
    Maps,
    Runtime,
    affine_of,
    dequantized,
    read_declaration,
)
from vpr_edge.scratch import ScratchFolder
from vpr_edge.tflite.read import read_metadata, read_tflite

FLAGS = ("-std=gnu11", "-O3", "-march=native", "-w", "-shared", "-fPIC")
ALIGNMENT = 64
NAME = "model"


@dataclass(frozen=True)
class Peer:
    """A generator of C.

    Attributes:
        suffix: of the artefacts it takes.
        get: how to install it.
        generate: writes C for an artefact into a folder and returns what to compile.
    """

    suffix: str
    get: str
    generate: "Callable[[Path, Path], Generated]"


@dataclass(frozen=True)
class Generated:
    """C that a peer wrote: sources, the function, and the bytes of an arena if it takes one."""

    sources: tuple[Path, ...]
    function: str
    arena_bytes: int | None = None


@dataclass(frozen=True)
class Port:
    """An input or output of the network."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float = 0.0
    zero_point: int = 0


class PeerC(Runtime):
    """An artefact as the C of a peer, compiled for this machine, on one thread.

    Attributes:
        facts: versions of the generator and the compiler.
        arena_bytes: of the arena that the C was given; None if it takes none.
    """

    def __init__(self, path: Path, name: str, built: "Built") -> None:
        """Load what `build_peer` made of the file at `path`."""
        self.path, self.name, self.built = path, name, built
        self.facts, self.arena_bytes = built.facts, built.generated.arena_bytes
        self.inputs = tuple(Input(port.shape, port.dtype) for port in built.inputs)
        self._library = ctypes.CDLL(str(built.library))
        self._function = getattr(self._library, built.generated.function)
        self._fed = [_aligned(port) for port in built.inputs]
        self._results = [_aligned(port) for port in built.outputs]
        arena = self.arena_bytes
        self._arena = None if arena is None else _aligned(Port("", (arena,), np.dtype("uint8")))
        given = [*self._fed, *self._results]
        if self._arena is not None:
            given.insert(0, self._arena)
        self._arguments = [ctypes.c_void_p(array.ctypes.data) for array in given]

    def feed(self, tensors: Sequence[NDArray[Any]]) -> None:
        """See `Runtime.feed`."""
        for place, tensor in zip(self._fed, tensors, strict=True):
            place[...] = tensor

    def invoke(self) -> None:
        """See `Runtime.invoke`."""
        self._function(*self._arguments)

    def maps(self) -> Maps:
        """See `Runtime.maps`."""
        found = {}
        for port, value in zip(self.built.outputs, self._results, strict=True):
            real = dequantized(value[0], port.scale, port.zero_point)
            found[port.name] = np.moveaxis(real, 0, -1) if self.path.suffix == ".onnx" else real
        return found

    def _declare(self) -> Declaration:
        if self.path.suffix == ".tflite":
            return read_declaration(self.path, read_metadata(self.path))
        stored = {entry.key: entry.value for entry in onnx.load(self.path).metadata_props}
        return read_declaration(self.path, json.loads(stored.get(METADATA, "{}")))


@dataclass(frozen=True)
class Built:
    """A peer's C as a library; the folder lives as long as this.

    Attributes:
        folder: of the library.
        library: compiled C.
        generated: what it was compiled of.
        inputs, outputs: of the network, in the order of the function's arguments.
        facts: versions.
    """

    folder: ScratchFolder
    library: Path
    generated: Generated
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    facts: dict[str, str]


def build_peer(path: Path, name: str) -> Built:
    """Generate C by a peer and compile it for this machine.

    Raises:
        ModelError: the peer does not take the file, or its C does not compile.
        ToolMissingError: there is no C compiler.
    """
    folder = ScratchFolder("peer")
    compiler = host_compiler()
    generated = PEERS[name].generate(path, folder.path)
    library = folder.path / "model.so"
    command = [*compiler, *FLAGS, *map(str, generated.sources), "-o", str(library), "-lm"]
    done = run_program(command, text=True)
    if done.returncode:
        raise _refusal(path, name, done.stderr)
    inputs, outputs = (_ports_of_onnx if path.suffix == ".onnx" else _ports_of_tflite)(path)
    asked = run_program([*compiler, "--version"], text=True)
    facts = {"generator": f"{name} {_version(name)}", "compiler": asked.stdout.split("\n")[0]}
    return Built(folder, library, generated, inputs, outputs, facts)


def missing_peer(name: str) -> str:
    """How to get a peer, in one sentence; "" where it is installed."""
    here = find_spec("bakenn") and find_spec("tflite") if name == "bakenn" else _program(name)
    return "" if here else f"the runtime {name!r} is not installed; {PEERS[name].get}."


def _emx(path: Path, folder: Path) -> Generated:
    source = folder / f"{NAME}.c"
    # Weights in the source, as the other generators have them; by default large ones are a file.
    options = ["--model-name", NAME, "--large-weight-threshold", "0"]
    _run(path, "emx-onnx-cgen", ["compile", *options, str(path), str(source)])
    return Generated((source,), NAME)


def _onnx2c(path: Path, folder: Path) -> Generated:
    source = folder / f"{NAME}.c"
    source.write_text(_run(path, "onnx2c", [str(path)]))
    return Generated((source,), "entry")


def _bakenn(path: Path, folder: Path) -> Generated:
    import bakenn

    try:
        bakenn.compile_tflite(str(path), str(folder / "c"), name=NAME)
    except (bakenn.BakeNNError, ValueError) as error:
        raise _refusal(path, "bakenn", str(error)) from error
    header = (folder / "c" / f"bknn_{NAME}.h").read_text()
    size = re.search(r"_ARENA_SIZE (\d+)u", header)
    if not size:
        raise _refusal(path, "bakenn", "its header names no arena")
    return Generated(
        tuple(sorted((folder / "c").glob("*.c"))), f"bknn_{NAME}_infer", int(size.group(1))
    )


PEERS = {
    "emx-onnx-cgen": Peer(".onnx", "pip install emx-onnx-cgen", _emx),
    "onnx2c": Peer(
        ".onnx", "build it from github.com/kraiskil/onnx2c and put it on the PATH", _onnx2c
    ),
    "bakenn": Peer(".tflite", "pip install 'bakenn[tflite]'", _bakenn),
}


def _run(path: Path, name: str, arguments: Sequence[str]) -> str:
    """What a peer's program prints."""
    program = _program(name)
    done = run_program([str(program), *arguments], text=True)
    if done.returncode:
        raise _refusal(path, name, done.stderr or done.stdout)
    return done.stdout


def _program(name: str) -> str | None:
    """On the PATH, or beside the Python that runs this."""
    places = [os.environ.get("PATH", ""), str(Path(sys.executable).parent)]
    return shutil.which(name, path=os.pathsep.join(places))


def _refusal(path: Path, name: str, said: str) -> ModelError:
    lines = [" ".join(line.split()) for line in said.splitlines() if line.strip()] or ["no message"]
    telling = [line for line in lines if re.search(r"error|nsupported|nimplemented| not ", line)]
    # The first: what follows is the trace of how it ended.
    reason = (telling or lines)[0].rstrip(".")[:200]
    return ModelError(
        f"{path} does not run in {name} ({reason}); choose other runtimes by --runtime."
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "of unknown version"


def _aligned(port: Port) -> NDArray[Any]:
    """An array of zeros that begins at a multiple of `ALIGNMENT`."""
    size = int(np.prod(port.shape)) * port.dtype.itemsize
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(port.dtype).reshape(port.shape)


def _ports_of_onnx(path: Path) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    graph = onnx.load(path).graph
    constants = {tensor.name for tensor in graph.initializer}

    def port(value: onnx.ValueInfoProto) -> Port:
        kind = value.type.tensor_type
        shape = tuple(size.dim_value or 1 for size in kind.shape.dim)
        return Port(value.name, shape, onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))

    inputs = tuple(port(value) for value in graph.input if value.name not in constants)
    return inputs, tuple(port(value) for value in graph.output)


def _ports_of_tflite(path: Path) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    file = read_tflite(path)
    inputs, outputs = (
        tuple(
            Port(one.name, one.shape, one.dtype, *affine_of(one.scale, one.zero_point))
            for one in tensors
        )
        for tensors in (file.inputs, file.outputs)
    )
    return inputs, outputs
