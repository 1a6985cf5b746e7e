"""The networks of the zoo go the whole way: calibration, export, and the same bits in three.

VPR_EDGE_ZOO=all sends every one; by default those of Nano-VS-SLAM stay behind that are another's
graph in wider layers, or whose parts others have.
"""

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.firmware_bridge.conftest import OUR_NETWORKS
from tests.quantize.networks import exported
from vpr_edge.errors import CheckpointError
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.host import NativeModel
from vpr_edge.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from vpr_edge.models.network import Network
from vpr_edge.models.zoo import ZOO, build_graph, network_config, resized
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.quantize.integer import IntegerNetwork
from vpr_edge.quantize.model import Int8Model
from vpr_edge.quantize.post_training import post_training
from vpr_edge.tflite.read import read_tflite
from vpr_edge.tflite.tflm import Tflm

FIT = Preprocessing(24, 32)
FLAGS = ("-std=c99", "-O0", "-ffp-contract=off")
REPEATED = {
    name for name in ZOO
    if (name.startswith("nano-vs-slam-s") and name != "nano-vs-slam-s-a-fused-convap")
    or name in ("nano-vs-slam-n-a-mcu", "nano-vs-slam-n-a-fused-mcu")
}  # fmt: skip
SENT = [n for n in ZOO if n not in REPEATED or os.environ.get("VPR_EDGE_ZOO") == "all"]
AUTHORS = {
    "nano-vs-slam-n": (528_959, 1.04e9),
    "nano-vs-slam-n-fused": (404_639, 0.73e9),
    "nano-vs-slam-s": (928_079, 1.75e9),
    "nano-vs-slam-s-a-fused": (747_727, 1.24e9),
    "nano-vs-slam-s-a-fused-convap": (743_695, 1.24e9),
    "kp2dtiny-s": (387_000, None),
}
"""Parameters and multiply-accumulates of the authors' own definitions, 28 classes."""


def pictures(count: int) -> NDArray[np.uint8]:
    """Smooth random colours over the whole range, uint8 [count, H, W, 3]."""
    random = np.random.default_rng(0)
    noise = random.normal(size=(count, FIT.height, FIT.width, 3))
    smooth = np.stack([cv2.GaussianBlur(n, (0, 0), 2) for n in noise])
    return np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def float_checkpoint(name: str, path: Path) -> Path:
    """Random weights, BatchNorm statistics of a few pictures."""
    torch.manual_seed(0)
    config = resized(network_config(name), FIT.height, FIT.width)
    network = Network(build_graph(config))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        network(torch.from_numpy(FIT.to_float(pictures(6))))
    tensors = {key: value.numpy() for key, value in network.state_dict().items()}
    return save_checkpoint(path, Checkpoint("float", config, tensors, FIT))


@pytest.mark.parametrize("name", AUTHORS)
def test_networks_are_as_large_as_their_authors(name: str) -> None:
    graph = build_graph(replace(ZOO[name], classes=28))
    parameters, macs = AUTHORS[name]
    # Theirs count both numbers that BatchNorm learns, ours the bias that is left of them.
    norms = sum(node.shape[0] for node in graph.convolutions() if node.batch_norm)
    assert graph.parameters() + norms == pytest.approx(parameters, rel=0.02)
    if macs:
        # Ours count the matrix products of attention and NetVLAD too.
        convolutions = replace(graph, nodes=tuple(n for n in graph.nodes if n.op != "matmul"))
        assert convolutions.macs() == pytest.approx(macs, rel=0.02)


@pytest.mark.parametrize("name", ZOO)
def test_an_input_of_240x320_takes_the_same_weights(name: str) -> None:
    small, large = (Network(build_graph(resized(ZOO[name], *s))) for s in ((120, 160), (240, 320)))
    shapes = [{k: v.shape for k, v in n.state_dict().items()} for n in (small, large)]
    assert shapes[0] == shapes[1]
    with pytest.raises(CheckpointError, match="multiples of 8"):
        resized(ZOO[name], 120, 150)


@pytest.mark.parametrize("name", ZOO)
def test_every_weight_learns(name: str) -> None:
    torch.manual_seed(0)
    network = Network(build_graph(resized(ZOO[name], FIT.height, FIT.width)))
    outputs = network(torch.from_numpy(FIT.to_float(pictures(2))))
    # Squares alone would not tell unit vectors apart.
    loss = torch.stack([(v * torch.rand_like(v)).sum() for v in outputs.values()]).sum()
    loss.backward()
    for path, parameter in network.named_parameters():
        assert parameter.grad is not None, path
        assert torch.isfinite(parameter.grad).all(), path
        assert path.endswith("bias") or parameter.grad.abs().max() > 0, path


@pytest.mark.parametrize("name", ["nano-vs-slam-n", "nano-vs-slam-n-a-fused"])
def test_depth_comes_from_a_decoder_of_its_own_or_from_the_shared_one(name: str) -> None:
    plain = ZOO[name]
    deep = replace(plain, tasks=(*plain.tasks, "depth"))
    graph = build_graph(deep)
    assert graph["depth"].shape == (1, 60, 80)
    assert graph["depth"].shape[1:] == graph["segmentation"].shape[1:]
    own = graph.parameters() - build_graph(plain).parameters()
    fused_share = 9 * (plain.channels[5] // 4 + plain.channels[3]) * 24 + 24 + 9 * 24 + 1
    assert own == fused_share if plain.decoder == "fused" else own > 5 * fused_share


@pytest.mark.parametrize("name", SENT)
def test_int8_is_the_same_in_tflm_in_the_integer_pass_and_in_c(name: str, tmp_path: Path) -> None:
    images = pictures(6)
    checkpoint = float_checkpoint(name, tmp_path / "float.safetensors")
    model = post_training(checkpoint, list(images), {})
    stored = save_checkpoint(tmp_path / "int8.safetensors", model.to_checkpoint())
    assert Int8Model.from_checkpoint(load_checkpoint(stored)).config == model.config
    path = exported(model, tmp_path)[1]
    expected = Tflm(path).run(FIT.to_int8(images[:1]))
    passed = IntegerNetwork(model).run(images[:1])
    for tensor, theirs in zip(read_tflite(path).outputs, expected, strict=True):
        assert len(np.unique(theirs)) > 1, f"{tensor.name} is flat"
        np.testing.assert_array_equal(passed[tensor.name], theirs)
    # The C of these runs on photographs in tests/firmware_bridge/test_models.py.
    if name not in OUR_NETWORKS:
        compiled = NativeModel(compile_model(path), FLAGS).run(FIT.to_int8(images[:1]))
        for ours, theirs in zip(compiled, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
