"""Operators with weights: convolutions, fully connected layers, matrix products, normalisations."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from vpr_edge.export.door.draft import Array, Draft, Uncovered, attributes, whole
from vpr_edge.export.door.views import Piece, View, pieces_and_order
from vpr_edge.export.door.windows import read_window
from vpr_edge.models.graph import Node, same_pads


def convolution(draft: Draft, node: onnx.NodeProto) -> None:
    """Conv of one or two dimensions."""
    x, weight, bias = draft.map(node.input[0]), _weight(draft, node), draft.constant(node, 2)
    if weight.ndim == 3:
        weight = weight[:, :, None]
    given = attributes(node)
    window = read_window(given, weight.shape[2:], x.shape[1:])
    groups, channels = given.get("group", 1), x.shape[0]
    depthwise = groups == channels and groups > 1
    made = draft.add(
        node.output[0],
        "depthwise" if depthwise else "conv",
        (x.name,),
        (weight.shape[0], *window.result),
        kernel=window.kernel,
        stride=window.stride,
        dilation=window.dilation,
        groups=1 if depthwise else groups,
        pads=window.pads,
    )
    if window.pads == same_pads(x.shape[1:], made):
        draft.nodes[made.name] = replace(made, pads=None)
    draft.weights[made.name] = (weight, _bias(bias, weight.shape[0]))
    draft.settle(node.output[0], made)


def transpose_convolution(draft: Draft, node: onnx.NodeProto) -> None:
    """ConvTranspose: without padding, then cut."""
    x, weight, bias = draft.map(node.input[0]), _weight(draft, node), draft.constant(node, 2)
    given = attributes(node)
    if weight.ndim == 3:
        weight = weight[:, :, None]
    groups = given.get("group", 1)
    if groups > 1:
        weight = _ungrouped(weight, groups)
    if set(given.get("dilations", (1,))) != {1}:
        raise Uncovered("it is dilated; write it as a resize and a convolution")
    window = read_window({**given, "pads": ()}, weight.shape[2:], x.shape[1:])
    rows, columns = (
        (size - 1) * stride + kernel
        for size, stride, kernel in zip(x.shape[1:], window.stride, window.kernel, strict=True)
    )
    made = draft.add(
        f"{node.output[0]}_whole",
        "transpose_conv",
        (x.name,),
        (weight.shape[1], rows, columns),
        kernel=window.kernel,
        stride=window.stride,
    )
    draft.weights[made.name] = (weight.swapaxes(0, 1), _bias(bias, weight.shape[1]))
    wanted = draft.shapes[node.output[0]]
    size = wanted[2:] if len(wanted) == 4 else (1, *wanted[2:])
    pads = given.get("pads", (0, 0, 0, 0))
    top, left = pads[:2] if len(pads) == 4 else (0, pads[0])
    if given.get("auto_pad", "NOTSET").startswith("SAME") or "output_shape" in given:
        raise Uncovered("its padding is left open; export it with pads")
    if top + size[0] > rows or left + size[1] > columns:
        raise Uncovered("its output_padding reaches past the last input; leave it out")
    shape = (weight.shape[1], *size)
    if shape != made.shape:
        made = draft.add(node.output[0], "crop", (made.name,), shape, begin=(0, top, left))
    draft.settle(node.output[0], made)


def fully_connected(draft: Draft, node: onnx.NodeProto) -> None:
    """Gemm and MatMul by constants, over the last dimension; MatMul of two maps."""
    given = attributes(node)
    if node.input[1] not in draft.constants:
        if node.op_type == "MatMul" and node.input[0] not in draft.constants:
            _product(draft, node)
            return
        raise Uncovered("its weights come first; write x @ W instead of W @ x")
    weight = draft.constants[node.input[1]]
    if weight.ndim != 2 or given.get("transA", 0):
        raise Uncovered(f"its weights have the shape {list(weight.shape)}, not a matrix")
    if not given.get("transB", 0):
        weight = weight.T
    weight = weight * given.get("alpha", 1.0)
    bias = draft.constant(node, 2)
    bias = _bias(bias if bias is None else bias.reshape(-1), len(weight)) * given.get("beta", 1.0)
    view = draft.view(node.input[0])
    last = view.dimensions[-1]
    source = draft.nodes[view.node]
    rest = [axis for axis, pieces in enumerate(view.dimensions[:-1]) if pieces]
    if not rest and (source.shape[1] > 1 or source.shape[2] > 1):
        # A flattened map: a convolution whose kernel is all of it.
        split, order = pieces_and_order((last,))
        back = np.argsort(order)
        ordered = weight.reshape(len(weight), *(split[axis] for axis in order))
        ordered = ordered.transpose(0, *(1 + axis for axis in back))
        weight4 = ordered.reshape(len(weight), *source.shape)
        made = draft.add(
            node.output[0],
            "conv",
            (source.name,),
            (len(weight), 1, 1),
            kernel=source.shape[1:],
            pads=(0, 0, 0, 0),
        )
    else:
        if len(rest) > 2:
            raise Uncovered(f"its input has the shape {list(view.shape)}")
        x = draft.arranged(view, -1, tuple(rest))
        weight4 = weight[:, :, None, None]
        made = draft.add(node.output[0], "conv", (x.name,), (len(weight), *x.shape[1:]))
    draft.weights[made.name] = (weight4, bias)
    draft.views[node.output[0]] = _channels_last(made, len(view.dimensions), rest)


def _channels_last(node: Node, rank: int, spatial: list[int]) -> View:
    """A map as the tensor whose last dimension is its channels."""
    dimensions: list[Any] = [()] * rank
    for axis, at in zip((1, 2)[-len(spatial) :] if spatial else (), spatial, strict=True):
        dimensions[at] = whole(axis, node.shape[axis])
    dimensions[-1] = whole(0, node.shape[0])
    return View(node.name, tuple(dimensions))


def _product(draft: Draft, node: onnx.NodeProto) -> None:
    """MatMul of two computed matrices."""
    name = node.output[0]
    sides = [_one_by_one(draft, draft.view(source)) for source in node.input]
    if len(sides[0]) != len(sides[1]):
        raise Uncovered("it multiplies one matrix by several; repeat it first")
    made = []
    for number, (left, right) in enumerate(zip(*sides, strict=True)):
        a, b = draft.arranged(left, -1, (-2,)), draft.arranged(right, -1, (-2,))
        wish = name if len(sides[0]) == 1 else f"{name}_head{number}"
        made.append(draft.add(wish, "matmul", (a.name, b.name), (b.shape[0], 1, a.shape[2])))
    rank, depth, heads = len(draft.shapes[name]), made[0].shape[0], len(made)
    if heads == 1:
        draft.views[name] = _channels_last(made[0], rank, [rank - 2])
        return
    joined = draft.add(
        name, "concat", tuple(n.name for n in made), (heads * depth, 1, made[0].shape[2])
    )
    (axis,) = (at for at, size in enumerate(draft.shapes[name][:-2]) if size > 1)
    dimensions: list[Any] = [()] * rank
    dimensions[axis] = (Piece(0, depth, heads),)
    dimensions[-2], dimensions[-1] = whole(2, joined.shape[2]), whole(0, depth)
    draft.views[name] = View(joined.name, tuple(dimensions))


def _one_by_one(draft: Draft, view: View) -> list[View]:
    """The matrices of a tensor [1, heads, rows, columns], one view each."""
    batch = [axis for axis, pieces in enumerate(view.dimensions[:-2]) if pieces]
    if not batch and len(view.dimensions) > 1:
        return [view]
    pieces = view.dimensions[batch[0]] if len(batch) == 1 else ()
    if len(pieces) != 1:
        raise Uncovered(f"it multiplies stacks of matrices {list(view.shape)}")
    (heads,), source = pieces, draft.nodes[view.node]
    if heads.stride * heads.size != source.shape[heads.axis]:
        raise Uncovered("the heads of its matrices lie within other parts of the channels")
    left = [() if axis in batch else pieces for axis, pieces in enumerate(view.dimensions)]
    found = []
    for head in range(heads.size):
        begin, shape = [0, 0, 0], list(source.shape)
        begin[heads.axis], shape[heads.axis] = head * heads.stride, heads.stride
        size: Any = (shape[0], shape[1], shape[2])
        made = draft.add(f"{view.node}_part", "crop", (view.node,), size, begin=tuple(begin))
        found.append(View(made.name, tuple(left)))
    return found


def batch_normalization(draft: Draft, node: onnx.NodeProto) -> None:
    """A gain and a shift of each channel."""
    if len(node.output) > 1 and any(node.output[1:]):
        raise Uncovered("it is in training mode; export the network after .eval()")
    x = draft.map(node.input[0])
    parts = [draft.constant(node, position) for position in (1, 2, 3, 4)]
    gain, shift, mean, variance = (np.asarray(part, np.float64) for part in parts)
    gain = gain / np.sqrt(variance + attributes(node).get("epsilon", 1e-5))
    draft.settle(node.output[0], draft.affine(node.output[0], x.name, gain, shift - mean * gain))


def layer_normalization(draft: Draft, node: onnx.NodeProto) -> None:
    """Over the last dimension: the mean leaves by a product, the deviation by the vector's length.

    The epsilon under the root is left out.
    """
    view, rank = draft.view(node.input[0]), len(draft.view(node.input[0]).dimensions)
    if attributes(node).get("axis", -1) % rank != rank - 1:
        raise Uncovered("it is over more than the last dimension")
    rest = [axis for axis in range(rank - 1) if view.dimensions[axis]]
    if len(rest) > 2:
        raise Uncovered(f"its input has the shape {list(view.shape)}")
    x = draft.arranged(view, -1, tuple(rest))
    gain, shift = (draft.constant(node, position) for position in (1, 2))
    size, name = x.shape[0], node.output[0]
    centred = draft.add(f"{name}_centred", "conv", (x.name,), x.shape)
    centre = (np.eye(size) - 1 / size)[:, :, None, None]
    draft.weights[centred.name] = (centre, np.zeros(size))
    unit = draft.add(f"{name}_unit", "l2_normalize", (centred.name,), x.shape)
    gain = np.ones(size) if gain is None else gain.reshape(-1)
    shift = np.zeros(size) if shift is None else shift.reshape(-1)
    made = draft.affine(name, unit.name, gain * size**0.5, shift)
    draft.views[name] = _channels_last(made, rank, rest)


def _weight(draft: Draft, node: onnx.NodeProto) -> Array:
    weight = draft.constant(node, 1)
    if weight is None or weight.ndim not in (3, 4):
        raise Uncovered("it is not over one or two dimensions")
    return weight.astype(np.float64)


def _bias(bias: Array | None, channels: int) -> Array:
    return np.zeros(channels) if bias is None else bias.astype(np.float64)


def _ungrouped(weight: Array, groups: int) -> Array:
    """Weights [I, O / groups, kh, kw] of a grouped ConvTranspose among zeros: [I, O, kh, kw]."""
    inputs, outputs = weight.shape[0], weight.shape[1]
    found = np.zeros((inputs, outputs * groups, *weight.shape[2:]))
    for i in range(inputs):
        start = i // (inputs // groups) * outputs
        found[i, start : start + outputs] = weight[i]
    return found
