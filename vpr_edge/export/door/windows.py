"""Operators that look at a window or change the number of rows and columns."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from vpr_edge.export.door.draft import Draft, Uncovered, attributes, whole
from vpr_edge.export.door.views import View
from vpr_edge.models.graph import Node, same_padding

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """Geometry of a window, each (rows, columns); pads are (top, left, bottom, right)."""

    kernel: Pair
    stride: Pair
    dilation: Pair
    pads: tuple[int, int, int, int]
    result: Pair


def read_window(given: dict[str, Any], kernel: tuple[int, ...], size: tuple[int, ...]) -> Window:
    """An operator's window over rows and columns of a size.

    One-dimensional windows lie along the columns; a last window that reaches past the end (ceil
    mode) becomes padding.
    """

    def pair(name: str) -> Pair:
        values = tuple(given.get(name, (1,) * len(kernel)))
        return (1, values[0]) if len(values) == 1 else (values[0], values[1])

    one = len(kernel) == 1
    sizes: Pair = (1, kernel[0]) if one else (kernel[0], kernel[1])
    # A convolution of one dimension comes with weights of two, and attributes of one.
    stride, dilation = pair("strides"), pair("dilations")
    pads = list(given.get("pads", ()))
    if len(pads) == 2:
        pads = [0, pads[0], 0, pads[1]]
    pads = pads or [0, 0, 0, 0]
    automatic = given.get("auto_pad", "NOTSET")
    result = []
    for axis in (0, 1):
        reach = (sizes[axis] - 1) * dilation[axis] + 1
        if automatic.startswith("SAME"):
            small, large = same_padding(size[axis], reach, stride[axis])
            pads[axis], pads[axis + 2] = (
                (small, large) if automatic == "SAME_UPPER" else (large, small)
            )
        room = size[axis] + pads[axis] + pads[axis + 2] - reach
        steps = room // stride[axis]
        # As ONNX and torch have it, no window may start in the padding after the end.
        starts = (steps + 1) * stride[axis] < size[axis] + pads[axis]
        if given.get("ceil_mode", 0) and room % stride[axis] and starts:
            steps += 1
            pads[axis + 2] += steps * stride[axis] - room
        result.append(steps + 1)
    return Window(
        sizes, stride, dilation, (pads[0], pads[1], pads[2], pads[3]), (result[0], result[1])
    )


def pool(draft: Draft, node: onnx.NodeProto) -> None:
    """MaxPool and AveragePool."""
    x, given = draft.map(node.input[0]), attributes(node)
    if len(node.output) > 1:
        raise Uncovered("it gives the places of the maxima too")
    window = read_window(given, tuple(given["kernel_shape"]), x.shape[1:])
    if window.dilation != (1, 1):
        raise Uncovered("its windows are dilated")
    shape = (x.shape[0], *window.result)
    fields: dict[str, Any] = {"kernel": window.kernel, "stride": window.stride}
    pads = window.pads if any(window.pads) else None
    name, op = node.output[0], "max_pool"
    if node.op_type == "AveragePool":
        op = "average_pool"
        if pads and given.get("count_include_pad", 0):
            if given.get("ceil_mode", 0):
                raise Uncovered("it counts padding and rounds its size up; leave ceil_mode out")
            x = zero_padded(draft, f"{name}_padded", x, pads)
            pads = None
        elif pads:
            same = tuple(
                same_padding(x.shape[1 + axis], window.kernel[axis], window.stride[axis])
                for axis in (0, 1)
            )
            if pads != (same[0][0], same[1][0], same[0][1], same[1][1]):
                raise Uncovered("its mean leaves out padding that TFLite cannot leave out")
    draft.settle(name, draft.add(name, op, (x.name,), shape, pads=pads, **fields))


def zero_padded(draft: Draft, wish: str, x: Node, pads: tuple[int, int, int, int]) -> Node:
    """A map with zeros around it."""
    top, left, bottom, right = pads
    shape = (x.shape[0], x.shape[1] + top + bottom, x.shape[2] + left + right)
    return draft.add(wish, "pad", (x.name,), shape, pads=pads)


def global_pool(draft: Draft, node: onnx.NodeProto) -> None:
    """GlobalAveragePool and GlobalMaxPool."""
    x, name = draft.map(node.input[0]), node.output[0]
    shape = (x.shape[0], 1, 1)
    if node.op_type == "GlobalAveragePool":
        made = draft.add(name, "mean", (x.name,), shape)
    else:
        made = draft.add(name, "max_pool", (x.name,), shape, kernel=x.shape[1:])
    draft.settle(name, made)


def reduce(draft: Draft, node: onnx.NodeProto) -> None:
    """ReduceMean, ReduceSum and ReduceMax over rows and columns, or means over channels."""
    given, name = attributes(node), node.output[0]
    view = draft.view(node.input[0])
    rank = len(view.dimensions)
    constant = draft.constant(node, 1)
    axes = given.get("axes", list(range(rank)) if constant is None else constant.tolist())
    axes = sorted(int(axis) % rank for axis in axes)
    # A dimension of 1 is its own mean.
    axes = [axis for axis in axes if view.dimensions[axis]]
    spatial = [axis for axis in range(rank) if view.dimensions[axis] and axis not in axes]
    if (
        len(axes) == 1
        and axes[0] in (rank - 1, 1)
        and len(spatial) <= 2
        and _is_channels(draft, node.input[0], axes[0])
    ):
        if node.op_type == "ReduceMax":
            raise Uncovered("it takes the largest channel; take it after the network")
        x = draft.arranged(view, axes[0], tuple(spatial))
        made = draft.add(name, "conv", (x.name,), (1, *x.shape[1:]))
        share = 1 / x.shape[0] if node.op_type == "ReduceMean" else 1.0
        draft.weights[made.name] = (np.full((1, x.shape[0], 1, 1), share), np.zeros(1))
    else:
        x = (
            draft.arranged(view, spatial[0] if spatial else 1, tuple(axes))
            if (len(spatial) <= 1 and len(axes) <= 2)
            else draft.map(node.input[0])
        )
        if len(spatial) <= 1:
            shape = (x.shape[0], 1, 1)
            kinds = {"ReduceMean": "mean", "ReduceSum": "sum"}
            if node.op_type in kinds:
                made = draft.add(name, kinds[node.op_type], (x.name,), shape)
            else:
                made = draft.add(name, "max_pool", (x.name,), shape, kernel=x.shape[1:])
        elif len(axes) == 1 and rank == 4 and axes[0] in (2, 3) and node.op_type != "ReduceSum":
            kernel = (x.shape[1], 1) if axes[0] == 2 else (1, x.shape[2])
            shape = (x.shape[0], x.shape[1] // kernel[0], x.shape[2] // kernel[1])
            op = "average_pool" if node.op_type == "ReduceMean" else "max_pool"
            made = draft.add(name, op, (x.name,), shape, kernel=kernel, stride=kernel)
        else:
            raise Uncovered(f"it is over the dimensions {axes} of {list(view.shape)}")
    settle_rest(draft, node, made, spatial)


def _is_channels(draft: Draft, name: str, axis: int) -> bool:
    pieces = draft.view(name).dimensions[axis]
    return len(pieces) == 1 and pieces[0].axis == 0


def settle_rest(draft: Draft, node: onnx.NodeProto, made: Node, spatial: list[int]) -> None:
    """Say what the result of a reduction is, of which these dimensions are left."""
    name, shape = node.output[0], draft.shapes[node.output[0]]
    left = [axis for axis in range(3) if made.shape[axis] > 1]
    sizes = [axis for axis, size in enumerate(shape) if size > 1]
    if [made.shape[a] for a in left] != [shape[a] for a in sizes]:
        raise Uncovered(f"its result {list(shape)} is in another order than {list(made.shape)}")
    dimensions: list[Any] = [()] * len(shape)
    for at, axis in zip(sizes, left, strict=True):
        dimensions[at] = whole(axis, made.shape[axis])
    draft.views[name] = View(made.name, tuple(dimensions))


def resize(draft: Draft, node: onnx.NodeProto) -> None:
    """Resize of rows and columns: nearest, or bilinear with pixels' centres at halves."""
    x, given, name = draft.map(node.input[0]), attributes(node), node.output[0]
    shape = draft.shapes[name]
    if len(shape) != 4 or shape[1] != x.shape[0]:
        raise Uncovered("it resizes more than rows and columns")
    size = shape[2:]
    mode = given.get("mode", "nearest")
    coordinates = given.get("coordinate_transformation_mode", "half_pixel")
    if size == x.shape[1:]:
        draft.settle(name, x)
        return
    if mode == "nearest":
        rounding = given.get("nearest_mode", "round_prefer_floor")
        for before, after in zip(x.shape[1:], size, strict=True):
            if not _is_floor(before, after, coordinates, rounding):
                raise Uncovered(
                    f"it takes other pixels ({coordinates}, {rounding}) than TFLite; use "
                    "asymmetric and floor, or a whole factor"
                )
        op = "resize_nearest"
    elif mode == "linear" and not given.get("antialias", 0):
        if coordinates not in ("half_pixel", "pytorch_half_pixel"):
            raise Uncovered(
                f"it is bilinear with {coordinates}; use half_pixel (torch: align_corners=False)"
            )
        op = "resize_bilinear"
    else:
        raise Uncovered(f"its mode is {mode}; nearest and linear are known")
    draft.settle(name, draft.add(name, op, (x.name,), (x.shape[0], *size)))


