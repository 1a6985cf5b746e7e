"""Runs an exported artefact in each runtime on the host and returns its int8 outputs."""

from pathlib import Path

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from vpr_edge.preprocessing import Preprocessing
from vpr_edge.quantize.model import Int8Model
from vpr_edge.tflite.tflm import Tflm

Outputs = dict[str, NDArray[np.int8]]


def run_onnx_runtime(model: Int8Model, path: Path, images: NDArray[np.uint8]) -> Outputs:
    """A QDQ ONNX file in ONNX Runtime, every operation in its int8 kernel where there is one.

    A default session on x86 turns some tensors to uint8 and leaves the convolutions between the
    two kinds in float, whose sums round otherwise: some outputs then differ by a few LSB.

    Args:
        model: whose scales and zero points turn the float outputs into integers.
        path: the file.
        images: uint8 RGB [N, H, W, 3].

    Returns:
        int8 [N, h, w, C] by output name.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    rows = []
    for image in images:
        tensor = model.preprocessing.to_float(image)[None]
        values = session.run(names, {session.get_inputs()[0].name: tensor})
        rows.append(
            [
                to_integers(np.asarray(value), model, name)
                for name, value in zip(names, values, strict=True)
            ]
        )
    return _stacked(names, rows)


def run_litert(path: Path, images: NDArray[np.uint8], reference: bool = False) -> Outputs:
    """An int8 TFLite file in LiteRT: XNNPACK, or the reference kernels.

    Args:
        path: the file.
        images: uint8 RGB [N, H, W, 3].
        reference: whether to run the reference kernels.

    Returns:
        int8 [N, h, w, C] by output name.
    """
    resolver = OpResolverType.BUILTIN_REF if reference else OpResolverType.AUTO
    interpreter = Interpreter(str(path), experimental_op_resolver_type=resolver, num_threads=1)
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    details = interpreter.get_output_details()
    rows = []
    for image in images:
        interpreter.set_tensor(entry["index"], Preprocessing.to_int8(image)[None])
        interpreter.invoke()
        rows.append([interpreter.get_tensor(detail["index"]) for detail in details])
    return _stacked([detail["name"] for detail in details], rows)


def run_tflm(path: Path, images: NDArray[np.uint8]) -> Outputs:
    """An int8 TFLite file in TFLM's interpreter: the oracle.

    Args:
        path: the file.
        images: uint8 RGB [N, H, W, 3].

    Returns:
        int8 [N, h, w, C] by output name.
    """
    interpreter = Tflm(path)
    rows = [list(interpreter.run(Preprocessing.to_int8(image)[None])) for image in images]
    return _stacked([tensor.name for tensor in interpreter.file.outputs], rows)


def to_integers(value: NDArray[np.float32], model: Int8Model, name: str) -> NDArray[np.int8]:
    """A dequantised ONNX map [N, C, h, w] as the int8 values [N, h, w, C] it stands for."""
    affine = model.activations[name]
    integers = np.rint(np.moveaxis(value, 1, -1) / affine.scale) + affine.zero_point
    return integers.astype(np.int8)


def _stacked(names: list[str], rows: list[list[NDArray[np.int8]]]) -> Outputs:
    columns = zip(*rows, strict=True)
    return {name: np.concatenate(c) for name, c in zip(names, columns, strict=True)}
