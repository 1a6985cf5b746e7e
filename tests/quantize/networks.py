"""Small quantised networks for the tests, and TFLM as their oracle."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from tflite_micro.python.tflite_micro import runtime

from vpr_edge.export.onnx import write_qdq_onnx
from vpr_edge.export.tflite import write_tflite
from vpr_edge.models.attention import self_attention
from vpr_edge.models.graph import Graph, GraphBuilder
from vpr_edge.models.heads import Features, place_head
from vpr_edge.models.network import Network
from vpr_edge.models.zoo import NetworkConfig, build_graph
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.quantize.calibrate import calibrate
from vpr_edge.quantize.fake import FakeQuantNetwork, to_int8_model
from vpr_edge.quantize.model import Int8Model
from vpr_edge.tflite.read import read_tflite

HEIGHT, WIDTH = 40, 56
FIT = Preprocessing(HEIGHT, WIDTH)
CONVAP = NetworkConfig("tiny", HEIGHT, WIDTH, stem=8, stages=((12, 2, 2), (16, 2, 2), (24, 2, 1)))
GEM = NetworkConfig(
    "tiny-gem", HEIGHT, WIDTH, stem=8, stages=((8, 2, 1), (12, 2, 1), (16, 2, 1)), head="gem"
)
# Without a pooled place map of their own to learn from, the smallest that has every operation.
GHOST = replace(
    GEM,
    name="tiny-ghost",
    head="ghostvlad",
    place_channels=12,
    place_clusters=5,
    place_ghosts=2,
    tasks=("places",),
)
PROJECTED = replace(GHOST, name="tiny-netvlad", head="netvlad", place_ghosts=0, place_projection=24)
ATTENTION = replace(
    GEM,
    name="tiny-attention",
    head="attention",
    place_clusters=3,
    attention=True,
    norm="affine",
    tasks=("segmentation", "places", "depth"),
)
PYRAMID = replace(GHOST, name="tiny-pyramid", head="pyramid", place_hidden=16, place_overview=20)
WHOLE_GRID = replace(PYRAMID, name="tiny-whole-grid", place_whole_grid=True, place_hidden=0)
UNSHUFFLED = replace(
    GEM, name="tiny-unshuffled", place_channels=12, pixel_unshuffle=2, tasks=("places",)
)


def odd_graph() -> Graph:
    """The operations and shapes that the zoo's small networks lack."""
    g = GraphBuilder(HEIGHT, WIDTH)
    x = g.conv("stem", g.image, 6, kernel=5, stride=2, activation="relu6")
    x = g.depthwise("wide", x, kernel=5, stride=2, activation="none")
    pooled = g.pool("pooled", x, (3, 3))
    peaks = g.pool("peaks", x, (2, 3), kind="max")
    signed = g.conv("signed", x, 6, kernel=3, activation="none", batch_norm=False)
    rectified = g.conv("rectified", x, 10, kernel=3)
    both = g.concat("both", signed, rectified)
    shuffled = g.depth_to_space("shuffled", both)
    doubled = g.add("doubled", shuffled, shuffled, activation="relu")
    product = g.mul("product", signed, x)
    grown = g.resize_nearest("grown", product, (23, 31))
    average = g.mean("average", product)
    return g.finish(tuple(n.name for n in (pooled, peaks, doubled, grown, average)))


def attentive_graph() -> Graph:
    """Self-attention, attention at two scales with a guide, and what else no zoo network has."""
    g = GraphBuilder(HEIGHT, WIDTH, norm="affine")
    fine = g.conv("fine", g.image, 8, kernel=3, stride=8)
    coarse = self_attention(g, "seen", g.conv("coarse", fine, 10, kernel=3, stride=2))
    guide = g.conv("guide", fine, 6, kernel=3)
    config = replace(ATTENTION, place_channels=8)
    place_head(g, config, Features(coarse, fine, guide))
    blocks = g.space_to_depth("blocks", g.crop("part", fine, (3, 5, 6)))
    chances = g.softmax("chances", blocks)
    total = g.sum("total", chances)
    return g.finish(("place", "seen", total.name))


