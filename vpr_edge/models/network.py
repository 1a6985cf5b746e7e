"""A graph as a trainable torch module."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from vpr_edge.errors import CheckpointError
from vpr_edge.models.checkpoint import Checkpoint
from vpr_edge.models.graph import CONSTANTS, LEARNED, Graph, Node, same_pads

# Below this a power's derivative explodes.
GEM_LEAST = 1e-4
# Less than any value of a map, for the padding of a max pool; exact in float16 too.
LOWEST = -65504.0


def padded(x: Tensor, node: Node, fill: float = 0.0) -> Tensor:
    """[N, C, H, W] with a node's padding; convolutions by default with TFLite's SAME."""
    pads = node.pads
    if pads is None and node.op in ("conv", "depthwise"):
        pads = same_pads((x.shape[2], x.shape[3]), node)
    if pads is None or not any(pads):
        return x
    top, left, bottom, right = pads
    return functional.pad(x, (left, right, top, bottom), value=fill)


def convolve(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The sums of a convolution of any kind.

    Args:
        node: the convolution.
        x: [N, C, H, W].
        weight: [O, I, kh, kw], I the inputs of a group.
        bias: [O].
    """
    if node.op == "transpose_conv":
        return functional.conv_transpose2d(x, weight.transpose(0, 1), bias, node.stride)
    groups = x.shape[1] if node.op == "depthwise" else node.groups
    x = padded(x, node)
    return functional.conv2d(x, weight, bias, node.stride, 0, node.dilation, groups)


def activate(x: Tensor, node: Node) -> Tensor:
    """The fused activation of a node, and its limits."""
    if node.activation == "relu":
        x = functional.relu(x)
    elif node.activation == "relu6":
        x = functional.hardtanh(x, 0.0, 6.0)
    return x if node.limits is None else x.clamp(*node.limits)


