"""The graph of each zoo network, and the torch module that runs it."""

import numpy as np
import pytest
import torch

from vpr_edge.errors import CheckpointError
from vpr_edge.models.checkpoint import Checkpoint, find_checkpoint, load_checkpoint, save_checkpoint
from vpr_edge.models.graph import GraphBuilder, same_padding
from vpr_edge.models.network import Convolution, Network
from vpr_edge.models.zoo import ZOO, build_graph, network_config, resized
from vpr_edge.preprocessing import Preprocessing

BUDGETS = {"nano": (0.4e6, 60e6), "small": (0.9e6, 150e6)}


@pytest.mark.parametrize("name", BUDGETS)
def test_network_keeps_its_budget(name: str) -> None:
    graph = build_graph(ZOO[name])
    parameters, macs = BUDGETS[name]
    assert graph.parameters() <= parameters
    assert graph.macs() <= macs


@pytest.mark.parametrize("name", ZOO)
def test_counted_parameters_and_shapes_are_those_of_the_torch_module(name: str) -> None:
    graph = build_graph(ZOO[name])
    network = Network(graph).eval()
    counted = 0
    for layer in network.layers.values():
        learned = layer.folded() if isinstance(layer, Convolution) else (layer.weight,)
        counted += sum(values.numel() for values in learned)
    assert counted == graph.parameters()
    outputs = network(torch.rand(1, 3, ZOO[name].height, ZOO[name].width))
    assert {k: tuple(v.shape[1:]) for k, v in outputs.items()} == {
        k: graph[k].shape for k in graph.outputs
    }


def test_counted_macs_are_those_that_torch_counts() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    config = ZOO["nano"]
    with FlopCounterMode(display=False) as counter:
        Network(build_graph(config)).eval()(torch.rand(1, 3, config.height, config.width))
    assert counter.get_total_flops() == 2 * build_graph(config).macs()


def test_weights_fit_every_input_size() -> None:
    config = ZOO["nano"]
    network = Network(build_graph(config))
    larger = Network(build_graph(resized(config, 240, 320)))
    larger.load_state_dict(network.state_dict())


@pytest.mark.parametrize("size", [7, 8, 15, 120])
@pytest.mark.parametrize("kernel,stride", [(1, 1), (3, 1), (3, 2), (5, 2)])
def test_same_padding_gives_the_output_size_of_tflite(size: int, kernel: int, stride: int) -> None:
    before, after = same_padding(size, kernel, stride)
    assert (size + before + after - kernel) // stride + 1 == -(-size // stride)
    assert after - before in (0, 1)


def test_concatenated_and_pooled_tensors_share_parameters() -> None:
    g = GraphBuilder(8, 8)
    a, b = g.conv("a", g.image, 4), g.conv("b", g.image, 4)
    joined = g.concat("joined", a, b)
    g.conv("c", g.pool("pooled", joined, (2, 2)), 4)
    groups = g.finish(("c",)).parameter_groups()
    assert groups["a"] == groups["b"] == groups["joined"] == groups["pooled"]
    assert len({groups["image"], groups["a"], groups["c"]}) == 3


def test_checkpoint_survives_a_round_trip(tmp_path) -> None:
    config = ZOO["nano-gem"]
    tensors = {k: v.numpy() for k, v in Network(build_graph(config)).state_dict().items()}
    written = Checkpoint("float", config, tensors, Preprocessing(120, 160), {"recipe": {"seed": 1}})
    read = load_checkpoint(save_checkpoint(tmp_path / "c.safetensors", written))
    assert (read.config, read.preprocessing, read.provenance) == (
        written.config,
        written.preprocessing,
        written.provenance,
    )
    assert all(np.array_equal(read.tensors[k], v) for k, v in tensors.items())


def test_unusable_checkpoints_are_refused_with_a_sentence(tmp_path) -> None:
    tensors = {k: v.numpy() for k, v in Network(build_graph(ZOO["nano"])).state_dict().items()}
    whole = save_checkpoint(
        tmp_path / "whole.safetensors",
        Checkpoint("float", ZOO["nano"], tensors, Preprocessing(120, 160)),
    )
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(whole.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        load_checkpoint(cut)

    from safetensors.numpy import save_file

    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": np.zeros(3)}, foreign)
    with pytest.raises(CheckpointError, match="another program"):
        load_checkpoint(foreign)
    del tensors["layers.stem.weight"]
    broken = save_checkpoint(
        tmp_path / "broken.safetensors",
        Checkpoint("float", ZOO["nano"], tensors, Preprocessing(120, 160)),
    )
    with pytest.raises(CheckpointError, match=r"layers\.stem\.weight is missing"):
        load_checkpoint(broken)
    with pytest.raises(CheckpointError, match="choose one of nano"):
        network_config("nanu")
    with pytest.raises(CheckpointError, match="neither a file nor a shipped"):
        find_checkpoint("nanu")