def _is_floor(before: int, after: int, coordinates: str, rounding: str) -> bool:
    at = np.arange(after)
    if coordinates == "asymmetric":
        real = at * before / after
    elif coordinates in ("half_pixel", "pytorch_half_pixel"):
        real = (at + 0.5) * before / after - 0.5
    else:
        return False
    found = {
        "floor": np.floor(real),
        "ceil": np.ceil(real),
        "round_prefer_floor": np.ceil(real - 0.5),
        "round_prefer_ceil": np.floor(real + 0.5),
    }[rounding]
    return np.array_equal(np.clip(found, 0, before - 1), at * before // after)


def pad(draft: Draft, node: onnx.NodeProto) -> None:
    """Pad of rows and columns with zeros."""
    x, given, name = draft.map(node.input[0]), attributes(node), node.output[0]
    amounts, value = draft.constant(node, 1), draft.constant(node, 2)
    if given.get("mode", "constant") != "constant" or (len(node.input) > 3 and node.input[3]):
        raise Uncovered(f"its mode is {given.get('mode')}; pad with zeros")
    if value is not None and value.size and float(value.flat[0]) != 0:
        raise Uncovered(f"it pads with {float(value.flat[0]):g}; pad with zeros")
    if amounts is None:
        raise Uncovered("how much it pads is left out")
    rank = len(amounts) // 2
    before, after = amounts[:rank].tolist(), amounts[rank:].tolist()
    if any(before[:2]) or any(after[:2]) or min(before + after) < 0:
        raise Uncovered("it pads channels, or a negative number")
    rows = (before[2], after[2]) if rank == 4 else (0, 0)
    columns = (before[-1], after[-1]) if rank > 2 else (0, 0)
    if not any((*rows, *columns)):
        draft.settle(name, x)
        return
    pads = (rows[0], columns[0], rows[1], columns[1])
    draft.settle(name, zero_padded(draft, name, x, pads))
