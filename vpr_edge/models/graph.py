"""The networks as data: a graph of two dozen operations that all exist in int8 TFLite.

One description serves every stage: the torch module that trains, fake quantisation, the
integer-exact pass, the ONNX writer, and the counts of parameters and multiply-accumulates. Nothing
here needs torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

Shape = tuple[int, int, int]
Pair = tuple[int, int]

# With weights for each output channel, and a bias.
CONVOLUTIONS = ("conv", "depthwise", "transpose_conv")
# With one scale for all of their constants: a factor or a term of each element, a slope of each
# channel.
CONSTANTS = ("scale", "offset", "prelu")
# Operations with parameters of their own; "gem" has one only in float.
LEARNED = (*CONVOLUTIONS, *CONSTANTS, "gem")
# Operations that move or average int8 values without rescaling them: in TFLite their output has
# the quantisation parameters of their inputs.
SAME_PARAMETERS = (
    "concat",
    "resize_nearest",
    "depth_to_space",
    "space_to_depth",
    "reshape",
    "resize_bilinear",
    "vector",
    "crop",
    "pad",
    "permute",
    "average_pool",
    "max_pool",
)
# Functions of single elements, tables of 256 values in int8.
FUNCTIONS = ("logistic", "tanh", "hard_swish", "leaky_relu", "relu", "requantize")
OPERATIONS = frozenset(
    (
        "input",
        *LEARNED,
        *SAME_PARAMETERS,
        *FUNCTIONS,
        *("add", "sub", "mul", "mean", "sum", "softmax", "l2_normalize", "matmul"),
    )
)
# (scale, zero point) that the TFLite int8 specification fixes for the outputs of these.
FIXED_PARAMETERS = {
    "softmax": (1 / 256, -128),
    "logistic": (1 / 256, -128),
    "tanh": (1 / 128, 0),
    "l2_normalize": (1 / 128, 0),
}


@dataclass(frozen=True)
class Node:
    """One operation and its output tensor.

    Maps of one row are matrices too: one matrix row a column of the map, one matrix column a
    channel, which is how they lie in memory on the device (NHWC).

    Attributes:
        name: unique; also the name of the output tensor in ONNX and TFLite.
        op: "input", "conv", "depthwise", "transpose_conv" (without padding), "add", "sub" and "mul"
            (of equal shapes, or broadcast), "concat", "resize_nearest", "resize_bilinear" (pixels'
            centres at halves), "depth_to_space" and "space_to_depth" (depth-column-row order, as
            TFLite), "average_pool" (padding is left out of the mean, and must be SAME),
            "max_pool", "mean" and "sum" (over rows and columns), "softmax" and "l2_normalize"
            (over channels), those of `FUNCTIONS` ("requantize" is the identity), "reshape" (where
            the order of elements is the same with channels first and last), "permute" (elements
            in another order), "vector" (all elements as channels, in the order of rows, columns,
            channels), "crop" (to some channels, rows and columns), "pad" (with zeros),
            "matmul" (of two maps of one row as matrices), "scale" (times learned constants),
            "offset" (plus such), "prelu" or "gem" (generalised mean with a learned power, float
            only: int8 has "mul", "mul" and "mean" in its place).
        inputs: names of the input nodes.
        shape: (channels, rows, columns) of the output.
        kernel, stride, dilation: (rows, columns) for convolutions and pools.
        pads: rows and columns of zeros (for "max_pool" of the least value) around the input: (top,
            left, bottom, right). None is TFLite's SAME for convolutions, and none for others.
        groups: of the channels of "conv".
        activation: "none", "relu" or "relu6", fused.
        norm: what follows a float convolution, and is folded into it when quantised: "batch"
            (BatchNorm), "affine" (a learned scale and shift for each channel) or "none" (a bias).
        block: block size of depth_to_space and space_to_depth.
        transposed: for matmul, whether either matrix is transposed.
        begin: for crop, the first channel, row and column.
        limits: what values are clipped to, after the activation; in int8 that is the range of the
            output's parameters. It holds 0.
        slope: of leaky_relu, below zero.
        split, order: of permute: [channels, rows, columns] is seen as an array of sizes `split`,
            whose axes are taken in `order` and make up the output's shape.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    shape: Shape
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    activation: str = "none"
    norm: str = "none"
    block: int = 1
    transposed: tuple[bool, bool] = (False, False)
    dilation: Pair = (1, 1)
    pads: tuple[int, int, int, int] | None = None
    groups: int = 1
    begin: Shape = (0, 0, 0)
    limits: tuple[float, float] | None = None
    slope: float = 0.0
    split: tuple[int, ...] = ()
    order: tuple[int, ...] = ()

    @property
    def batch_norm(self) -> bool:
        """Whether BatchNorm follows."""
        return self.norm == "batch"


