"""Float ONNX to int8 TFLite through onnx2tf and TensorFlow, for operators we do not cover.

This way calibrates anew: the scales come from the images given here, not from training. A network
that went through quantisation-aware training belongs in `write_tflite`, which keeps its scales.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from vpr_edge.errors import DataError, ModelError, ToolMissingError
from vpr_edge.export.qdq_import import load_onnx
from vpr_edge.export.tflite_write import AlignedBuffer, nhwc, pack
from vpr_edge.extras import install_extra
from vpr_edge.files import atomic_file
from vpr_edge.processes import run as run_program
from vpr_edge.scratch import ScratchFolder
from vpr_edge.tflite.read import METADATA_KEY

# onnx2tf tests its layers on this file and fetches it from the net unless it lies in the working
# folder; the name is onnx2tf 1.29's.
_SAMPLE_FILE = "calibration_image_sample_data_20x128x128x3_float32.npy"


def convert_with_onnx2tf(
    onnx_path: Path, tflite_path: Path, representative: Sequence[NDArray[np.uint8]]
) -> Path:
    """Convert a float ONNX model to int8 TFLite, calibrating every scale on images.

    Args:
        onnx_path: float ONNX with one input (1, 3, H, W); a QDQ model would lose its scales.
        tflite_path: the file to write: int8 NHWC input (pixel - 128) and outputs under the ONNX
            names, the ONNX metadata `vpr_edge` in a buffer of that name.
        representative: uint8 RGB images [H, W, 3] of the input's size, some dozens, like those
            the network will see.

    Returns:
        `tflite_path`.

    Raises:
        ToolMissingError: onnx2tf or TensorFlow is not installed.
        DataError: there are no images, or they have another shape than the input.
        ModelError: the ONNX file is corrupt, quantised already, or cannot be converted.
        OutputError: the file could not be written.
    """
    missing = [name for name in ("onnx2tf", "tensorflow") if find_spec(name) is None]
    if missing:
        raise ToolMissingError(
            f"`--converter onnx2tf` needs {' and '.join(missing)}, not installed here; "
            f"{install_extra('tensorflow')}"
        )
    model = load_onnx(onnx_path)
    images = _calibration_images(onnx_path, model, representative)
    with ScratchFolder("onnx2tf") as scratch:
        saved_model = _saved_model(onnx_path, Path(scratch), images)
        converted = _quantize(onnx_path, saved_model, model.graph.input[0].name, images)
    data = _with_onnx_names_and_metadata(onnx_path, converted, model)
    with atomic_file(tflite_path) as target:
        target.write_bytes(data)
    return tflite_path


def _calibration_images(
    path: Path, model: onnx.ModelProto, representative: Sequence[NDArray[np.uint8]]
) -> NDArray[np.float32]:
    """The images as float32 [N, H, W, 3], the real values that the network reads."""
    if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        raise ModelError(
            f"{path} is quantised already and onnx2tf would drop its scales; give the float ONNX, "
            "or use the native converter."
        )
    shape = tuple(d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim)
    if len(model.graph.input) != 1 or len(shape) != 4 or shape[:2] != (1, 3) or 0 in shape:
        raise ModelError(
            f"{path} does not have one input of shape (1, 3, H, W); export it so, with fixed sizes."
        )
    if not representative:
        raise DataError("onnx2tf has no images to calibrate on; give a few dozen.")
    for image in representative:
        if image.dtype != np.uint8 or image.shape != (*shape[2:], 3):
            raise DataError(
                f"A calibration image is {image.dtype} {image.shape}, and {path} needs uint8 "
                f"{(*shape[2:], 3)}; resize the images to the network's input."
            )
    pixels = np.stack(list(representative))
    # A black and a white pixel make the input's range, and so its scale, exactly that of uint8.
    pixels[0, 0, 0], pixels[0, -1, -1] = 0, 255
    return pixels.astype(np.float32) * np.float32(_pixel_scale(model))


def _metadata(model: onnx.ModelProto) -> str | None:
    return next((p.value for p in model.metadata_props if p.key == METADATA_KEY), None)


def _pixel_scale(model: onnx.ModelProto) -> float:
    text = _metadata(model)
    preprocessing = json.loads(text).get("preprocessing", {}) if text else {}
    return float(preprocessing.get("scale", 1 / 255))


def _saved_model(path: Path, scratch: Path, images: NDArray[np.float32]) -> Path:
    """Run onnx2tf in `scratch`, in a process of its own: it exits the interpreter on errors."""
    np.save(scratch / _SAMPLE_FILE, images)
    folder = scratch / "saved_model"
    command = [sys.executable, "-m", "onnx2tf", "-i", str(path.resolve()), "-o", str(folder)]
    command += ["--output_signaturedefs", "--verbosity", "error"]
    result = run_program(command, cwd=scratch, text=True)
    if result.returncode != 0 or not (folder / "saved_model.pb").is_file():
        raise ModelError(f"onnx2tf cannot convert {path}: {_reason(result)}.")
    return folder


def _reason(result: "subprocess.CompletedProcess[str]") -> str:
    """The exception that ended a Python process, or the last thing it printed."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", f"{result.stdout}\n{result.stderr}")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    raised = [line for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
    chosen = (raised or lines or [f"it ended with status {result.returncode}"])[-1]
    return chosen[:300].rstrip(".")


def _quantize(path: Path, saved_model: Path, name: str, images: NDArray[np.float32]) -> bytes:
    import tensorflow as tf

    def representative() -> Iterator[dict[str, NDArray[np.float32]]]:
        for image in images:
            yield {name: image[None]}

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    converter.representative_dataset = representative
    try:
        return bytes(converter.convert())
    except Exception as error:
        # TensorFlow's converter has no exception class of its own.
        reason = str(error).strip().splitlines()
        raise ModelError(
            f"TensorFlow cannot write {path} as full int8: {reason[0] if reason else error!r}."
        ) from error


def _with_onnx_names_and_metadata(path: Path, data: bytes, source: onnx.ModelProto) -> bytes:
    """Name inputs and outputs as the ONNX does, in its order, and carry its metadata."""
    model: Any = schema.ModelT.InitFromPackedBuf(bytearray(data))
    subgraph, signature = model.subgraphs[0], model.signatureDefs[0]
    # Keras calls the outputs output_0, output_1, ... in the order of the ONNX outputs.
    by_name = {entry.name.decode(): entry for entry in signature.outputs}
    entries = [by_name.get(f"output_{i}") for i in range(len(source.graph.output))]
    named = zip(
        (*signature.inputs, *entries), (*source.graph.input, *source.graph.output), strict=True
    )
    for entry, value in named:
        shape = nhwc(tuple(d.dim_value for d in value.type.tensor_type.shape.dim))
        if entry is None or tuple(subgraph.tensors[entry.tensorIndex].shape) != shape:
            raise ModelError(
                f"onnx2tf does not give back '{value.name}' of {path} with the shape {shape}; use "
                "another converter for this model."
            )
        entry.name = subgraph.tensors[entry.tensorIndex].name = value.name
    subgraph.outputs = np.array([entry.tensorIndex for entry in entries if entry], np.int32)
    text = _metadata(source)
    if text is not None:
        model.buffers.append(schema.BufferT(data=text.encode()))
        entry = schema.MetadataT(name=METADATA_KEY, buffer=len(model.buffers) - 1)
        model.metadata = [*(model.metadata or []), entry]
    model.buffers = [
        buffer if buffer.data is None else AlignedBuffer(data=bytes(buffer.data))
        for buffer in model.buffers
    ]
    return pack(model)
