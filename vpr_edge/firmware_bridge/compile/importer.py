"""From a TFLite file, which may be anyone's, to operators with every type checked."""

from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np

from vpr_edge.errors import ModelError
from vpr_edge.files import sha256
from vpr_edge.firmware_bridge.compile.missing import missing_operators
from vpr_edge.firmware_bridge.compile.states import RESOLVED, graph_nodes, read_states
from vpr_edge.firmware_bridge.operators import make_operator
from vpr_edge.firmware_bridge.operators.shared.node import Tensor, integer_limits
from vpr_edge.firmware_bridge.operators.shared.program import Program
from vpr_edge.tflite.read import TfliteFile, TfliteSubgraph, read_tflite

# Offsets and sizes are int32 in the generated C.
LARGEST_TENSOR = 1 << 28
# Order and plan take time by the square of the number of layers.
MOST_LAYERS = 2000
MOST_DIMENSIONS = 8
DTYPES = ("int8", "uint8", "int16", "int32", "int64", "float32", "bool")
HANDLE = np.dtype(np.void)


def import_tflite(path: Path) -> Program:
    """Read and check a model.

    Raises:
        ModelError: the file is corrupt, or asks for what the compiler lacks; the sentence names
            layer, operator and tensor.
    """
    file = read_tflite(path)
    _check_graph(path, file)
    missing = missing_operators(
        path.name, [op for op in file.operators if op.custom or op.code not in RESOLVED]
    )
    if missing is not None:
        raise missing
    for index, graph in ((0, file), *file.called.items()):
        if index:
            _check_called(path, index, graph)
        for tensor in _used(graph):
            _check_tensor(path, tensor)
    nodes = graph_nodes(file)
    states = read_states(file, nodes)
    return Program(
        path.name,
        sha256(path),
        tuple(make_operator(states.resolved(node)) for node in nodes if node.code not in RESOLVED),
        file.inputs,
        file.outputs,
        file.metadata,
        states.initial,
    )


def _check_graph(path: Path, file: TfliteFile) -> None:
    """Indices in range, every tensor written once and before it is read."""
    if not file.operators or not file.inputs or not file.outputs:
        raise ModelError(
            f"{path.name} has no operators, inputs or outputs; give a model for inference."
        )
    if len(file.operators) > MOST_LAYERS:
        raise ModelError(
            f"{path.name} has {len(file.operators)} layers, more than the {MOST_LAYERS} that are "
            "compiled; split the model."
        )
    if any(tensor.values is not None or tensor.variable for tensor in file.inputs):
        raise ModelError(
            f"{path.name} declares a constant or a variable as its input; convert the model again."
        )
    known = _check_flow(path.name, file)
    for tensor in file.outputs:
        unwritten = tensor.values is not None or tensor.variable or tensor in file.inputs
        if tensor not in known or unwritten:
            raise ModelError(
                f"{path.name}: no layer writes the output '{tensor.name}'; convert the model again."
            )


def _check_called(path: Path, index: int, graph: TfliteSubgraph) -> None:
    """A subgraph of CALL_ONCE: likewise, and its operators known."""
    _check_flow(f"subgraph {index} of {path.name}", graph)
    missing = missing_operators(
        f"Subgraph {index} of {path.name}",
        [op for op in graph.operators if op.custom or op.code != "VAR_HANDLE"],
    )
    if missing is not None:
        raise missing