@dataclass(frozen=True)
class Graph:
    """A network.

    Attributes:
        nodes: in order of execution, the input first.
        outputs: names of the nodes that are its outputs. Those called as in `config.TASKS` are
            what the tasks and the decoders know; others are maps without a meaning here.
        name: of the network.
        keypoint_reach: how far from the centre of its cell a keypoint may lie, in cells.
        place_gain: factors of the place vector's values where its parts are weighted; else None.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    name: str = "network"
    keypoint_reach: float = 1.0
    place_gain: tuple[float, ...] | None = None

    def __getitem__(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    @property
    def input(self) -> Node:
        """The only input node."""
        return self.nodes[0]

    def convolutions(self) -> Iterator[Node]:
        """The convolutions, dense and depthwise."""
        return (node for node in self.nodes if node.op in CONVOLUTIONS)

    def weighted(self) -> Iterator[Node]:
        """The nodes with weights: convolutions and learned constants."""
        return (node for node in self.nodes if node.op in (*CONVOLUTIONS, *CONSTANTS))

    def only(self, outputs: tuple[str, ...]) -> "Graph":
        """The part of the network that these outputs need."""
        needed = set(outputs)
        for node in reversed(self.nodes):
            if node.name in needed:
                needed.update(node.inputs)
        nodes = tuple(node for node in self.nodes if node.name in needed)
        return replace(self, nodes=nodes, outputs=outputs)

    def weight_shape(self, node: Node) -> tuple[int, int, int, int]:
        """Shape of a node's weights.

        Of a convolution (outputs, inputs a group, rows, columns), of learned constants
        (1, channels, rows, columns).
        """
        if node.op in ("scale", "offset"):
            return (1, *node.shape)
        if node.op == "prelu":
            return (1, node.shape[0], 1, 1)
        inputs = 1 if node.op == "depthwise" else self[node.inputs[0]].shape[0] // node.groups
        return (node.shape[0], inputs, *node.kernel)

    def padding(self, node: Node) -> tuple[int, int, int, int]:
        """What a convolution or a pool has around its input: top, left, bottom, right."""
        if node.pads is not None:
            return node.pads
        if node.op not in ("conv", "depthwise"):
            return (0, 0, 0, 0)
        return same_pads(self[node.inputs[0]].shape[1:], node)

    def parameters(self) -> int:
        """Weights and biases of the deployed network (BatchNorm folded)."""
        biases = sum(node.shape[0] for node in self.convolutions())
        return sum(prod(self.weight_shape(node)) for node in self.weighted()) + biases

    def macs(self) -> int:
        """Multiply-accumulates of convolutions and matrix products for one image.

        Padding is counted as work.
        """
        convolutions = sum(
            prod(self.weight_shape(n)[1:])
            * (
                n.shape[0] * prod(self[n.inputs[0]].shape[1:])
                if n.op == "transpose_conv"
                else prod(n.shape)
            )
            for n in self.convolutions()
        )
        products = 0
        for node in self.nodes:
            if node.op == "matmul":
                channels, _, columns = self[node.inputs[0]].shape
                products += prod(node.shape) * (columns if node.transposed[0] else channels)
        return convolutions + products

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


def same_pads(size: Pair, node: Node) -> tuple[int, int, int, int]:
    """TFLite's SAME of a window over rows and columns of this size."""
    rows, columns = (
        same_padding(s, (k - 1) * d + 1, stride)
        for s, k, d, stride in zip(size, node.kernel, node.dilation, node.stride, strict=True)
    )
    return rows[0], columns[0], rows[1], columns[1]


