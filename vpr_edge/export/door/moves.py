"""Operators that only move elements, or choose among them."""

from math import prod

import numpy as np
import onnx

from vpr_edge.export.door.draft import Draft, Uncovered, attributes
from vpr_edge.models.graph import Node


def same(draft: Draft, node: onnx.NodeProto) -> None:
    """Identity, Dropout, Cast of floats."""
    draft.views[node.output[0]] = draft.view(node.input[0])


def transpose(draft: Draft, node: onnx.NodeProto) -> None:
    """Transpose: another view of the same map."""
    view = draft.view(node.input[0])
    order = attributes(node).get("perm", tuple(reversed(range(len(view.dimensions)))))
    draft.views[node.output[0]] = view.transposed(tuple(order))


def reshape(draft: Draft, node: onnx.NodeProto) -> None:
    """Reshape, Flatten, Squeeze, Unsqueeze: another view of the same map."""
    view, shape = draft.view(node.input[0]), draft.shapes[node.output[0]]
    found = view.reshaped(shape)
    if found is None:
        raise Uncovered(f"{list(view.shape)} cannot be cut into {list(shape)}")
    draft.views[node.output[0]] = found


def concat(draft: Draft, node: onnx.NodeProto) -> None:
    """Concat along channels, or along what can be made channels."""
    rank = len(draft.shapes[node.output[0]])
    axis = attributes(node)["axis"] % rank
    parts = [draft.map(name) for name in node.input]
    if axis != 1 or rank > 4:
        raise Uncovered(f"it joins along the dimension {axis}; join along the channels")
    channels = sum(part.shape[0] for part in parts)
    names = tuple(part.name for part in parts)
    made = draft.add(node.output[0], "concat", names, (channels, *parts[0].shape[1:]))
    draft.settle(node.output[0], made)


def split(draft: Draft, node: onnx.NodeProto) -> None:
    """Split along one dimension."""
    axis = attributes(node).get("axis", 0) % len(draft.view(node.input[0]).dimensions)
    start = 0
    for output in node.output:
        size = draft.shapes[output][axis]
        _cut(draft, node.input[0], output, {axis: (start, size)})
        start += size


def slices(draft: Draft, node: onnx.NodeProto) -> None:
    """Slice by steps of 1."""
    shape = draft.view(node.input[0]).shape
    starts, ends, axes, steps = (draft.constant(node, position) for position in (1, 2, 3, 4))
    if starts is None or ends is None:
        raise Uncovered("where it begins and ends is left out")
    if steps is not None and (steps != 1).any():
        raise Uncovered("it takes steps; use space to depth, or a convolution of stride 2")
    chosen = {}
    for axis, start, end in zip(
        range(len(starts)) if axes is None else axes, starts, ends, strict=True
    ):
        first, last, _ = slice(int(start), int(end)).indices(shape[int(axis)])
        chosen[int(axis) % len(shape)] = (first, last - first)
    _cut(draft, node.input[0], node.output[0], chosen)


def gather(draft: Draft, node: onnx.NodeProto) -> None:
    """Gather of neighbours, as indexing and slices are written."""
    axis = attributes(node).get("axis", 0)
    shape = draft.view(node.input[0]).shape
    indices = draft.constant(node, 1)
    if indices is None or not indices.size:
        raise Uncovered("what it takes is left out")
    axis %= len(shape)
    chosen = np.atleast_1d(indices).ravel() % shape[axis]
    if (np.diff(chosen) != 1).any():
        raise Uncovered("it takes elements that are no neighbours")
    kept = f"{node.output[0]}_kept"
    sizes = list(shape)
    sizes[axis] = len(chosen)
    draft.shapes[kept] = tuple(sizes)
    _cut(draft, node.input[0], kept, {axis: (int(chosen[0]), len(chosen))})
    found = draft.view(kept).reshaped(draft.shapes[node.output[0]])
    if found is None:
        raise Uncovered("its result cannot be cut so")
    draft.views[node.output[0]] = found


def _cut(draft: Draft, source: str, output: str, chosen: dict[int, tuple[int, int]]) -> None:
    """Some of the elements along whole axes of a map."""
    view = draft.view(source)
    chosen = {a: c for a, c in chosen.items() if c != (0, view.shape[a])}
    if not chosen:
        draft.views[output] = view
        return
    x = draft.nodes[view.node]
    begin, size = [0, 0, 0], list(x.shape)
    dimensions = list(view.dimensions)
    for axis, (first, count) in chosen.items():
        pieces = view.dimensions[axis]
        if len(pieces) != 1 or pieces[0].stride != 1 or pieces[0].size != x.shape[pieces[0].axis]:
            # Once more, from a map whose channels, rows and columns are these dimensions.
            rank = len(view.dimensions)
            if rank not in (2, 3, 4) or draft.map(source).name == x.name:
                raise Uncovered(f"it cuts {list(view.shape)} between elements that lie apart")
            draft.settle(source, draft.map(source))
            _cut(draft, source, output, chosen)
            return
        begin[pieces[0].axis], size[pieces[0].axis] = first, count
        dimensions[axis] = (type(pieces[0])(pieces[0].axis, 1, count),) if count > 1 else ()
    made = draft.add(output, "crop", (x.name,), tuple(size), begin=tuple(begin))  # type: ignore[arg-type]
    draft.views[output] = type(view)(made.name, tuple(dimensions))


def depth_to_space(draft: Draft, node: onnx.NodeProto) -> None:
    """DepthToSpace in either order of channels."""
    x, given = draft.map(node.input[0]), attributes(node)
    block = given["blocksize"]
    channels = x.shape[0] // block**2
    if given.get("mode", "DCR") == "CRD":
        x = reordered(draft, f"{node.output[0]}_order", x, (channels, block**2))
    shape = (channels, x.shape[1] * block, x.shape[2] * block)
    draft.settle(
        node.output[0],
        draft.add(node.output[0], "depth_to_space", (x.name,), shape, block=block),
    )


def reordered(draft: Draft, wish: str, x: Node, sizes: tuple[int, int]) -> Node:
    """Channels as a matrix of these sizes, transposed."""
    split = (*sizes, *(size for size in x.shape[1:] if size > 1))
    order = (1, 0, *range(2, len(split)))
    return draft.add(wish, "permute", (x.name,), x.shape, split=split, order=order)


def space_to_depth(draft: Draft, node: onnx.NodeProto) -> None:
    """SpaceToDepth."""
    x, block = draft.map(node.input[0]), attributes(node)["blocksize"]
    shape = (x.shape[0] * block**2, x.shape[1] // block, x.shape[2] // block)
    if prod(shape) != prod(x.shape):
        raise Uncovered("its blocks do not divide the map")
    made = draft.add(node.output[0], "space_to_depth", (x.name,), shape, block=block)
    draft.settle(node.output[0], made)
