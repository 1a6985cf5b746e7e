"""A network while it is being read: nodes, their weights, and what each ONNX tensor is of them."""

import re
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from vpr_edge.export.door.views import Dimensions, Piece, View, pieces_and_order, plain
from vpr_edge.models.graph import Node, Shape

Array = NDArray[Any]
# Endings that the writer of QDQ ONNX gives to names of its own.
_TAKEN = re.compile(r"_(real|linear|dequantized|int8|apart|moved|turned|product|factor\d)$")


class Uncovered(Exception):
    """An ONNX node that has no translation, and why, or what to write instead."""


@dataclass
class Draft:
    """What is known while an ONNX graph is walked.

    Attributes:
        shapes, constants: of the ONNX tensors by name.
        nodes: ours, by name, in order.
        weights: weight and bias of those that have them.
        views: what each ONNX tensor is.
        norms: of ONNX tensors that are lengths of vectors: whose, and along which dimension.
    """

    shapes: dict[str, tuple[int, ...]]
    constants: dict[str, Array]
    nodes: dict[str, Node] = field(default_factory=dict)
    weights: dict[str, tuple[Array, Array]] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    norms: dict[str, tuple[View, int]] = field(default_factory=dict)

    def add(self, wish: str, op: str, inputs: tuple[str, ...], shape: Shape, **more: Any) -> Node:
        """A new node, named as near to the wish as names go."""
        node = Node(self._name(wish), op, inputs, tuple(map(int, shape)), **more)  # type: ignore[arg-type]
        self.nodes[node.name] = node
        return node

    def affine(self, wish: str, source: str, gain: Array, shift: Array) -> Node:
        """Each channel times a gain plus a shift: a depthwise convolution of one pixel."""
        shape = self.nodes[source].shape
        node = self.add(wish, "depthwise", (source,), shape)
        self.weights[node.name] = (
            np.broadcast_to(gain, shape[0]).reshape(-1, 1, 1, 1).astype(np.float64),
            np.broadcast_to(shift, shape[0]).astype(np.float64),
        )
        return node

    def _name(self, wish: str) -> str:
        name = re.sub(r"\W+", "_", wish).strip("_") or "map"
        if name[0].isdigit():
            name = f"n{name}"
        if _TAKEN.search(name) or name in _RESERVED:
            name += "_"
        number, found = 2, name
        while found in self.nodes:
            found, number = f"{name}_{number}", number + 1
        return found

    def view(self, name: str) -> View:
        """What a computed ONNX tensor is.

        Raises:
            Uncovered: it is a constant.
        """
        if name not in self.views:
            raise Uncovered(f"its input '{name}' is a constant where a map is expected")
        return self.views[name]

    def constant(self, node: onnx.NodeProto, position: int) -> Array | None:
        """A constant input; None where it is left out.

        Raises:
            Uncovered: it is computed.
        """
        if position >= len(node.input) or not node.input[position]:
            return None
        name = node.input[position]
        if name not in self.constants:
            raise Uncovered(f"its input '{name}' is computed, and has to be constant")
        return self.constants[name]

    def arranged(self, view: View, channels: int, spatial: tuple[int, ...]) -> Node:
        """The map whose channels are one dimension of a tensor, and rows and columns others.

        Elements are moved only where they lie otherwise.

        Args:
            view: the tensor.
            channels: dimension of the channels.
            spatial: up to two dimensions, rows and columns; one alone is the columns.

        Raises:
            Uncovered: the tensor has other dimensions than 1.
        """
        rank = len(view.dimensions)
        channels, spatial = channels % rank, tuple(axis % rank for axis in spatial)
        rest = set(range(rank)) - {channels, *spatial}
        if any(view.dimensions[axis] for axis in rest):
            raise Uncovered(f"its input has the shape {list(view.shape)}")
        parts = [view.dimensions[axis] for axis in spatial]
        rows, columns = ([()] * 2 + parts)[-2:]
        dimensions: Dimensions = (view.dimensions[channels], rows, columns)
        shape: Any = tuple(prod(piece.size for piece in pieces) for pieces in dimensions)
        node = self.nodes[view.node]
        if dimensions == plain("", node.shape).dimensions[1:]:
            return node
        split, order = pieces_and_order(dimensions)
        flat = all(1 in (s[0], s[1] * s[2]) for s in (node.shape, shape))
        if order == tuple(range(len(order))) and (shape[0] == node.shape[0] or flat):
            return self.add(f"{node.name}_as", "reshape", (node.name,), shape)
        return self.add(f"{node.name}_as", "permute", (node.name,), shape, split=split, order=order)

    def map(self, name: str) -> Node:
        """A tensor [1, C, H, W], [1, C, W] or [1, C] as a map."""
        view = self.view(name)
        rank = len(view.dimensions)
        if rank not in (2, 3, 4):
            raise Uncovered(f"its input '{name}' has the shape {list(view.shape)}")
        return self.arranged(view, 1, tuple(range(2, rank)))

    def settle(self, output: str, node: Node) -> None:
        """Say that an ONNX tensor [1, C, H, W], [1, C, W] or [1, C] is this map."""
        self.views[output] = plain(node.name, node.shape, len(self.shapes[output]))

    def settle_like(self, output: str, node: Node, view: View) -> None:
        """Say that an ONNX tensor is this map as another map of its shape is seen."""
        self.views[output] = View(node.name, view.dimensions)


def whole(axis: int, size: int) -> tuple[Piece, ...]:
    """All of an axis."""
    return (Piece(axis, 1, size),) if size > 1 else ()


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """By name; text as str."""
    found = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in found.items()}


# What a torch.nn.ModuleDict has as attributes cannot name a layer.
_RESERVED = frozenset(
    (
        *("training", "forward", "keys", "items", "values", "pop", "clear", "update", "type"),
        *("float", "double", "half", "eval", "train", "apply", "add_module", "modules"),
        *("children", "to", "cpu", "compile", "parameters", "buffers", "register_buffer"),
        *("requires_grad_", "share_memory"),
    )
)
