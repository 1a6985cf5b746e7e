"""Whether a TFLite file carries exactly the numbers of a quantised checkpoint.

Reads the flatbuffer by its schema alone, apart from the code that writes it.
"""

from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from vpr_edge.arithmetic.affine import Affine
from vpr_edge.models.graph import CONVOLUTIONS, Node
from vpr_edge.quantize.model import Int8Model


def tflite_differences(tflite_path: Path, model: Int8Model) -> list[str]:
    """Compare weights, biases, scales and zero points, bit for bit.

    Args:
        tflite_path: an int8 TFLite file whose tensors have the names of the graph's nodes.
        model: the quantised network.

    Returns:
        One sentence for each difference; empty when the file carries the model.
    """
    file = schema.ModelT.InitFromPackedBuf(bytearray(tflite_path.read_bytes()))
    subgraph = file.subgraphs[0]
    by_name = {tensor.name.decode(): index for index, tensor in enumerate(subgraph.tensors)}
    writers = {int(op.outputs[0]): op for op in subgraph.operators}
    found: list[str] = []
    for node in model.graph.nodes:
        index = by_name.get(node.name)
        if index is None:
            found.append(f"{node.name}: the file has no tensor of this name.")
            continue
        found += _activation(node, subgraph.tensors[index], model.activations[node.name])
        if node.name in model.layers:
            # TRANSPOSE_CONV reads a shape first, and its map third.
            places = (1, 3) if node.op == "transpose_conv" else (1, 2)
            read = writers[index].inputs
            parts = [subgraph.tensors[read[place]] for place in places if place < len(read)]
            compare = _convolution if node.op in CONVOLUTIONS else _constants
            found += compare(node, parts, file.buffers, model)
    return found


def _activation(node: Node, tensor: Any, affine: Affine) -> list[str]:
    parameters = tensor.quantization
    scale, zero_point = np.asarray(parameters.scale), np.asarray(parameters.zeroPoint)
    same = (
        tensor.type == schema.TensorType.INT8
        and scale.dtype == np.float32
        and scale.tolist() == [affine.scale]
        and zero_point.tolist() == [affine.zero_point]
    )
    if same:
        return []
    return [
        f"{node.name}: the file has scale {scale.tolist()} and zero point {zero_point.tolist()}, "
        f"the checkpoint {affine.scale} and {affine.zero_point}."
    ]


def _convolution(node: Node, parts: list[Any], buffers: list[Any], model: Int8Model) -> list[str]:
    layer = model.layers[node.name]
    weight, bias = parts
    # Ours are [O, I, rows, columns]; TFLite has [O, rows, columns, I], depthwise [1, rows, ...].
    depthwise = node.op == "depthwise"
    order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
    pairs: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {
        "weights": (_data(weight, buffers, np.int8), layer.weight.transpose(order)),
        "weight scales": (np.asarray(weight.quantization.scale), layer.weight_scale),
        "weight zero points": (
            np.asarray(weight.quantization.zeroPoint),
            np.zeros(len(layer.bias), np.int64),
        ),
        "axis of the weight scales": (
            np.asarray(weight.quantization.quantizedDimension),
            np.asarray(3 if depthwise else 0),
        ),
        "biases": (_data(bias, buffers, np.int32), layer.bias),
        "bias scales": (np.asarray(bias.quantization.scale), model.bias_scale(node)),
    }
    return _unequal(node, pairs)


def _constants(node: Node, parts: list[Any], buffers: list[Any], model: Int8Model) -> list[str]:
    layer, tensor = model.layers[node.name], parts[0]
    expected = layer.weight.transpose(0, 2, 3, 1)
    if node.op == "prelu":
        # [1, 1, channels]: TFLite's slopes have no batch.
        expected = expected[0]
    return _unequal(
        node,
        {
            "constants": (_data(tensor, buffers, np.int8), expected),
            "scales": (np.asarray(tensor.quantization.scale), layer.weight_scale),
            "zero points": (np.asarray(tensor.quantization.zeroPoint), np.zeros(1, np.int64)),
        },
    )


def _unequal(node: Node, pairs: dict[str, tuple[NDArray[Any], NDArray[Any]]]) -> list[str]:
    return [
        f"{node.name}: the {what} of the file differ from the checkpoint's."
        for what, (stored, expected) in pairs.items()
        if not np.array_equal(stored, expected)
    ]


def _data(tensor: Any, buffers: list[Any], dtype: type[np.generic]) -> NDArray[Any]:
    return np.frombuffer(bytes(buffers[tensor.buffer].data), dtype).reshape(tensor.shape)
