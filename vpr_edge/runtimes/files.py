"""Exported files in the runtimes on the host: ONNX Runtime, LiteRT, TensorFlow Lite Micro."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import ModelError
from vpr_edge.export.onnx import METADATA
from vpr_edge.runtimes.runtime import (
    Declaration,
    Input,
    Maps,
    Runtime,
    affine_of,
    dequantized,
    read_declaration,
)
from vpr_edge.tflite.read import read_metadata, read_tflite
from vpr_edge.tflite.tflm import Tflm, captured_stderr


class OnnxRuntime(Runtime):
    """ONNX Runtime on the CPU. Symbolic dimensions are taken as 1."""

    name = "onnxruntime"

    def __init__(self, path: Path, threads: int = 1) -> None:
        import onnxruntime

        self.path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's exceptions have no common base but this
            raise ModelError(
                f"{path} is not a whole ONNX model, or asks for what ONNX Runtime lacks "
                f"({_brief(error)}); export it again."
            ) from error
        self.inputs = tuple(
            Input(
                tuple(size if isinstance(size, int) else 1 for size in entry.shape),
                _onnx_dtype(entry.type),
            )
            for entry in self.session.get_inputs()
        )
        self.outputs = [output.name for output in self.session.get_outputs()]
        self.fed: dict[str, NDArray[Any]] = {}
        self.values: Sequence[Any] = ()

    def feed(self, tensors: Sequence[NDArray[Any]]) -> None:
        """See `Runtime.feed`."""
        names = [entry.name for entry in self.session.get_inputs()]
        self.fed = dict(zip(names, tensors, strict=True))

    def invoke(self) -> None:
        """See `Runtime.invoke`."""
        self.values = self.session.run(self.outputs, self.fed)

    def maps(self) -> Maps:
        """See `Runtime.maps`."""
        return {
            name: np.moveaxis(np.asarray(value)[0], 0, -1)
            for name, value in zip(self.outputs, self.values, strict=True)
        }

    def _declare(self) -> Declaration:
        stored = self.session.get_modelmeta().custom_metadata_map.get(METADATA, "{}")
        return read_declaration(self.path, json.loads(stored))


class LiteRt(Runtime):
    """LiteRT: XNNPACK, or the reference kernels, which know one thread only."""

    def __init__(self, path: Path, name: str, threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self.path, self.name = path, name
        resolver = OpResolverType.BUILTIN_REF if name != "litert" else OpResolverType.AUTO
        try:
            # LiteRT announces its delegate to the terminal.
            with captured_stderr():
                self.interpreter = Interpreter(
                    str(path), experimental_op_resolver_type=resolver, num_threads=threads
                )
                self.interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            read_tflite(path)
            raise ModelError(
                f"{path} does not run in LiteRT ({_brief(error)}); export it again."
            ) from error
        entries = self.interpreter.get_input_details()
        self.inputs = tuple(
            Input(tuple(e["shape"].tolist()), np.dtype(e["dtype"])) for e in entries
        )
        self.slots = [entry["index"] for entry in entries]
        self.outputs = self.interpreter.get_output_details()

    def feed(self, tensors: Sequence[NDArray[Any]]) -> None:
        """See `Runtime.feed`."""
        for slot, tensor in zip(self.slots, tensors, strict=True):
            self.interpreter.set_tensor(slot, tensor)

    def invoke(self) -> None:
        """See `Runtime.invoke`."""
        self.interpreter.invoke()

    def maps(self) -> Maps:
        """See `Runtime.maps`."""
        return {
            detail["name"]: dequantized(
                self.interpreter.get_tensor(detail["index"])[0], *detail["quantization"]
            )
            for detail in self.outputs
        }

    def _declare(self) -> Declaration:
        return read_declaration(self.path, read_metadata(self.path))


class TflmRuntime(Runtime):
    """TensorFlow Lite Micro's interpreter, built for the host."""

    name = "tflm"

    def __init__(self, path: Path) -> None:
        self.path, self.interpreter = path, Tflm(path)
        file = self.interpreter.file
        self.inputs = tuple(Input(tensor.shape, tensor.dtype) for tensor in file.inputs)

    def feed(self, tensors: Sequence[NDArray[Any]]) -> None:
        """See `Runtime.feed`."""
        self.interpreter.feed(tensors)

    def invoke(self) -> None:
        """See `Runtime.invoke`."""
        self.interpreter.invoke()

    def maps(self) -> Maps:
        """See `Runtime.maps`."""
        outputs = zip(self.interpreter.file.outputs, self.interpreter.outputs(), strict=True)
        return {
            tensor.name: dequantized(value[0], *affine_of(tensor.scale, tensor.zero_point))
            for tensor, value in outputs
        }

    def arena_bytes(self) -> int:
        """See `Tflm.arena_bytes`."""
        return self.interpreter.arena_bytes()

    def _declare(self) -> Declaration:
        return read_declaration(self.path, read_metadata(self.path))


def _onnx_dtype(kind: str) -> np.dtype[Any]:
    """From ONNX Runtime's name of a type, such as "tensor(float)"."""
    inner = kind.removeprefix("tensor(").removesuffix(")")
    return np.dtype({"float": "float32", "double": "float64"}.get(inner, inner))


def _brief(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")[:200]
