"""Steps on features: the same function as the whole network, and nothing else is changed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.quantize.networks import FIT, PYRAMID, exported, images, int8_model, random_network
from vpr_edge.errors import CheckpointError
from vpr_edge.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from vpr_edge.models.network import Network
from vpr_edge.models.part import boundary, part_behind
from vpr_edge.models.zoo import ZOO, NetworkConfig, build_graph
from vpr_edge.quantize.integer import IntegerNetwork
from vpr_edge.quantize.model import Int8Model
from vpr_edge.quantize.post_training import post_training
from vpr_edge.runtimes.integers import run_tflm
from vpr_edge.training import loop
from vpr_edge.training.batches import Data
from vpr_edge.training.features import picture_features
from vpr_edge.training.freeze import frozen_layers
from vpr_edge.training.graft import grafted
from vpr_edge.training.recipe import Batch, Recipe, Weights
from vpr_edge.training.sources import PlaceSource
from vpr_edge.training.teacher import DistillationTargets

WHOLE = replace(PYRAMID, tasks=("segmentation", "places"))


def stored(path: Path, config: NetworkConfig = WHOLE, seed: int = 0) -> Checkpoint:
    network = random_network(build_graph(config), seed)
    tensors = {key: value.numpy() for key, value in network.state_dict().items()}
    return load_checkpoint(save_checkpoint(path, Checkpoint("float", config, tensors, FIT)))


def test_the_part_behind_the_features_computes_what_the_whole_network_does(tmp_path: Path) -> None:
    checkpoint = stored(tmp_path / "a.safetensors")
    name = boundary(checkpoint.graph, frozen_layers(checkpoint.graph, (), ("places",)))
    network = Network.from_checkpoint(checkpoint)
    part = Network(part_behind(network.graph, name)).eval()
    part.load_state_dict({key: network.state_dict()[key] for key in part.state_dict()})
    pictures = images(3)
    found = picture_features(checkpoint, name, pictures, 2)
    assert found.shape[:2] == (2, 3)
    with torch.no_grad():
        expected = network(torch.from_numpy(FIT.to_float(pictures)))["place"]
        behind = part(torch.from_numpy(found[0].astype(np.float32)))["place"]
    torch.testing.assert_close(behind, expected, atol=5e-3, rtol=5e-3)
    assert np.abs(found[1] - found[0]).max() > 0.01, "the second view is in another light"


def test_layers_that_read_several_frozen_maps_are_refused() -> None:
    graph = build_graph(ZOO["nano"])
    with pytest.raises(CheckpointError, match="one map only"):
        boundary(graph, frozenset())


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPR_EDGE_CACHE", str(tmp_path / "cache"))


def test_training_on_features_moves_the_head_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stored(tmp_path / "init.safetensors")
    pictures = images(8)
    pairs = np.arange(8).reshape(4, 2)
    places = PlaceSource(
        "seasons", pictures, pairs, np.repeat(np.arange(4), 2), np.zeros(8, np.float32), 1
    )
    graph = build_graph(WHOLE)
    name = boundary(graph, frozen_layers(graph, (), ("places",)))
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(8, 20, *graph["place_cells"].shape[1:])).astype(np.float16)
    vectors = rng.normal(size=(8, 30, 1, 1)).astype(np.float16)
    data = Data(
        FIT, (places,), (maps,), DistillationTargets([maps], WHOLE.place_channels), pictures, None,
        (), (vectors,), DistillationTargets([vectors], WHOLE.place_overview),
        (picture_features(before, name, pictures, 2),),
    )  # fmt: skip
    recipe = Recipe(
        init=str(tmp_path / "init.safetensors"), only=("places",), variants=2, steps=60, warmup=1,
        batch=Batch(4, 0, 0), weights=Weights(relate=0.2, contrast=0.2), learning_rate=1e-2,
        sources={"seasons": 1.0}, average=0.5,
    )  # fmt: skip
    losses: list[float] = []
    path = loop.train(recipe, tmp_path / "run", data, lambda _, m: losses.append(sum(m.values())))
    assert losses[-1] < 0.9 * losses[0]
    after = load_checkpoint(path)
    moved = {
        key for key, value in after.tensors.items()
        if not np.array_equal(value, before.tensors[key])
    }  # fmt: skip
    assert moved and all(key.startswith("layers.place_") for key in moved)


def test_a_grafted_head_leaves_every_other_integer_and_equals_tflm(tmp_path: Path) -> None:
    before = stored(tmp_path / "a.safetensors")
    old = post_training(tmp_path / "a.safetensors", list(images(6)), {})
    other = stored(tmp_path / "b.safetensors", seed=1)
    tensors = {
        key: other.tensors[key] if key.startswith("layers.place_") else value
        for key, value in before.tensors.items()
    }
    changed = replace(before, tensors=tensors)
    model = grafted(old, changed, images(6), {"made": "by a test"})
    for name, layer in old.layers.items():
        if not name.startswith("place_"):
            np.testing.assert_array_equal(model.layers[name].weight, layer.weight)
            np.testing.assert_array_equal(model.layers[name].bias, layer.bias)
    pictures = images(3, seed=5)
    ours = IntegerNetwork(model).run(pictures)
    theirs = run_tflm(exported(model, tmp_path)[1], pictures)
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])
    np.testing.assert_array_equal(
        ours["segmentation"], IntegerNetwork(old).run(pictures)["segmentation"]
    )
    assert isinstance(model, Int8Model) and len(np.unique(ours["place"])) > 20


def test_a_head_of_another_network_is_not_grafted(tmp_path: Path) -> None:
    stranger = stored(tmp_path / "b.safetensors", seed=2)
    with pytest.raises(CheckpointError, match="another map"):
        grafted(int8_model(WHOLE), stranger, images(4), {})