def rearrange(node: Node, *inputs: Tensor) -> Tensor:
    """The operations without weights, on real values [N, C, H, W].

    Also right on integers held in floats where an operation only moves them (and for "max_pool");
    the integer forms of the others round.
    """
    x = inputs[0]
    match node.op:
        case "add":
            return activate(x + inputs[1], node)
        case "sub":
            return activate(x - inputs[1], node)
        case "mul":
            return activate(x * inputs[1], node)
        case "concat":
            return torch.cat(inputs, dim=1)
        case "resize_nearest":
            return functional.interpolate(x, size=node.shape[1:], mode="nearest")
        case "depth_to_space":
            n, c, h, w = x.shape
            b = node.block
            x = x.reshape(n, b, b, c // b**2, h, w).permute(0, 3, 4, 1, 5, 2)
            return x.reshape(n, c // b**2, h * b, w * b)
        case "space_to_depth":
            n, c, h, w = x.shape
            b = node.block
            x = x.reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4)
            return x.reshape(n, b * b * c, h // b, w // b)
        case "resize_bilinear":
            return functional.interpolate(x, size=node.shape[1:], mode="bilinear")
        case "crop":
            part = (slice(b, b + size) for b, size in zip(node.begin, node.shape, strict=True))
            return x[:, *part]
        case "pad":
            return padded(x, node)
        case "permute":
            axes = (0, *(axis + 1 for axis in node.order))
            return x.reshape(len(x), *node.split).permute(axes).reshape(len(x), *node.shape)
        case "reshape":
            return x.reshape(len(x), *node.shape)
        case "vector":
            return x.permute(0, 2, 3, 1).reshape(len(x), *node.shape)
        case "matmul":
            left, right = (
                m.transpose(1, 2) if flip else m
                for m, flip in zip(map(as_matrices, inputs), node.transposed, strict=True)
            )
            return (left @ right).transpose(1, 2)[:, :, None]
        case "softmax":
            return x.softmax(dim=1)
        case "logistic":
            return torch.sigmoid(x)
        case "tanh":
            return torch.tanh(x)
        case "hard_swish":
            return functional.hardswish(x)
        case "leaky_relu":
            return functional.leaky_relu(x, node.slope)
        case "relu" | "requantize":
            return activate(functional.relu(x) if node.op == "relu" else x, node)
        case "l2_normalize":
            return functional.normalize(x, dim=1)
        case "average_pool":
            if node.pads is None or not any(node.pads):
                return functional.avg_pool2d(x, node.kernel, node.stride)
            inside = window_sums(torch.ones_like(x[:1, :1]), node)
            return window_sums(x, node) / inside
        case "max_pool":
            return functional.max_pool2d(padded(x, node, LOWEST), node.kernel, node.stride)
        case "mean":
            return x.mean(dim=(2, 3), keepdim=True)
        case "sum":
            return x.sum(dim=(2, 3), keepdim=True)
    raise ValueError(f"unknown operation {node.op!r}")


def window_sums(x: Tensor, node: Node) -> Tensor:
    """What an average pool divides: the sums over its windows, padding counting as zero."""
    return functional.avg_pool2d(padded(x, node), node.kernel, node.stride, divisor_override=1)


def as_matrices(x: Tensor) -> Tensor:
    """Maps of one row [N, C, 1, W] as matrices [N, W, C]."""
    return x.squeeze(2).transpose(1, 2)


class ChannelAffine(nn.Module):
    """A learned scale and shift of each channel: BatchNorm without its statistics."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to the same shape."""
        return x * self.weight[:, None, None] + self.bias[:, None, None]


class Convolution(nn.Module):
    """One convolution node: weights, then a norm or a bias, then the activation."""

    def __init__(self, graph: Graph, node: Node) -> None:
        super().__init__()
        self.node = node
        shape = graph.weight_shape(node)
        self.weight = nn.Parameter(torch.empty(shape))
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        if node.op == "depthwise":
            nn.init.normal_(self.weight, std=(2.0 / (shape[2] * shape[3])) ** 0.5)
        if node.norm == "none":
            # Heads have few outputs: by fan-out their logits would start saturated.
            nn.init.normal_(self.weight, std=(1.0 / (shape[1] * shape[2] * shape[3])) ** 0.5)
        if shape == (1, 1, 1, 1):
            # Of a peak the score is a rising function; a random sign could make it a falling one.
            nn.init.ones_(self.weight)
        channels = node.shape[0]
        self.norm: nn.BatchNorm2d | ChannelAffine | None = None
        if node.norm != "none":
            batch = node.norm == "batch"
            self.norm = nn.BatchNorm2d(channels) if batch else ChannelAffine(channels)
        self.bias = nn.Parameter(torch.zeros(channels)) if self.norm is None else None

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, channels, ceil(H / stride), ceil(W / stride)]."""
        x = convolve(self.node, x, self.weight, self.bias)
        return activate(x if self.norm is None else self.norm(x), self.node)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weights and bias with the norm folded in (BatchNorm by its running statistics)."""
        if self.norm is None:
            assert self.bias is not None
            return self.weight.detach(), self.bias.detach()
        gain, shift = self.norm.weight.detach(), self.norm.bias.detach()
        if isinstance(self.norm, nn.BatchNorm2d):
            mean, var = self.norm.running_mean, self.norm.running_var
            assert mean is not None and var is not None
            gain = gain / torch.sqrt(var + self.norm.eps)
            shift = shift - mean * gain
        return self.weight.detach() * gain[:, None, None, None], shift


class Constants(nn.Module):
    """A "scale" node: the input [N, 1, H, W] times learned constants [1, C, H, W]; and such."""

    def __init__(self, graph: Graph, node: Node) -> None:
        super().__init__()
        self.node = node
        self.weight = nn.Parameter(torch.randn(graph.weight_shape(node)) / node.shape[0] ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """[N, 1, H, W] to [N, C, H, W]; a "prelu" keeps the shape."""
        return by_constants(self.node, x, self.weight)


def by_constants(node: Node, x: Tensor, weight: Tensor) -> Tensor:
    """A "scale", an "offset" or a "prelu" node."""
    if node.op == "offset":
        return x + weight
    return torch.where(x >= 0, x, x * weight) if node.op == "prelu" else x * weight


class Gem(nn.Module):
    """A "gem" node: the generalised mean (arXiv 1711.02512) with a learned power p, cubed.

    Cubed, because a deployed GeM is the mean of cubes whose root the consumer takes: for p = 3
    both are the same numbers, and what follows the network need not know p.
    """

    def __init__(self) -> None:
        super().__init__()
        self.power = nn.Parameter(torch.tensor(3.0))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W], not negative, to [N, C, 1, 1]."""
        mean = (x.clamp(min=GEM_LEAST) ** self.power).mean(dim=(2, 3), keepdim=True)
        return mean ** (3 / self.power)


class Network(nn.Module):
    """The float network of a graph. Parameters do not depend on the input size.

    Attributes:
        graph: the description that is executed, node by node.
        layers: what is learned, by node name.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.layers = nn.ModuleDict(
            {node.name: _layer(graph, node) for node in graph.nodes if node.op in LEARNED}
        )

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> "Network":
        """The network in a float checkpoint, in inference mode.

        Raises:
            CheckpointError: the checkpoint is of another kind.
        """
        if checkpoint.kind != "float":
            raise CheckpointError(
                f"this needs a float checkpoint, and this one is of kind {checkpoint.kind!r}; give "
                "the float checkpoint it was made from."
            )
        network = cls(checkpoint.graph)
        network.load_state_dict({k: torch.from_numpy(v) for k, v in checkpoint.tensors.items()})
        return network.eval()

    def forward(self, image: Tensor, keep: tuple[str, ...] | None = None) -> dict[str, Tensor]:
        """Run on images [N, 3, H, W] float in [0, 1].

        Args:
            image: the batch; H and W may differ from the graph's where no resize or grid is hit.
            keep: names of nodes to return; the graph's outputs by default.

        Returns:
            Tensors [N, C, h, w] by node name.
        """
        values = {self.graph.input.name: image}
        for node in self.graph.nodes[1:]:
            inputs = [values[name] for name in node.inputs]
            if node.op in LEARNED:
                values[node.name] = self.layers[node.name](inputs[0])
            else:
                values[node.name] = rearrange(node, *inputs)
        return {name: values[name] for name in keep or self.graph.outputs}


def _layer(graph: Graph, node: Node) -> nn.Module:
    if node.op == "gem":
        return Gem()
    return Constants(graph, node) if node.op in CONSTANTS else Convolution(graph, node)
