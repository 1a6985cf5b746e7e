"""What `quantize` prepares: its recipe, and calibration alone."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vpr_edge.datasets.town.rendered import TownConfig, render_town
from vpr_edge.errors import CheckpointError
from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint, save_checkpoint
from vpr_edge.models.network import Network
from vpr_edge.quantize.even import even_channels
from vpr_edge.quantize.integer import IntegerNetwork
from vpr_edge.quantize.model import Int8Model
from vpr_edge.training.network import recipe_config
from vpr_edge.workflows.quantize import calibrated, qat_recipe

TINY = TownConfig(splits=("train",), train_seeds=(11,), train_places=6, conditions=("night",))


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny town in the place of the cached one."""
    folder = render_town(tmp_path / "town", TINY)
    monkeypatch.setattr("vpr_edge.training.data.render_town", lambda *_, **__: folder)
    return folder


def test_the_recipe_starts_at_the_checkpoint_and_needs_no_data_set() -> None:
    alone = qat_recipe("nano", None, ("steps=7",))
    assert (alone.init, alone.steps, dict(alone.sources)) == ("nano", 7, {"town": 1.0})
    with_data = qat_recipe("nano", Path("somewhere"), ())
    assert len(with_data.sources) > 1
    assert recipe_config(alone) == load_checkpoint(find_checkpoint("nano")).config


def test_calibration_alone_keeps_the_float_weights(town: Path) -> None:
    nano = find_checkpoint("nano")
    checkpoint = calibrated(qat_recipe("nano", None, ("teacher=''",)), nano, None)
    assert checkpoint.kind == "int8"
    assert checkpoint.provenance["method"] == "post-training calibration"
    assert checkpoint.provenance["sources"] == ["town"]
    model = Int8Model.from_checkpoint(checkpoint)
    # Powers of two apart, which `even_channels` moves from one layer to the next.
    tensors = even_channels(Network.from_checkpoint(load_checkpoint(nano))).state_dict()
    for node in model.graph.convolutions():
        weight = tensors[f"layers.{node.name}.weight"].double().numpy()
        if node.batch_norm:
            norm = f"layers.{node.name}.norm."
            gain = tensors[norm + "weight"] / torch.sqrt(tensors[norm + "running_var"] + 1e-5)
            weight *= gain.double().numpy()[:, None, None, None]
        layer = model.layers[node.name]
        steps = weight / layer.weight_scale[:, None, None, None]
        assert np.abs(steps - layer.weight).max() < 0.51, node.name


def test_a_calibrated_network_runs_and_survives_the_file(town: Path, tmp_path: Path) -> None:
    nano = find_checkpoint("nano")
    checkpoint = calibrated(qat_recipe("nano", None, ("teacher=''",)), nano, None)
    path = save_checkpoint(tmp_path / "int8.safetensors", checkpoint)
    picture = np.random.default_rng(0).integers(0, 256, (1, 120, 160, 3)).astype(np.uint8)
    before = IntegerNetwork(Int8Model.from_checkpoint(checkpoint)).run(picture)
    after = IntegerNetwork(Int8Model.from_checkpoint(load_checkpoint(path))).run(picture)
    for name, value in before.items():
        assert np.ptp(value.astype(int)) > 4, f"{name} says nothing"
        np.testing.assert_array_equal(after[name], value)


def test_an_int8_checkpoint_is_refused_before_any_work() -> None:
    with pytest.raises(CheckpointError, match="nano-int8 is an int8 checkpoint already"):
        qat_recipe("nano-int8", None, ())
