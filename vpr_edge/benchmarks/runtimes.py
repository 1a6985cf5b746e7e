"""An artefact opened in a runtime on the host: one picture in, dequantised maps out.

| runtime | artefacts |
| --- | --- |
| onnxruntime | .onnx, float or with QDQ pairs |
| litert | .tflite, XNNPACK |
| litert-reference | .tflite, reference kernels |
| tflm | .tflite, TensorFlow Lite Micro's interpreter, the oracle |
| torch | float checkpoint |
| integer | int8 checkpoint, the integer-exact pass |
| fake-quantised | int8 checkpoint, the forward pass of QAT |
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import ModelError
from vpr_edge.export.onnx import METADATA, output_transforms
from vpr_edge.export.tflite_read import read_metadata, read_tflite
from vpr_edge.models.checkpoint import load_checkpoint
from vpr_edge.models.zoo import NetworkConfig
from vpr_edge.places.describe import place_vector
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.quantize.model import Int8Model

Maps = dict[str, NDArray[np.float32]]
RUNTIMES = {
    ".onnx": ("onnxruntime",),
    ".tflite": ("litert", "litert-reference", "tflm"),
    ".safetensors": ("torch", "integer", "fake-quantised"),
}
# Beside the tensors TFLM's arena holds the interpreter's own structures.
TFLM_ARENA_ROOM = 1 << 20


class Runtime(Protocol):
    """An artefact, ready to run.

    Attributes:
        path: the artefact.
        name: of the runtime.
        preprocessing: picture to input, as the artefact declares it.
        transforms: by output, what follows dequantisation.
    """

    path: Path
    name: str
    preprocessing: Preprocessing
    transforms: dict[str, Any]

    def run(self, fitted: NDArray[np.uint8]) -> Maps:
        """Outputs float32 [h, w, C] by name for one picture uint8 [H, W, 3] of the input's size."""
        ...


def runtimes_for(path: Path) -> tuple[str, ...]:
    """The runtimes that can run an artefact, the usual one first.

    Raises:
        ModelError: no file, or a kind of file that nothing here runs.
    """
    if not path.is_file():
        raise ModelError(f"{path} does not exist; export an artefact first (vpr-edge export).")
    if path.suffix not in RUNTIMES:
        raise ModelError(
            f"{path} is not an artefact that can be run; give a file that ends in "
            f"{', '.join(RUNTIMES)}."
        )
    if path.suffix == ".safetensors":
        names = RUNTIMES[path.suffix]
        return names[:1] if load_checkpoint(path).kind == "float" else names[1:]
    return RUNTIMES[path.suffix]


def open_runtime(path: Path, name: str | None = None) -> Runtime:
    """Open an artefact.

    Args:
        path: the artefact.
        name: of the runtime; by default the first of `runtimes_for`.

    Raises:
        ModelError: the file is damaged, or the runtime does not run it.
    """
    possible = runtimes_for(path)
    name = name or possible[0]
    if name not in possible:
        raise ModelError(f"{path} does not run in {name!r}; choose {' or '.join(possible)}.")
    match name:
        case "onnxruntime":
            return OnnxRuntime(path)
        case "litert" | "litert-reference":
            return LiteRt(path, name)
        case "tflm":
            return Tflm(path)
        case "torch":
            return TorchNetwork(path)
    return Int8Checkpoint(path, name)


