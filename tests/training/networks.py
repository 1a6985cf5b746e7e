"""Small networks made by others: files to distil from and to label with."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn


class Reddest(nn.Module):
    """Class 0, 1 or 2 for the channel that is largest; logits at half the resolution."""

    def forward(self, x: Tensor) -> Tensor:
        return 20 * nn.functional.avg_pool2d(x, 2)


class Brightness(nn.Module):
    """The mean of the channels as a "depth" of up to ten metres, [N, 1, H, W]."""

    def forward(self, x: Tensor) -> Tensor:
        return 10 * x.mean(1, keepdim=True)


def save_torchscript(net: nn.Module, path: Path, height: int, width: int) -> Path:
    """As TorchScript."""
    torch.jit.trace(net.eval(), torch.rand(1, 3, height, width)).save(str(path))
    return path


def save_exported(net: nn.Module, path: Path, height: int, width: int) -> Path:
    """As an exported program, for any number of pictures."""
    pictures = torch.rand(2, 3, height, width)
    shapes = {"x": {0: torch.export.Dim("n")}}
    torch.export.save(torch.export.export(net.eval(), (pictures,), dynamic_shapes=shapes), path)
    return path


def reddest_onnx(path: Path, height: int, width: int, batch: int | str = "n") -> Path:
    """`Reddest` as ONNX, for a fixed number of pictures or any."""
    nodes = [
        helper.make_node("AveragePool", ["x"], ["half"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Mul", ["half", "twenty"], ["logits"]),
    ]
    return _save(path, nodes, [batch, 3, height, width], ("logits",))


def detector_onnx(path: Path, height: int, width: int) -> Path:
    """The brightness of every pixel as its score, the mean colour of 8x8 pixels as descriptor."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["scores"], axes=[1], keepdims=1),
        helper.make_node(
            "AveragePool", ["x"], ["descriptors"], kernel_shape=[8, 8], strides=[8, 8]
        ),
    ]
    return _save(path, nodes, ["n", 3, height, width], ("scores", "descriptors"))


def _save(
    path: Path, nodes: list[onnx.NodeProto], shape: list[int | str], outputs: tuple[str, ...]
) -> Path:
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.float32(20), "twenty")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path
