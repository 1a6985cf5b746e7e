"""Writes a QDQ ONNX model as a full-int8 TFLite file, without TensorFlow and without calibration.

Every scale, zero point, weight and bias is the one in the ONNX file; activations become NHWC and
no TRANSPOSE is needed.
"""

from pathlib import Path

from vpr_edge import __version__
from vpr_edge.export.qdq_import import read_qdq
from vpr_edge.export.tflite_layout import for_nhwc
from vpr_edge.export.tflite_ops import emit
from vpr_edge.export.tflite_write import TfliteWriter
from vpr_edge.files import atomic_file
from vpr_edge.tflite.read import METADATA_KEY


def write_tflite(onnx_path: Path, tflite_path: Path) -> Path:
    """Translate a QDQ ONNX model to int8 TFLite.

    Args:
        onnx_path: opset 13 or later; int8 QuantizeLinear/DequantizeLinear around every tensor,
            int8 weights with a scale per output channel, int32 biases; static shapes, batch 1.
        tflite_path: the file to write: int8 NHWC inputs and outputs under the ONNX names, the
            ONNX metadata `vpr_edge` in a buffer of that name.

    Returns:
        `tflite_path`.

    Raises:
        ModelError: the ONNX file is corrupt, not quantised, dynamic, or holds an operation that
            is not covered (the message names it).
        OutputError: the file could not be written.
    """
    graph = for_nhwc(read_qdq(onnx_path))
    writer = TfliteWriter()
    for _, tensor in graph.inputs:
        writer.activation(tensor)
    for op in graph.operations:
        emit(writer, op)
    data = writer.finish(graph, METADATA_KEY, f"vpr-edge {__version__}")
    with atomic_file(tflite_path) as scratch:
        scratch.write_bytes(data)
    return tflite_path
