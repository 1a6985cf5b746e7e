"""The networks as data: a graph of a dozen operations that all exist in int8 TFLite.

One description serves every stage: the torch module that trains, fake quantisation, the
integer-exact pass, the ONNX writer, and the counts of parameters and multiply-accumulates. Nothing
here needs torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

Shape = tuple[int, int, int]
Pair = tuple[int, int]

CONVOLUTIONS = ("conv", "depthwise")
# Operations that move or average int8 values without rescaling them: in TFLite their output has
# the quantisation parameters of their inputs.
SAME_PARAMETERS = ("concat", "resize_nearest", "depth_to_space", "average_pool", "max_pool")


@dataclass(frozen=True)
class Node:
    """One operation and its output tensor.

    Attributes:
        name: unique; also the name of the output tensor in ONNX and TFLite.
        op: "input", "conv", "depthwise", "add", "mul", "concat", "resize_nearest",
            "depth_to_space" (depth-column-row order, as TFLite), "average_pool", "max_pool" (both
            without padding) or "mean" (over rows and columns).
        inputs: names of the input nodes.
        shape: (channels, rows, columns) of the output.
        kernel, stride: (rows, columns) for convolutions and pools; padding of convolutions is SAME
            as TFLite defines it.
        activation: "none", "relu" or "relu6", fused.
        batch_norm: whether a float convolution is followed by BatchNorm (folded when quantised).
        block: block size of depth_to_space.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    shape: Shape
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    activation: str = "none"
    batch_norm: bool = False
    block: int = 1


@dataclass(frozen=True)
class Graph:
    """A network: nodes in order of execution, and the nodes that are its outputs."""

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]

    def __getitem__(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    @property
    def input(self) -> Node:
        """The only input node."""
        return self.nodes[0]

    def convolutions(self) -> Iterator[Node]:
        """The nodes with weights."""
        return (node for node in self.nodes if node.op in CONVOLUTIONS)

    def only(self, outputs: tuple[str, ...]) -> "Graph":
        """The part of the network that these outputs need."""
        needed = set(outputs)
        for node in reversed(self.nodes):
            if node.name in needed:
                needed.update(node.inputs)
        return Graph(tuple(node for node in self.nodes if node.name in needed), outputs)

    def weight_shape(self, node: Node) -> tuple[int, int, int, int]:
        """Shape of a convolution's weights: (outputs, inputs a group, rows, columns)."""
        inputs = 1 if node.op == "depthwise" else self[node.inputs[0]].shape[0]
        return (node.shape[0], inputs, *node.kernel)

    def parameters(self) -> int:
        """Weights and biases of the deployed network (BatchNorm folded)."""
        return sum(prod(self.weight_shape(n)) + n.shape[0] for n in self.convolutions())

    def macs(self) -> int:
        """Multiply-accumulates of the convolutions for one image; padding counted as work."""
        return sum(prod(self.weight_shape(n)[1:]) * prod(n.shape) for n in self.convolutions())

    def parameter_groups(self) -> dict[str, str]:
        """For each node the name of the group whose int8 scale and zero point it shares."""
        group = {node.name: node.name for node in self.nodes}
        for node in self.nodes:
            if node.op in SAME_PARAMETERS:
                merged = {group[name] for name in node.inputs} | {node.name}
                target = group[node.inputs[0]]
                group = {k: target if v in merged else v for k, v in group.items()}
        return group


def same_padding(size: int, kernel: int, stride: int) -> Pair:
    """(before, after) padding of one axis under TFLite's SAME: the odd one goes after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class GraphBuilder:
    """Builds a `Graph` node by node; each method returns the new node."""

    def __init__(self, height: int, width: int, channels: int = 3) -> None:
        self.nodes = [Node("image", "input", (), (channels, height, width))]

    @property
    def image(self) -> Node:
        """The input node."""
        return self.nodes[0]

    def _append(self, node: Node) -> Node:
        self.nodes.append(node)
        return node

    def conv(
        self,
        name: str,
        x: Node,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        activation: str = "relu",
        batch_norm: bool = True,
    ) -> Node:
        """A dense convolution."""
        shape = (channels, -(-x.shape[1] // stride), -(-x.shape[2] // stride))
        return self._append(
            Node(
                name,
                "conv",
                (x.name,),
                shape,
                (kernel, kernel),
                (stride, stride),
                activation,
                batch_norm,
            )
        )

    def depthwise(
        self, name: str, x: Node, kernel: int = 3, stride: int = 1, activation: str = "relu"
    ) -> Node:
        """A depthwise convolution with as many outputs as inputs."""
        node = self.conv(name, x, x.shape[0], kernel, stride, activation)
        self.nodes[-1] = replace(node, op="depthwise")
        return self.nodes[-1]

    def add(self, name: str, a: Node, b: Node, activation: str = "none") -> Node:
        """Sum of two tensors of one shape."""
        return self._append(Node(name, "add", (a.name, b.name), a.shape, activation=activation))

    def mul(self, name: str, a: Node, b: Node) -> Node:
        """Product of two tensors of one shape."""
        return self._append(Node(name, "mul", (a.name, b.name), a.shape))

    def concat(self, name: str, *parts: Node) -> Node:
        """The parts' channels one after another."""
        channels = sum(part.shape[0] for part in parts)
        shape = (channels, *parts[0].shape[1:])
        return self._append(Node(name, "concat", tuple(part.name for part in parts), shape))

    def resize_nearest(self, name: str, x: Node, size: Pair) -> Node:
        """Nearest neighbour: output (r, c) reads input (floor(r H / h), floor(c W / w))."""
        return self._append(Node(name, "resize_nearest", (x.name,), (x.shape[0], *size)))

    def depth_to_space(self, name: str, x: Node, block: int = 2) -> Node:
        """Channels into blocks of pixels, in TFLite's (depth, column, row) order."""
        shape = (x.shape[0] // block**2, x.shape[1] * block, x.shape[2] * block)
        return self._append(Node(name, "depth_to_space", (x.name,), shape, block=block))

    def pool(self, name: str, x: Node, kernel: Pair, kind: str = "average") -> Node:
        """Average or max pooling over windows that do not overlap; a rest at the edge is cut."""
        shape = (x.shape[0], x.shape[1] // kernel[0], x.shape[2] // kernel[1])
        return self._append(Node(name, f"{kind}_pool", (x.name,), shape, kernel, kernel))

    def mean(self, name: str, x: Node) -> Node:
        """Mean over rows and columns, kept as a 1x1 map."""
        return self._append(Node(name, "mean", (x.name,), (x.shape[0], 1, 1)))

    def finish(self, outputs: tuple[str, ...]) -> Graph:
        """The finished graph, without nodes that no output needs."""
        return Graph(tuple(self.nodes), outputs).only(outputs)
