"""A graph as a trainable torch module."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from vpr_edge.errors import CheckpointError
from vpr_edge.models.checkpoint import Checkpoint
from vpr_edge.models.graph import LEARNED, Graph, Node, same_padding

# Below this a power's derivative explodes.
GEM_LEAST = 1e-4


def pad_same(x: Tensor, node: Node) -> Tensor:
    """Zero-pad [N, C, H, W] as TFLite's SAME does for this convolution (odd row at the bottom)."""
    top, bottom = same_padding(x.shape[2], node.kernel[0], node.stride[0])
    left, right = same_padding(x.shape[3], node.kernel[1], node.stride[1])
    return functional.pad(x, (left, right, top, bottom)) if top + bottom + left + right else x


def activate(x: Tensor, activation: str) -> Tensor:
    """The fused activation of a node."""
    if activation == "relu":
        return functional.relu(x)
    return functional.hardtanh(x, 0.0, 6.0) if activation == "relu6" else x


def rearrange(node: Node, *inputs: Tensor) -> Tensor:
    """The operations without weights, on real values [N, C, H, W].

    Also right on integers held in floats where an operation only moves them (and for "max_pool");
    the integer forms of the others round.
    """
    x = inputs[0]
    match node.op:
        case "add":
            return activate(x + inputs[1], node.activation)
        case "mul":
            return x * inputs[1]
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
        case "crop":
            channels, rows, columns = node.shape
            return x[:, :channels, :rows, :columns]
        case "reshape":
            return x.reshape(len(x), *node.shape)
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
        case "l2_normalize":
            return functional.normalize(x, dim=1)
        case "average_pool":
            return functional.avg_pool2d(x, node.kernel, node.stride)
        case "max_pool":
            return functional.max_pool2d(x, node.kernel, node.stride)
        case "mean":
            return x.mean(dim=(2, 3), keepdim=True)
        case "sum":
            return x.sum(dim=(2, 3), keepdim=True)
    raise ValueError(f"unknown operation {node.op!r}")


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
        self.groups = node.shape[0] if node.op == "depthwise" else 1
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
        x = functional.conv2d(
            pad_same(x, self.node), self.weight, self.bias, self.node.stride, groups=self.groups
        )
        return activate(x if self.norm is None else self.norm(x), self.node.activation)

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
    """A "scale" node: the input [N, 1, H, W] times learned constants [1, C, H, W]."""

    def __init__(self, graph: Graph, node: Node) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(graph.weight_shape(node)) / node.shape[0] ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """[N, 1, H, W] to [N, C, H, W]."""
        return x * self.weight


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
    return Constants(graph, node) if node.op == "scale" else Convolution(graph, node)
