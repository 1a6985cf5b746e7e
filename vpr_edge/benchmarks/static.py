"""What can be read off an artefact without running it: size, parameters, work, operators."""

from collections import Counter
from collections.abc import Callable
from math import prod
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from vpr_edge.benchmarks.rows import Row
from vpr_edge.errors import ModelError
from vpr_edge.models.checkpoint import load_checkpoint
from vpr_edge.tflite.read import TfliteFile, TfliteOperator, op_list, read_tflite

Shape = tuple[int, ...]


def static_rows(path: Path) -> list[Row]:
    """Parameters, MACs, bytes and operators of an artefact.

    `macs` and `parameters` count convolutions and fully connected layers (weights and biases),
    padding as work; `operator_<name>` counts the operators of a TFLite file.

    Raises:
        ModelError: the file cannot be read.
        CheckpointError: the checkpoint cannot be read.
    """
    read: dict[str, Callable[[Path], list[tuple[str, float, str]]]] = {
        ".tflite": _tflite,
        ".onnx": _onnx,
        ".safetensors": _checkpoint,
    }
    figures = [*read[path.suffix](path), ("file_bytes", path.stat().st_size, "bytes")]
    return [Row(path.name, "", "", name, value, unit, "static") for name, value, unit in figures]


def _figures(parameters: float, macs: float, weights: float) -> list[tuple[str, float, str]]:
    return [
        ("parameters", parameters, "count"),
        ("macs", macs, "count"),
        ("weights_bytes", weights, "bytes"),
    ]


def _checkpoint(path: Path) -> list[tuple[str, float, str]]:
    checkpoint = load_checkpoint(path)
    weights = sum(tensor.nbytes for tensor in checkpoint.tensors.values())
    return _figures(checkpoint.graph.parameters(), checkpoint.graph.macs(), weights)


def _tflite(path: Path) -> list[tuple[str, float, str]]:
    file = read_tflite(path)
    weighted = [op for op in file.operators if op.code in _TFLITE_WEIGHTED]
    constants = {
        index
        for op in weighted
        for index in op.inputs[1:3]
        if index >= 0 and file.tensors[index].values is not None
    }
    weights = sum(t.values.nbytes for t in file.tensors if t.values is not None)
    operators = Counter(name.split()[0] for name in op_list(path))
    return [
        *_figures(
            sum(prod(file.tensors[index].shape) for index in constants),
            sum(_tflite_macs(file, op) for op in weighted),
            weights,
        ),
        *((f"operator_{name}", count, "count") for name, count in operators.most_common()),
    ]


_TFLITE_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")


def _tflite_macs(file: TfliteFile, op: TfliteOperator) -> int:
    weight = file.tensors[op.inputs[1]].shape
    result = prod(file.tensors[op.outputs[0]].shape)
    if op.code == "DEPTHWISE_CONV_2D":
        return result * weight[1] * weight[2]
    if op.code == "TRANSPOSE_CONV":
        # Inputs: output shape, weights [O, kh, kw, I], data [N, h, w, I].
        return prod(file.tensors[op.inputs[2]].shape) * prod(weight[:3])
    return result * prod(weight[1:])


def _onnx(path: Path) -> list[tuple[str, float, str]]:
    try:
        model = onnx.shape_inference.infer_shapes(onnx.load(path))
    except (
        DecodeError,
        onnx.shape_inference.InferenceError,
        onnx.checker.ValidationError,
    ) as error:
        raise ModelError(
            f"{path} is not a whole ONNX model, or its data file is not beside it; export it again."
        ) from error
    graph = model.graph
    shapes: dict[str, Shape] = {
        value.name: tuple(d.dim_value or 1 for d in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
    } | {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    constants = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and node.input[0] in constants:
            constants.add(node.output[0])
    parameters: dict[str, int] = {}
    macs = 0
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul"):
            continue
        left, weight, result = (shapes.get(name, ()) for name in (*node.input[:2], node.output[0]))
        parameters |= {name: prod(shapes[name]) for name in node.input[1:3] if name in constants}
        deep = prod(weight[1:]) if node.op_type == "Conv" else left[-1] if left else 0
        macs += prod(result) * deep
    weights = sum(onnx.numpy_helper.to_array(tensor).nbytes for tensor in graph.initializer)
    return _figures(sum(parameters.values()), macs, weights)
