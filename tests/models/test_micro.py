"""The budgets of the network for the smallest chips."""

from pathlib import Path

import numpy as np

from tests.quantize.networks import exported
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.models.checkpoint import Checkpoint, save_checkpoint
from vpr_edge.models.network import Network
from vpr_edge.models.zoo import ZOO, build_graph
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.quantize.post_training import post_training


def test_micro_is_within_100_thousand_parameters_15_million_mac_and_48_kib(tmp_path: Path) -> None:
    config = ZOO["micro"]
    graph = build_graph(config)
    assert (config.height, config.width) == (96, 128)
    assert graph.parameters() <= 100_000 and graph.macs() <= 15e6
    fit = Preprocessing(config.height, config.width)
    tensors = {key: value.numpy() for key, value in Network(graph).state_dict().items()}
    path = save_checkpoint(
        tmp_path / "micro.safetensors", Checkpoint("float", config, tensors, fit)
    )
    pictures = np.random.default_rng(0).integers(0, 256, (2, 96, 128, 3)).astype(np.uint8)
    _, tflite = exported(post_training(path, list(pictures), {}), tmp_path)
    assert compile_model(tflite).arena_bytes <= 48 << 10