def _check_flow(where: str, graph: TfliteSubgraph) -> set[Tensor]:
    """The tensors that hold something in the end; indices and order of layers are checked."""
    known = {
        tensor for tensor in graph.tensors if tensor.values is not None or tensor.variable
    } | set(graph.inputs)
    for position, operator in enumerate(graph.operators):
        layer = f"Layer {position} ({operator.code}) of {where}"
        wrong = [i for i in operator.inputs if not -1 <= i < len(graph.tensors)]
        wrong += [i for i in operator.outputs if not 0 <= i < len(graph.tensors)]
        if wrong:
            raise ModelError(
                f"{layer} names tensor {wrong[0]} of {len(graph.tensors)}; the file is corrupt, so "
                "write or copy it again."
            )
        for index in operator.inputs:
            if index >= 0 and graph.tensors[index] not in known:
                raise ModelError(
                    f"{layer} reads tensor '{graph.tensors[index].name}' before any layer writes "
                    "it (a cycle, or a constant without its buffer); convert the model again."
                )
        for index in operator.outputs:
            if graph.tensors[index] in known:
                raise ModelError(
                    f"{layer} writes tensor '{graph.tensors[index].name}', which is a constant, an "
                    "input or written already; convert the model again."
                )
            known.add(graph.tensors[index])
    return known


def _used(graph: TfliteSubgraph) -> Iterator[Tensor]:
    """Inputs and what a layer reads or writes, each once; files hold others, of any shape."""
    indices = {i for operator in graph.operators for i in (*operator.inputs, *operator.outputs)}
    named = (graph.tensors[index] for index in sorted(indices) if index >= 0)
    return iter(dict.fromkeys((*graph.inputs, *named)))


def _check_tensor(path: Path, tensor: Tensor) -> None:
    """Shape, type and quantisation parameters that make sense by themselves."""
    name = f"{path.name}: tensor '{tensor.name}'"
    if tensor.dtype == HANDLE:
        return
    if tensor.dtype.name not in DTYPES:
        raise ModelError(
            f"{name} is of type {tensor.dtype.name}; convert the model to int8, int16 or float32."
        )
    if tensor.values is not None and tensor.variable:
        raise ModelError(
            f"{name} is a constant that is flagged as a variable; the file is corrupt, so convert "
            "the model again."
        )
    if len(tensor.shape) > MOST_DIMENSIONS:
        raise ModelError(
            f"{name} has {len(tensor.shape)} dimensions, more than the {MOST_DIMENSIONS} that any "
            "operator takes; the file is corrupt, so convert the model again."
        )
    if any(size < 1 for size in tensor.shape):
        raise ModelError(
            f"{name} has the shape {list(tensor.shape)}; convert the model with fixed sizes of at "
            "least 1."
        )
    # A batch of -1 in the signature stands beside a shape that says 1.
    if any(size < 0 for size in tensor.signature[1:]):
        raise ModelError(
            f"{name} has the dynamic shape {list(tensor.signature)}; convert the model with fixed "
            "sizes."
        )
    if prod(tensor.shape) * tensor.dtype.itemsize > LARGEST_TENSOR:
        raise ModelError(f"{name} is larger than {LARGEST_TENSOR >> 20} MiB; the file is corrupt.")
    _check_quantization(name, tensor)


def _check_quantization(name: str, tensor: Tensor) -> None:
    scales = tensor.scale.size
    if not scales:
        return
    advice = "the file is corrupt, so convert the model again"
    if tensor.zero_point.size != scales:
        raise ModelError(
            f"{name} has {scales} scales but {tensor.zero_point.size} zero points; {advice}."
        )
    # A bias is often said to be quantised along its weights' axis, which it has not.
    axis = 0 if len(tensor.shape) == 1 else tensor.axis
    if scales > 1 and (not 0 <= axis < len(tensor.shape) or tensor.shape[axis] != scales):
        raise ModelError(
            f"{name} of shape {list(tensor.shape)} has {scales} scales along axis {axis}; {advice}."
        )
    if not np.all(np.isfinite(tensor.scale)) or np.any(tensor.scale <= 0):
        raise ModelError(f"{name} has a scale that is not a positive number; {advice}.")
    if tensor.dtype.name in ("int8", "uint8", "int16", "int32"):
        low, high = integer_limits(tensor)
        if np.any(tensor.zero_point < low) or np.any(tensor.zero_point > high):
            raise ModelError(f"{name} has a zero point outside its type; {advice}.")
