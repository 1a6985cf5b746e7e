"""Makes a graph mean the same in NHWC order without a TRANSPOSE, by reordering weights offline.

Two ONNX operations look at the order of elements: DepthToSpace in column-row-depth order, whose
order is moved into the producing convolution, and a flattened map, whose order is moved into the
fully connected layers that read it.
"""

from collections import Counter
from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from vpr_edge.export.qdq_graph import Constant, Operation, QdqGraph, Tensor, uncovered

RESHAPES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")
FULLY_CONNECTED = ("Gemm", "MatMul")


def for_nhwc(graph: QdqGraph) -> QdqGraph:
    """The same network with weights ordered for NHWC activations.

    Raises:
        ModelError: an operation depends on the NCHW order in another way.
    """
    operations = {op.output.name: op for op in graph.operations}
    readers = Counter(t.name for op in graph.operations for t in op.activations())
    readers.update(tensor.name for _, tensor in graph.outputs)
    for op in graph.operations:
        for tensor in (*op.activations(), op.output):
            if len(tensor.shape) not in (2, 4) or tensor.shape[0] != 1:
                raise uncovered(op, f"tensor '{tensor.name}' has the shape {tensor.shape}")
        if op.kind == "DepthToSpace" and op.attributes.get("mode", "DCR") == "CRD":
            source = op.activations()[0].name
            producer = operations.get(source)
            if (
                producer is None
                or producer.kind != "Conv"
                or producer.attributes.get("group", 1) != 1
                or readers[source] != 1
            ):
                why = "its CRD order needs a convolution before it whose output nothing else reads"
                raise uncovered(op, why)
            block = op.attributes["blocksize"]
            operations[source] = _reorder_outputs(producer, _dcr_from_crd(producer.output, block))
            attributes = {**op.attributes, "mode": "DCR"}
            operations[op.output.name] = replace(op, attributes=attributes)
        elif op.kind in RESHAPES and not _order_agrees(op):
            flat = op.output.name
            users = [user for user in graph.operations if op.output in user.activations()]
            if (
                len(op.output.shape) != 2
                or readers[flat] != len(users)
                or any(user.kind not in FULLY_CONNECTED for user in users)
            ):
                why = (
                    f"it reorders {op.activations()[0].shape} to {op.output.shape}, and only fully "
                    "connected layers may read a flattened map"
                )
                raise uncovered(op, why)
            order = np.arange(op.output.shape[1]).reshape(op.activations()[0].shape[1:])
            for user in users:
                reordered = _reorder_columns(operations[user.output.name], _nhwc_order(order))
                operations[user.output.name] = reordered
    return replace(graph, operations=tuple(operations.values()))


def _order_agrees(op: Operation) -> bool:
    """Whether elements lie in the same order in NCHW and NHWC before and after a reshape."""
    before, after = op.activations()[0].shape, op.output.shape
    if len(before) == len(after) == 4 and before[1] == after[1]:
        return True
    return before == after or all(
        len(shape) == 2 or shape[1] == 1 or prod(shape[2:]) == 1 for shape in (before, after)
    )


def _nhwc_order(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    return indices.transpose(1, 2, 0).ravel()


def _dcr_from_crd(output: Tensor, block: int) -> NDArray[np.int64]:
    """order with new[(i r + j) C + c] = old[c r r + i r + j]."""
    channels = output.shape[1]
    return np.arange(channels).reshape(channels // block**2, block**2).T.ravel()


def _take(tensor: Tensor | None, order: NDArray[np.int64], axis: int) -> Tensor | None:
    """A constant with its elements, and the scales that belong to them, reordered."""
    if not isinstance(tensor, Constant):
        return tensor
    scale = tensor.scale
    if scale.size > 1 and tensor.axis == axis:
        scale = scale[order]
    return replace(tensor, values=tensor.values.take(order, axis), scale=scale)


def _reorder_outputs(conv: Operation, order: NDArray[np.int64]) -> Operation:
    activation, *parameters = conv.inputs
    return replace(conv, inputs=(activation, *(_take(t, order, 0) for t in parameters)))


def _reorder_columns(layer: Operation, order: NDArray[np.int64]) -> Operation:
    axis = 1 if layer.attributes.get("transB", 0) else 0
    activation, weights, *bias = layer.inputs
    return replace(layer, inputs=(activation, _take(weights, order, axis), *bias))
