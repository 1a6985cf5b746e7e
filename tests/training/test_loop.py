"""The loop: losses, networks, frozen layers, mining, early stopping, one network from another."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from tests.training.tiny import TINY, tiny_data
from vpr_edge.errors import CheckpointError
from vpr_edge.metrics.segmentation import confusion, iou_of, predicted_labels
from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint
from vpr_edge.models.network import Network
from vpr_edge.models.zoo import network_config
from vpr_edge.quantize.model import Int8Model
from vpr_edge.training.loop import train
from vpr_edge.training.recipe import Batch, Mining, Validation, Weights

NO_LOSS = Weights(**dict.fromkeys((f.name for f in fields(Weights)), 0.0))


def test_training_lowers_the_losses(tmp_path, data) -> None:
    seen: list[dict[str, float]] = []
    recipe = replace(TINY, steps=30, log_every=10, learning_rate=1e-3)
    train(recipe, tmp_path / "run", data, lambda _step, found: seen.append(found))
    assert seen[-1]["segmentation"] < seen[0]["segmentation"]
    assert sum(seen[-1].values()) < sum(seen[0].values())


@pytest.mark.parametrize("network", ["nano-gem", "nano-dedicated", "small", "nano-vs-slam-n-mcu"])
def test_every_network_of_the_zoo_trains(network: str, tmp_path, data) -> None:
    seen: list[dict[str, float]] = []
    recipe = replace(TINY, network=network, steps=1, batch=Batch(2, 1, 1))
    trained = train(recipe, tmp_path / "run", data, lambda _step, found: seen.append(found))
    assert load_checkpoint(trained).config.name == network
    assert all(np.isfinite(list(found.values())).all() for found in seen)


def test_qat_ends_with_an_int8_checkpoint_of_the_same_network(tmp_path, data) -> None:
    start = train(replace(TINY, steps=2), tmp_path / "float", data)
    recipe = replace(TINY, init=str(start), quantize=True, exact_last=0.5)
    recipe = replace(recipe, weights=replace(recipe.weights, imitate=1.0))
    seen: list[dict[str, float]] = []
    path = train(recipe, tmp_path / "qat", data, lambda _step, found: seen.append(found))
    model = Int8Model.from_checkpoint(load_checkpoint(path))
    assert model.config == network_config("nano")
    assert set(model.layers) == {node.name for node in model.graph.convolutions()}
    assert all("imitate" in found for found in seen)


@pytest.mark.parametrize(
    ("name", "weight", "parts"),
    [
        ("triplet", 1.0, {"triplet"}),
        ("hinge", 1.0, {"hinge"}),
        ("multi_similarity", 1.0, {"multi_similarity"}),
        ("keypoint_triplet", 1.0, {"keypoint_triplet"}),
        ("usp", 1.0, {"keypoint_usp"}),
        ("inliers", 1.0, {"keypoint_inliers"}),
        ("domain", 0.1, {"domain"}),
        ("segmentation", {0: 1.0, 1: 0.5}, {"segmentation"}),
    ],
)
def test_a_loss_alone_moves_the_weights(name, weight, parts, tmp_path, data) -> None:
    recipe = replace(
        TINY, steps=2, weights=replace(NO_LOSS, **{name: weight}), batch=Batch(4, 1, 2),
        sources={"town": 1.0}, average=0.0,
    )  # fmt: skip
    seen: list[dict[str, float]] = []
    path = train(recipe, tmp_path, data, lambda _step, found: seen.append(found))
    assert [set(found) for found in seen] == [parts, parts]
    assert all(np.isfinite(list(found.values())).all() for found in seen)
    torch.manual_seed(recipe.seed)
    fresh = Network(load_checkpoint(path).graph).state_dict()
    moved = [k for k, v in load_checkpoint(path).tensors.items() if (v != fresh[k].numpy()).any()]
    assert any(key.startswith("layers.stem.weight") for key in moved)


def test_frozen_layers_keep_every_bit_and_other_tasks_their_outputs(tmp_path, data) -> None:
    recipe = replace(
        TINY, init="nano", freeze=("backbone",), only=("segmentation",), steps=3,
        batch=Batch(0, 0, 2), learning_rate=1e-2,
    )  # fmt: skip
    after = load_checkpoint(train(recipe, tmp_path / "run", data))
    before = load_checkpoint(find_checkpoint("nano"))
    for name, value in before.tensors.items():
        same = np.array_equal(after.tensors[name], value)
        trained = name.startswith("layers.segment")
        assert same or trained, name
        assert not (same and trained and name.endswith("weight")), name
    images = torch.from_numpy(data.fit.to_float(data.photographs[:2]))
    with torch.no_grad():
        outputs = [Network.from_checkpoint(c)(images) for c in (before, after)]
    for name in outputs[0]:
        assert torch.equal(outputs[0][name], outputs[1][name]) == (name != "segmentation")


def test_hard_negatives_are_mined_anew_while_the_head_learns(tmp_path, town) -> None:
    recipe = replace(
        TINY, init="nano", freeze=("backbone",), only=("places",), steps=4,
        batch=Batch(6, 0, 0), mining=Mining(every=2, nearest=3),
    )  # fmt: skip
    data = tiny_data(town, recipe)
    train(recipe, tmp_path / "mined", data)
    state = torch.load(tmp_path / "mined" / "state.pt", weights_only=True)
    (table,) = state["hard"]
    assert table.shape == (len(data.places[0].images), 3)
    assert int(table.max()) >= 0
    plain = train(replace(recipe, mining=Mining()), tmp_path / "plain", data)
    mined = load_checkpoint(tmp_path / "mined" / "checkpoint.safetensors")
    key = "layers.place_project.weight"
    assert not np.array_equal(mined.tensors[key], load_checkpoint(plain).tensors[key])


def test_a_run_stops_when_validation_no_longer_gains_and_keeps_the_best(tmp_path, data) -> None:
    recipe = replace(
        TINY, init="nano", steps=40, learning_rate=1.0, warmup=0, batch=Batch(0, 0, 2),
        validation=Validation("miou", every=2, share=0.3, patience=2),
    )  # fmt: skip
    steps: list[int] = []
    path = train(recipe, tmp_path / "run", data, lambda step, _found: steps.append(step))
    checkpoint = load_checkpoint(path)
    assert steps[-1] < 40 and checkpoint.provenance["steps"] == steps[-1]
    # The figure is that of the checkpoint on the last three tenths, judged by the benchmark.
    source = data.labelled[0]
    start = len(source.images) - round(0.3 * len(source.images))
    network = Network.from_checkpoint(checkpoint)
    counts = np.zeros((11, 11), np.int64)
    for image, labels in zip(source.images[start:], source.labels[start:], strict=True):
        with torch.no_grad():
            logits = network(torch.from_numpy(data.fit.to_float(image[None])))["segmentation"]
        found = predicted_labels(logits[0].permute(1, 2, 0).numpy(), labels.shape)
        counts += confusion(found, labels, 11, 11)
    judged = checkpoint.provenance["validation"]["miou"]
    assert judged == pytest.approx(float(np.nanmean(iou_of(counts))), abs=2e-3) and judged > 0


def test_checkpoints_kept_on_the_way_change_nothing(tmp_path, data) -> None:
    recipe = replace(TINY, steps=4, batch=Batch(2, 0, 1), learning_rate=1e-3)
    plain = load_checkpoint(train(recipe, tmp_path / "plain", data))
    kept = load_checkpoint(train(replace(recipe, keep_every=2), tmp_path / "kept", data))
    assert all(np.array_equal(kept.tensors[k], v) for k, v in plain.tensors.items())
    found = [load_checkpoint(tmp_path / "kept" / f"checkpoint-{n}.safetensors") for n in (2, 4)]
    assert [checkpoint.provenance["steps"] for checkpoint in found] == [2, 4]
    assert all(np.array_equal(found[1].tensors[k], v) for k, v in plain.tensors.items())
    assert any(not np.array_equal(found[0].tensors[k], v) for k, v in plain.tensors.items())


def test_the_best_figure_is_told_of_the_best_weights_alone(tmp_path, data) -> None:
    recipe = replace(
        TINY, steps=3, keep_every=3, batch=Batch(0, 0, 1),
        validation=Validation("miou", every=2, share=0.3, patience=9),
    )  # fmt: skip
    finished = load_checkpoint(train(recipe, tmp_path, data))
    kept = load_checkpoint(tmp_path / "checkpoint-3.safetensors")
    assert finished.provenance["validation"]["miou"] >= 0
    assert "validation" not in kept.provenance


def test_a_network_becomes_another_with_the_weights_that_fit(tmp_path, data) -> None:
    start = train(replace(TINY, steps=1, network="nano-vs-slam-n-fused"), tmp_path / "a", data)
    recipe = replace(
        TINY, init=str(start), become="nano-vs-slam-n-fused-mcu", steps=1, learning_rate=0.0,
        weights=replace(NO_LOSS, imitate=1.0), batch=Batch(0, 0, 1), average=0.0,
    )  # fmt: skip
    become = load_checkpoint(train(recipe, tmp_path / "b", data))
    assert become.config == network_config("nano-vs-slam-n-fused-mcu")
    given = load_checkpoint(start).tensors
    shared = [k for k in given if k.endswith("weight") and k in become.tensors]
    assert len(shared) > 10 and set(become.tensors) > set(shared)
    assert all(np.array_equal(become.tensors[k], given[k]) for k in shared)


def test_what_could_never_be_counted_is_refused_before_the_first_step(tmp_path, data) -> None:
    for name, needed in (("depth", "an output 'depth'"), ("imitate", "the setting init")):
        recipe = replace(TINY, weights=replace(NO_LOSS, **{name: 1.0}))
        with pytest.raises(CheckpointError, match=needed):
            train(recipe, tmp_path / name, data)
    recipe = replace(TINY, batch=Batch(0, 0, 0))
    with pytest.raises(CheckpointError, match="every part of the recipe's batch is 0"):
        train(recipe, tmp_path / "nothing", data)
    recipe = replace(TINY, weights=replace(NO_LOSS, segmentation={0: 0.0, 9: 1.0}))
    with pytest.raises(CheckpointError, match="in step 0"):
        train(recipe, tmp_path / "no weight", data)