def moving_graph() -> Graph:
    """What networks of other origin have: other paddings, groups, functions, orders."""
    g = GraphBuilder(HEIGHT, WIDTH)
    stem = g.node("stem", "conv", (g.image,), (8, 20, 28), kernel=(3, 3), stride=(2, 2),
                  pads=(1, 1, 1, 1), activation="relu6")  # fmt: skip
    wide = g.node("wide", "depthwise", (stem,), (16, 20, 28), kernel=(3, 3), pads=(2, 2, 2, 2),
                  dilation=(2, 2))  # fmt: skip
    grouped = g.node("grouped", "conv", (wide,), (12, 20, 28), kernel=(1, 3), groups=4)
    leaky = g.node("leaky", "leaky_relu", (grouped,), grouped.shape, slope=0.1)
    swish = g.node("swish", "hard_swish", (leaky,), grouped.shape)
    sloped = g.node("sloped", "prelu", (grouped,), grouped.shape)
    difference = g.node("difference", "sub", (swish, sloped), grouped.shape, activation="relu")
    squeezed = g.mean("squeezed", difference)
    gate = g.node("gate", "conv", (squeezed,), (12, 1, 1), limits=(0.0, 1.0))
    excited = g.node("excited", "mul", (difference, gate), grouped.shape)
    lifted = g.node("lifted", "offset", (leaky,), grouped.shape)
    bent = g.node("bent", "tanh", (grouped,), grouped.shape)
    apart = g.node("apart", "requantize", (bent,), grouped.shape)
    rectified = g.node("rectified", "relu", (grouped,), grouped.shape)
    clipped = g.node("clipped", "requantize", (grouped,), grouped.shape, limits=(-0.5, 1.0))
    joined = g.concat("joined", apart, rectified)
    shuffled = g.node("shuffled", "permute", (joined,), joined.shape, split=(2, 12, 20, 28),
                      order=(1, 0, 2, 3))  # fmt: skip
    turned = g.node("turned", "permute", (clipped,), (28, 12, 20), split=(12, 20, 28),
                    order=(2, 0, 1))  # fmt: skip
    part = g.node("part", "crop", (shuffled,), (12, 18, 20), begin=(6, 1, 3))
    framed = g.node("framed", "pad", (part,), (12, 20, 23), pads=(0, 1, 2, 2))
    grown = g.node("grown", "resize_bilinear", (framed,), (12, 33, 46))
    spread = g.node("spread", "transpose_conv", (framed,), (5, 41, 47), kernel=(3, 3),
                    stride=(2, 2))  # fmt: skip
    peaks = g.node("peaks", "max_pool", (spread,), (5, 21, 24), kernel=(3, 3), stride=(2, 2),
                   pads=(1, 1, 1, 1))  # fmt: skip
    smooth = g.node("smooth", "average_pool", (peaks,), peaks.shape, kernel=(3, 3),
                    pads=(1, 1, 1, 1))  # fmt: skip
    return g.finish(tuple(n.name for n in (turned, grown, smooth, excited, lifted)))


def images(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth random colour pictures over the whole range, uint8 [count, HEIGHT, WIDTH, 3]."""
    random = np.random.default_rng(seed)
    noise = [
        cv2.GaussianBlur(random.normal(size=(HEIGHT, WIDTH, 3)), (0, 0), 2) for _ in range(count)
    ]
    spans = [(n - n.min()) / (n.max() - n.min()) for n in noise]
    return np.stack([np.rint(255 * span) for span in spans]).astype(np.uint8)


def tensor(pictures: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(FIT.to_float(pictures))


def random_network(graph: Graph, seed: int = 0) -> Network:
    """Random weights, BatchNorm statistics of a few batches, random gains; in evaluation mode."""
    torch.manual_seed(seed)
    network = Network(graph)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
            torch.nn.init.uniform_(module.weight, 0.3, 1.5)
            torch.nn.init.normal_(module.bias, std=0.3)
    for name, parameter in network.named_parameters():
        if name.endswith(".bias") and "norm" not in name:
            torch.nn.init.normal_(parameter, std=0.3)
    with torch.no_grad():
        network(tensor(images(8, seed)))
    return network.eval()


def fake_quantized(graph: Graph) -> FakeQuantNetwork:
    return calibrate(FakeQuantNetwork(random_network(graph)), [tensor(images(8, seed=1))])


def int8_model(config: NetworkConfig) -> Int8Model:
    return to_int8_model(fake_quantized(build_graph(config)), config, FIT, {"data": "random"})


def graph_model(graph: Graph) -> Int8Model:
    return to_int8_model(fake_quantized(graph), None, FIT, {})


MODELS = {
    "convap": lambda: int8_model(CONVAP),
    "gem": lambda: int8_model(GEM),
    "ghostvlad": lambda: int8_model(GHOST),
    "projected": lambda: int8_model(PROJECTED),
    "attention": lambda: int8_model(ATTENTION),
    "unshuffled": lambda: int8_model(UNSHUFFLED),
    "odd": lambda: graph_model(odd_graph()),
    "moving": lambda: graph_model(moving_graph()),
    "attentive": lambda: graph_model(attentive_graph()),
}


def exported(model: Int8Model, folder: Path) -> tuple[Path, Path]:
    """QDQ ONNX and int8 TFLite of a model."""
    onnx_path = write_qdq_onnx(model, folder / "model.onnx")
    return onnx_path, write_tflite(onnx_path, folder / "model.tflite")


def tflm_tensors(path: Path, pictures: NDArray[np.uint8]) -> Iterator[dict[str, NDArray[np.int8]]]:
    """Every activation by name that TFLM computes for each picture."""
    file = read_tflite(path)
    interpreter = runtime.Interpreter.from_bytes(
        path.read_bytes(),
        arena_size=1 << 23,
        intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
    )
    for picture in pictures:
        interpreter.set_input(Preprocessing.to_int8(picture)[None], 0)
        interpreter.invoke()
        yield {
            entry.name: interpreter.GetTensor(index, 0)["tensor_data"].copy()
            for index, entry in enumerate(file.tensors)
            if entry.values is None
        }