class GraphBuilder:
    """Builds a `Graph` node by node; each method returns the new node.

    Args:
        height, width, channels: of the input.
        norm: what follows convolutions that do not say otherwise, "batch" or "affine".
    """

    def __init__(self, height: int, width: int, channels: int = 3, norm: str = "batch") -> None:
        self.nodes = [Node("image", "input", (), (channels, height, width))]
        self.norm = norm

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
        kernel: int | Pair = 1,
        stride: int | Pair = 1,
        activation: str = "relu",
        batch_norm: bool = True,
    ) -> Node:
        """A dense convolution; with `batch_norm` what the builder's `norm` says follows it."""
        kernel, stride = (n if isinstance(n, tuple) else (n, n) for n in (kernel, stride))
        shape = (channels, -(-x.shape[1] // stride[0]), -(-x.shape[2] // stride[1]))
        norm = self.norm if batch_norm else "none"
        return self._append(Node(name, "conv", (x.name,), shape, kernel, stride, activation, norm))

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

    def scale(self, name: str, x: Node, channels: int) -> Node:
        """x [1, rows, columns] times learned constants [channels, rows, columns]."""
        return self._append(Node(name, "scale", (x.name,), (channels, *x.shape[1:])))

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

    def space_to_depth(self, name: str, x: Node, block: int = 2) -> Node:
        """Blocks of pixels into channels, in TFLite's order; a rest at the edge is cut first."""
        rows, columns = (size // block for size in x.shape[1:])
        if x.shape[1:] != (rows * block, columns * block):
            x = self.crop(f"{name}_whole", x, (x.shape[0], rows * block, columns * block))
        shape = (x.shape[0] * block**2, rows, columns)
        return self._append(Node(name, "space_to_depth", (x.name,), shape, block=block))

    def crop(self, name: str, x: Node, shape: Shape) -> Node:
        """The first channels, rows and columns."""
        return self._append(Node(name, "crop", (x.name,), shape))

    def pool(self, name: str, x: Node, kernel: Pair, kind: str = "average") -> Node:
        """Average or max pooling over windows that do not overlap; a rest at the edge is cut."""
        shape = (x.shape[0], x.shape[1] // kernel[0], x.shape[2] // kernel[1])
        return self._append(Node(name, f"{kind}_pool", (x.name,), shape, kernel, kernel))

    def mean(self, name: str, x: Node) -> Node:
        """Mean over rows and columns, kept as a 1x1 map."""
        return self._append(Node(name, "mean", (x.name,), (x.shape[0], 1, 1)))

    def sum(self, name: str, x: Node) -> Node:
        """Sum over rows and columns, kept as a 1x1 map."""
        return self._append(Node(name, "sum", (x.name,), (x.shape[0], 1, 1)))

    def gem(self, name: str, x: Node) -> Node:
        """Cube of the generalised mean (arXiv 1711.02512) with a learned power; float only."""
        return self._append(Node(name, "gem", (x.name,), (x.shape[0], 1, 1)))

    def softmax(self, name: str, x: Node) -> Node:
        """Softmax over the channels of each pixel."""
        return self._append(Node(name, "softmax", (x.name,), x.shape))

    def logistic(self, name: str, x: Node) -> Node:
        """1 / (1 + exp(-x))."""
        return self._append(Node(name, "logistic", (x.name,), x.shape))

    def l2_normalize(self, name: str, x: Node) -> Node:
        """Each pixel's channels brought to length 1."""
        return self._append(Node(name, "l2_normalize", (x.name,), x.shape))

    def reshape(self, name: str, x: Node, shape: Shape) -> Node:
        """Another shape in which the elements keep their order in NCHW and in NHWC.

        Raises:
            ValueError: the order would change in one of the two.
        """
        flat = all(1 in (s[0], s[1] * s[2]) for s in (x.shape, shape))
        if prod(shape) != prod(x.shape) or not (flat or shape[0] == x.shape[0]):
            raise ValueError(f"{name}: {x.shape} cannot become {shape} without moving elements")
        return self._append(Node(name, "reshape", (x.name,), shape))

    def vector(self, name: str, x: Node) -> Node:
        """All elements as the channels of one pixel, as they lie in memory on the device."""
        return self._append(Node(name, "vector", (x.name,), (prod(x.shape), 1, 1)))

    def flatten(self, name: str, x: Node) -> Node:
        """All pixels in one row: a matrix [pixels, channels]."""
        return self.reshape(name, x, (x.shape[0], 1, x.shape[1] * x.shape[2]))

    def matmul(
        self, name: str, a: Node, b: Node, transposed: tuple[bool, bool] = (False, False)
    ) -> Node:
        """Product of two maps of one row as matrices [columns, channels]."""
        rows = a.shape[0] if transposed[0] else a.shape[2]
        columns = b.shape[2] if transposed[1] else b.shape[0]
        node = Node(name, "matmul", (a.name, b.name), (columns, 1, rows), transposed=transposed)
        return self._append(node)

    def node(self, name: str, op: str, inputs: tuple[Node, ...], shape: Shape, **more: Any) -> Node:
        """Any operation, with the fields of `Node` that it needs."""
        return self._append(Node(name, op, tuple(node.name for node in inputs), shape, **more))

    def finish(self, outputs: tuple[str, ...]) -> Graph:
        """The finished graph, without nodes that no output needs."""
        return Graph(tuple(self.nodes), outputs).only(outputs)
