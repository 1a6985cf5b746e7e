"""Merges what can be merged exactly: gains and shifts, activations, padding, orders of channels."""

from collections.abc import Callable
from dataclasses import replace
from math import prod

import numpy as np

from vpr_edge.export.door.draft import Draft
from vpr_edge.models.graph import (
    CONVOLUTIONS,
    FIXED_PARAMETERS,
    SAME_PARAMETERS,
    Node,
    same_pads,
)

RECTIFIED = ("conv", "depthwise", "add", "sub", "mul")


def fold(draft: Draft, outputs: tuple[str, ...]) -> None:
    """Merge until nothing changes.

    Args:
        draft: changed in place.
        outputs: names of the nodes that are to stay as they are.
    """
    while any(_once(draft, outputs, rule) for rule in _RULES):
        pass
    _part_fixed(draft)


Rule = Callable[[Draft, Node, Node], bool]


def is_affine(node: Node) -> bool:
    """Whether a node is a gain and a shift of each channel and nothing else."""
    return node.op == "depthwise" and node.kernel == node.stride == (1, 1)


def _once(draft: Draft, outputs: tuple[str, ...], rule: Rule) -> bool:
    readers: dict[str, list[str]] = {}
    for node in draft.nodes.values():
        for name in node.inputs:
            readers.setdefault(name, []).append(node.name)
    changed = False
    for name in list(draft.nodes):
        if name not in draft.nodes or not draft.nodes[name].inputs:
            continue
        node = draft.nodes[name]
        before = draft.nodes[node.inputs[0]]
        if len(node.inputs) > 1 or before.op == "input":
            continue
        alone = readers.get(before.name) == [name] and before.name not in outputs
        if alone and rule(draft, before, node):
            # Who read the first now reads what the second has become.
            readers[before.name] = []
            for source in draft.nodes[name].inputs:
                readers[source] = [name if r == before.name else r for r in readers[source]]
            changed = True
    return changed


def _merge(draft: Draft, before: Node, node: Node, merged: Node) -> None:
    """One node where two were, under the second's name and in its place."""
    draft.nodes[node.name] = replace(merged, name=node.name)
    del draft.nodes[before.name]


def _bare(node: Node) -> bool:
    return node.activation == "none" and node.limits is None


def _affine_into_before(draft: Draft, before: Node, node: Node) -> bool:
    """A gain and a shift after a convolution."""
    if not is_affine(node) or before.op not in CONVOLUTIONS or not _bare(before):
        return False
    if node.shape[0] != before.shape[0]:
        return False
    gain, shift = draft.weights[node.name]
    weight, bias = draft.weights.pop(before.name)
    draft.weights[node.name] = (
        weight * gain.reshape(-1, 1, 1, 1),
        bias * gain.reshape(-1) + shift,
    )
    merged = replace(before, activation=node.activation, limits=node.limits)
    _merge(draft, before, node, merged)
    return True


def _affine_into_after(draft: Draft, before: Node, node: Node) -> bool:
    """A gain and a shift before a convolution, where no padding tells zero from the shift."""
    if not is_affine(before) or not _bare(before) or node.op not in ("conv", "depthwise"):
        return False
    gain, shift = (part.reshape(-1) for part in draft.weights[before.name])
    source = draft.nodes[before.inputs[0]]
    if before.shape[0] != source.shape[0] or node.groups > 1:
        return False
    pads = node.pads if node.pads is not None else same_pads(source.shape[1:], node)
    if any(pads) and shift.any():
        return False
    weight, bias = draft.weights[node.name]
    if node.op == "depthwise":
        gain, shift = (np.repeat(part, node.shape[0] // len(part)) for part in (gain, shift))
        bias = bias + weight.sum((1, 2, 3)) * shift
        weight = weight * gain.reshape(-1, 1, 1, 1)
    else:
        bias = bias + np.einsum("oihw,i->o", weight, shift)
        weight = weight * gain.reshape(1, -1, 1, 1)
    draft.weights[node.name] = (weight, bias)
    del draft.weights[before.name]
    _merge(draft, before, node, replace(node, inputs=before.inputs))
    return True


def _activation(draft: Draft, before: Node, node: Node) -> bool:
    """A rectifier or limits after what can have them fused."""
    relu = node.op == "relu"
    if not relu and (node.op != "requantize" or node.limits is None):
        return False
    if before.op not in RECTIFIED or not _bare(before):
        return False
    if relu:
        merged = replace(before, activation="relu")
    elif node.limits == (0.0, 6.0):
        merged = replace(before, activation="relu6")
    else:
        merged = replace(before, limits=node.limits)
    if before.name in draft.weights:
        draft.weights[node.name] = draft.weights.pop(before.name)
    _merge(draft, before, node, merged)
    return True


def _padding(draft: Draft, before: Node, node: Node) -> bool:
    """Zeros before a convolution."""
    if before.op != "pad" or node.op not in ("conv", "depthwise"):
        return False
    assert before.pads is not None
    own = node.pads if node.pads is not None else same_pads(before.shape[1:], node)
    pads = (
        own[0] + before.pads[0],
        own[1] + before.pads[1],
        own[2] + before.pads[2],
        own[3] + before.pads[3],
    )
    merged = replace(node, inputs=before.inputs, pads=pads)
    if pads == same_pads(draft.nodes[before.inputs[0]].shape[1:], node):
        merged = replace(merged, pads=None)
    _merge(draft, before, node, merged)
    return True


def _channel_order(draft: Draft, before: Node, node: Node) -> bool:
    """Another order of channels after a convolution, moved into its weights."""
    if node.op != "permute" or before.op not in ("conv", "transpose_conv"):
        return False
    if before.groups > 1 or before.shape != node.shape:
        return False
    rest = [axis for axis in node.order if prod(node.split[: axis + 1]) > node.shape[0]]
    inside = [axis for axis in node.order if axis not in rest]
    channels = prod(node.split[axis] for axis in inside)
    if channels != node.shape[0] or list(node.order) != inside + sorted(rest):
        return False
    sizes = [node.split[axis] for axis in sorted(inside)]
    order = np.arange(channels).reshape(sizes).transpose(inside).ravel()
    weight, bias = draft.weights.pop(before.name)
    draft.weights[node.name] = (weight[order], bias[order])
    _merge(draft, before, node, before)
    return True


_RULES: tuple[Rule, ...] = (
    _affine_into_before,
    _activation,
    _affine_into_after,
    _padding,
    _channel_order,
)


def _part_fixed(draft: Draft) -> None:
    """A change of scale where maps whose int8 parameters are fixed are joined with others."""
    nodes: dict[str, Node] = {}
    fixed: set[str] = set()
    for node in draft.nodes.values():
        inputs = list(node.inputs)
        if node.op == "concat":
            for position, name in enumerate(inputs):
                if name in fixed:
                    apart = Node(f"{node.name}_part{position}", "requantize", (name,),
                                 draft.nodes[name].shape)  # fmt: skip
                    nodes[apart.name] = apart
                    inputs[position] = apart.name
        elif node.op in SAME_PARAMETERS and inputs[0] in fixed:
            fixed.add(node.name)
        if node.op == "input" or node.op in FIXED_PARAMETERS or node.limits is not None:
            fixed.add(node.name)
        nodes[node.name] = replace(node, inputs=tuple(inputs))
    draft.nodes = nodes
