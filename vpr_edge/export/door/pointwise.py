"""Operators on single elements: functions, limits, and arithmetic of maps and constants."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from vpr_edge.export.door.draft import Array, Draft, Uncovered, attributes, whole
from vpr_edge.export.door.views import View, pieces_and_order
from vpr_edge.models.graph import Node

# erf(z) is nearly tanh(1.2035 z): the logistic function of 1.702 x for the normal distribution's.
ERF_SLOPE = 1.702 / 2 * 2**0.5
GELU_SLOPE = 1.702
# Beyond this a limit is none: what an int8 map or a float mask holds is far smaller.
NO_LIMIT = 1e6


def function(op: str) -> Callable[[Draft, onnx.NodeProto], None]:
    """An operator that is one of our functions of single elements."""

    def handle(draft: Draft, node: onnx.NodeProto) -> None:
        view = draft.view(node.input[0])
        source, given = draft.nodes[view.node], attributes(node)
        more = {"slope": float(given.get("alpha", 0.01))} if op == "leaky_relu" else {}
        made = draft.add(node.output[0], op, (source.name,), source.shape, **more)
        draft.settle_like(node.output[0], made, view)

    return handle


def clip(draft: Draft, node: onnx.NodeProto) -> None:
    """Clip of limits that hold 0."""
    if node.input[0] in draft.norms:
        # The epsilon of a division by a length.
        draft.norms[node.output[0]] = draft.norms[node.input[0]]
        return
    view, given = draft.view(node.input[0]), attributes(node)
    low, high = (
        float(default if value is None else value)
        for value, default in (
            (draft.constant(node, 1), given.get("min", -np.inf)),
            (draft.constant(node, 2), given.get("max", np.inf)),
        )
    )
    source = draft.nodes[view.node]
    name = node.output[0]
    if low <= -NO_LIMIT and high >= NO_LIMIT:
        draft.views[name] = view
        return
    if low == 0 and high >= NO_LIMIT:
        made = draft.add(name, "relu", (source.name,), source.shape)
    elif low <= 0 <= high and low > -NO_LIMIT and high < NO_LIMIT and low < high:
        made = draft.add(name, "requantize", (source.name,), source.shape, limits=(low, high))
    else:
        raise Uncovered(f"it clips to [{low:g}, {high:g}]; use two limits with 0 between them")
    draft.settle_like(name, made, view)


def hard_sigmoid(draft: Draft, node: onnx.NodeProto) -> None:
    """clip(alpha x + beta, 0, 1)."""
    view, given = draft.view(node.input[0]), attributes(node)
    line = draft.affine(
        f"{node.output[0]}_line",
        view.node,
        np.array(given.get("alpha", 0.2)),
        np.array(given.get("beta", 0.5)),
    )
    made = draft.add(node.output[0], "requantize", (line.name,), line.shape, limits=(0.0, 1.0))
    draft.settle_like(node.output[0], made, view)


def gelu(draft: Draft, node: onnx.NodeProto) -> None:
    """x times the logistic function of 1.702 x, which differs from GELU by at most 0.021."""
    view, name = draft.view(node.input[0]), node.output[0]
    draft.settle_like(name, _gated(draft, name, draft.nodes[view.node], GELU_SLOPE), view)


def swish(draft: Draft, node: onnx.NodeProto) -> None:
    """x times the logistic function of alpha x."""
    view, name = draft.view(node.input[0]), node.output[0]
    slope = float(attributes(node).get("alpha", 1.0))
    draft.settle_like(name, _gated(draft, name, draft.nodes[view.node], slope), view)


def _gated(draft: Draft, name: str, x: Node, slope: float) -> Node:
    inner = x
    if slope != 1:
        inner = draft.affine(f"{name}_inner", x.name, np.array(slope), np.array(0.0))
    gate = draft.add(f"{name}_gate", "logistic", (inner.name,), x.shape)
    return draft.add(name, "mul", (x.name, gate.name), x.shape)


def erf(draft: Draft, node: onnx.NodeProto) -> None:
    """The error function, as a tanh that differs from it by at most 0.04; GELU by 0.021."""
    view, name = draft.view(node.input[0]), node.output[0]
    line = draft.affine(f"{name}_line", view.node, np.array(ERF_SLOPE), np.array(0.0))
    made = draft.add(name, "tanh", (line.name,), line.shape)
    draft.settle_like(name, made, view)


def negative(draft: Draft, node: onnx.NodeProto) -> None:
    """-x."""
    view = draft.view(node.input[0])
    made = draft.affine(node.output[0], view.node, np.array(-1.0), np.array(0.0))
    draft.settle_like(node.output[0], made, view)


def power(draft: Draft, node: onnx.NodeProto) -> None:
    """x squared."""
    view, exponent = draft.view(node.input[0]), draft.constant(node, 1)
    if exponent is None or exponent.size != 1 or float(exponent.flat[0]) != 2:
        raise Uncovered("its exponent is not 2")
    made = draft.add(node.output[0], "mul", (view.node, view.node), draft.nodes[view.node].shape)
    draft.settle_like(node.output[0], made, view)


def prelu(draft: Draft, node: onnx.NodeProto) -> None:
    """x, below zero times a slope of each channel."""
    x, slopes = draft.map(node.input[0]), draft.constant(node, 1)
    if slopes is None or slopes.size not in (1, x.shape[0]):
        raise Uncovered("its slopes are not one a channel")
    made = draft.add(node.output[0], "prelu", (x.name,), x.shape)
    values = np.broadcast_to(slopes.reshape(-1), x.shape[0]).reshape(1, -1, 1, 1)
    draft.weights[made.name] = (values.astype(np.float64), np.zeros(0))
    draft.settle(node.output[0], made)


def arithmetic(draft: Draft, node: onnx.NodeProto) -> None:
    """Add, Sub, Mul and Div, of maps that broadcast and of constants."""
    a, b = node.input
    op = node.op_type
    if op == "Div" and b in draft.norms:
        _normalized(draft, node)
        return
    if a in draft.constants or b in draft.constants:
        first = a in draft.constants
        values = draft.constants[a if first else b].astype(np.float64)
        _by_constant(draft, node, b if first else a, values, first)
        return
    if op == "Div":
        raise Uncovered("it divides by a map; multiply, or divide by a constant")
    left, right = draft.view(a), draft.view(b)
    if not _broadcasts(left, right):
        left, right = (View(draft.map(name).name, ()) for name in (a, b))
        for name, view in ((a, left), (b, right)):
            draft.settle(name, draft.nodes[view.node])
        left, right = draft.view(a), draft.view(b)
    shapes = [draft.nodes[view.node].shape for view in (left, right)]
    shape = tuple(max(sizes) for sizes in zip(*shapes, strict=True))
    if any(s not in (1, t) for one in shapes for s, t in zip(one, shape, strict=True)):
        raise Uncovered(f"its maps {shapes[0]} and {shapes[1]} do not broadcast")
    if shape not in shapes:
        raise Uncovered("both of its maps are broadcast; repeat one of them first")
    kind = {"Add": "add", "Sub": "sub", "Mul": "mul"}[op]
    made = draft.add(node.output[0], kind, (left.node, right.node), shape)
    larger = left if draft.nodes[left.node].shape == shape else right
    rank = len(draft.shapes[node.output[0]])
    if len(larger.dimensions) == rank:
        draft.settle_like(node.output[0], made, larger)
    else:
        draft.settle(node.output[0], made)


def _broadcasts(a: View, b: View) -> bool:
    """Whether dimensions agree where both have any, aligned at the last."""
    pairs = zip(reversed(a.dimensions), reversed(b.dimensions), strict=False)
    return all(not x or not y or x == y for x, y in pairs)


def _by_constant(draft: Draft, node: onnx.NodeProto, name: str, values: Array, first: bool) -> None:
    op, output = node.op_type, node.output[0]
    if op == "Div" and first:
        raise Uncovered("it divides a constant by a map")
    view = draft.view(name)
    if draft.shapes[output] != view.shape:
        raise Uncovered(f"its constant {list(values.shape)} makes the map larger")
    x = draft.nodes[view.node]
    per_element = _on_map(view, values, x)
    gain, shift = np.ones(()), np.zeros(())
    if op in ("Mul", "Div"):
        gain = 1 / per_element if op == "Div" else per_element
    elif op == "Add":
        shift = per_element
    else:
        gain, shift = (-gain, per_element) if first else (gain, -per_element)
    if gain.ndim == 0 and shift.ndim == 0 and gain == 1 and shift == 0:
        draft.views[output] = view
        return
    if max(gain.ndim, shift.ndim) <= 1:
        made = draft.affine(output, x.name, gain, shift)
    elif op in ("Mul", "Div"):
        made = draft.add(output, "scale", (x.name,), x.shape)
        draft.weights[made.name] = (np.broadcast_to(gain, x.shape)[None], np.zeros(0))
    elif (gain == 1).all():
        made = draft.add(output, "offset", (x.name,), x.shape)
        draft.weights[made.name] = (np.broadcast_to(shift, x.shape)[None], np.zeros(0))
    else:
        raise Uncovered("it subtracts a map from a constant that differs from pixel to pixel")
    draft.settle_like(output, made, view)


def _on_map(view: View, values: Array, x: Node) -> Array:
    """A constant as it broadcasts: a scalar, one value a channel, or a map."""
    if values.size == 1:
        return np.asarray(values.reshape(()))
    full = np.broadcast_to(values, view.shape)
    split, order = pieces_and_order(view.dimensions)
    apart = full.reshape([split[axis] for axis in order])
    on_map = apart.transpose(np.argsort(order)).reshape(x.shape)
    if (on_map == on_map[:, :1, :1]).all():
        return np.asarray(on_map[:, 0, 0])
    return on_map


def length(draft: Draft, node: onnx.NodeProto) -> None:
    """ReduceL2, of use only where the vector is divided by it."""
    constant, given = draft.constant(node, 1), attributes(node)
    axes = given.get("axes", [] if constant is None else constant.tolist())
    if len(axes) != 1:
        raise Uncovered("it is over more than one dimension")
    view = draft.view(node.input[0])
    draft.norms[node.output[0]] = (view, int(axes[0]) % len(view.dimensions))


def pass_length(draft: Draft, node: onnx.NodeProto) -> None:
    """Max with an epsilon and Expand of a length."""
    for name in node.input:
        if name in draft.norms:
            draft.norms[node.output[0]] = draft.norms[name]
            return
    raise Uncovered("it is known only beside a division by a vector's length")


def _normalized(draft: Draft, node: onnx.NodeProto) -> None:
    view, axis = draft.norms[node.input[1]]
    if draft.view(node.input[0]) != view:
        raise Uncovered("it divides by the length of another vector")
    unit_vectors(draft, node.output[0], view, axis, "l2_normalize")


def over_channels(draft: Draft, node: onnx.NodeProto) -> None:
    """Softmax and LpNormalization along one dimension."""
    view, given = draft.view(node.input[0]), attributes(node)
    if given.get("p", 2) != 2:
        raise Uncovered("it normalises with another p than 2")
    op = "softmax" if node.op_type == "Softmax" else "l2_normalize"
    axis = given.get("axis", -1) % len(view.dimensions)
    unit_vectors(draft, node.output[0], view, axis, op)


def unit_vectors(draft: Draft, output: str, view: View, axis: int, op: str) -> None:
    """An operation over one dimension, which becomes the channels."""
    rest = [a for a, pieces in enumerate(view.dimensions) if pieces and a != axis]
    if len(rest) > 2:
        raise Uncovered(f"its input has the shape {list(view.shape)}")
    x = draft.arranged(view, axis, tuple(rest))
    made = draft.add(output, op, (x.name,), x.shape)
    if x.name == view.node:
        draft.settle_like(output, made, view)
        return
    dimensions: list[Any] = [()] * len(view.dimensions)
    dimensions[axis] = whole(0, x.shape[0])
    for at, of in zip(rest, (1, 2)[2 - len(rest) :], strict=True):
        dimensions[at] = whole(of, x.shape[of])
    draft.views[output] = View(made.name, tuple(dimensions))