def place_descriptor(runtime: Runtime, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The unit vector float32 [D] by which an artefact describes a picture uint8 [H, W, 3]."""
    maps = runtime.run(runtime.preprocessing.fit(image))
    if "place" not in maps:
        raise ModelError(f"{runtime.path} has no output `place`; export a network with that task.")
    return place_vector(maps["place"], runtime.transforms["place"])


def _declared(path: Path, metadata: Mapping[str, Any]) -> tuple[Preprocessing, dict[str, Any]]:
    try:
        preprocessing = Preprocessing(**metadata["preprocessing"])
        transforms = {name: spec.get("transform", {}) for name, spec in metadata["outputs"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{path} does not declare its preprocessing (metadata `vpr_edge`); export it with "
            "vpr-edge to run it on pictures."
        ) from error
    return preprocessing, transforms


class OnnxRuntime:
    """ONNX Runtime on one thread of the CPU."""

    name = "onnxruntime"

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self.path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
            stored = self.session.get_modelmeta().custom_metadata_map
            metadata = json.loads(stored.get(METADATA, "{}"))
        except Exception as error:  # ONNX Runtime's exceptions have no common base but this
            raise ModelError(
                f"{path} is not a whole ONNX model ({error}); export it again."
            ) from error
        self.preprocessing, self.transforms = _declared(path, metadata)
        self.outputs = [output.name for output in self.session.get_outputs()]

    def run(self, fitted: NDArray[np.uint8]) -> Maps:
        """See `Runtime.run`."""
        feed = {self.session.get_inputs()[0].name: self.preprocessing.to_float(fitted)[None]}
        values = self.session.run(self.outputs, feed)
        return {
            name: np.moveaxis(np.asarray(value)[0], 0, -1)
            for name, value in zip(self.outputs, values, strict=True)
        }


class LiteRt:
    """LiteRT on one thread: XNNPACK, or the reference kernels."""

    def __init__(self, path: Path, name: str) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self.path, self.name = path, name
        self.preprocessing, self.transforms = _declared(path, read_metadata(path))
        resolver = OpResolverType.BUILTIN_REF if name != "litert" else OpResolverType.AUTO
        self.interpreter = Interpreter(
            str(path), experimental_op_resolver_type=resolver, num_threads=1
        )
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]["index"]
        self.outputs = self.interpreter.get_output_details()

    def run(self, fitted: NDArray[np.uint8]) -> Maps:
        """See `Runtime.run`."""
        self.interpreter.set_tensor(self.input, self.preprocessing.to_int8(fitted)[None])
        self.interpreter.invoke()
        return {
            detail["name"]: _real(
                self.interpreter.get_tensor(detail["index"])[0], *detail["quantization"]
            )
            for detail in self.outputs
        }


class Tflm:
    """TensorFlow Lite Micro's interpreter, built for the host."""

    name = "tflm"

    def __init__(self, path: Path) -> None:
        from tflite_micro.python.tflite_micro import runtime

        self.path = path
        self.preprocessing, self.transforms = _declared(path, read_metadata(path))
        file = read_tflite(path)
        room = sum(int(np.prod(tensor.shape)) for tensor in file.tensors) + TFLM_ARENA_ROOM
        self.interpreter = runtime.Interpreter.from_bytes(path.read_bytes(), arena_size=room)
        self.outputs = [(tensor.name, tensor) for tensor in file.outputs]

    def run(self, fitted: NDArray[np.uint8]) -> Maps:
        """See `Runtime.run`."""
        self.interpreter.set_input(self.preprocessing.to_int8(fitted)[None], 0)
        self.interpreter.invoke()
        return {
            name: _real(
                self.interpreter.get_output(index)[0],
                float(tensor.scale[0]),
                int(tensor.zero_point[0]),
            )
            for index, (name, tensor) in enumerate(self.outputs)
        }


class TorchNetwork:
    """A float checkpoint in torch, BatchNorm in inference mode."""

    name = "torch"

    def __init__(self, path: Path) -> None:
        from vpr_edge.models.network import Network

        self.path = path
        checkpoint = load_checkpoint(path)
        self.preprocessing = checkpoint.preprocessing
        self.transforms = _transforms(checkpoint.config)
        self.network = Network.from_checkpoint(checkpoint)

    def run(self, fitted: NDArray[np.uint8]) -> Maps:
        """See `Runtime.run`."""
        import torch

        with torch.inference_mode():
            values = self.network(torch.from_numpy(self.preprocessing.to_float(fitted))[None])
        return {name: value[0].permute(1, 2, 0).numpy() for name, value in values.items()}


class Int8Checkpoint:
    """An int8 checkpoint: as TFLM computes it, or as QAT's forward pass does."""

    def __init__(self, path: Path, name: str) -> None:
        from vpr_edge.quantize.integer import IntegerNetwork
        from vpr_edge.quantize.passes import RoundedNetwork

        self.path, self.name = path, name
        self.model = Int8Model.from_checkpoint(load_checkpoint(path))
        self.preprocessing = self.model.preprocessing
        self.transforms = _transforms(self.model.config, self.model.place_gain)
        self.network = (IntegerNetwork if name == "integer" else RoundedNetwork)(self.model)

    def run(self, fitted: NDArray[np.uint8]) -> Maps:
        """See `Runtime.run`."""
        affines = self.model.activations
        return {
            name: _real(value[0], float(affines[name].scale), affines[name].zero_point)
            for name, value in self.network.run(fitted[None]).items()
        }


def _real(value: NDArray[np.int8], scale: float, zero_point: int) -> NDArray[np.float32]:
    return (value.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


def _transforms(
    config: NetworkConfig, place_gain: NDArray[np.float32] | None = None
) -> dict[str, Any]:
    specifications = output_transforms(config, place_gain).items()
    return {name: specification.get("transform", {}) for name, specification in specifications}
