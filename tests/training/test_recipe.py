"""Recipes: overrides, bases, schedules, stages; every recipe of the package."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vpr_edge.errors import CheckpointError
from vpr_edge.models.checkpoint import (
    Checkpoint,
    find_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from vpr_edge.models.network import Network
from vpr_edge.models.zoo import build_graph, network_config
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.training.data import _REAL
from vpr_edge.training.freeze import frozen_layers, layer_groups
from vpr_edge.training.loop import train
from vpr_edge.training.network import recipe_config
from vpr_edge.training.recipe import load_recipe, shipped_recipes
from vpr_edge.training.schedule import learning_rate, value_at
from vpr_edge.training.stages import Stage, chain, run_chain


def test_overrides_reach_nested_settings_and_mistakes_are_named() -> None:
    recipe = load_recipe("nano", ("batch.place_pairs=5", "learning_rate=1e-4", "seed=7"))
    assert (recipe.batch.place_pairs, recipe.learning_rate, recipe.seed) == (5, 1e-4, 7)
    assert load_recipe("nano", ("teacher=",)).teacher == ""
    with pytest.raises(CheckpointError, match="no setting 'learning_rte'"):
        load_recipe("nano", ("learning_rte=1",))
    with pytest.raises(CheckpointError, match="steps must be int"):
        load_recipe("nano", ("steps=many",))
    with pytest.raises(CheckpointError, match=r"one of .*full, mcu, multitask, nano"):
        load_recipe("nanu")


@pytest.mark.parametrize("name", [name for name in shipped_recipes() if name != "full"])
def test_every_recipe_of_the_package_names_what_exists(name: str) -> None:
    recipe = load_recipe(name)
    becomes = {"small": "small", "pyramid": "nano-pyramid"}
    assert recipe_config(recipe).name == becomes.get(name, "nano")
    known = {"photographs", "nordland", "town", "tower", "moved", "scenes", *_REAL}
    assert set(recipe.sources) <= known
    assert set(recipe.labelled) <= {"town", "camvid"}
    assert recipe.quantize == (name == "qat")


def test_a_recipe_takes_from_its_base_what_it_does_not_say_itself(tmp_path: Path) -> None:
    (tmp_path / "below.yaml").write_text("base: qat\nweights: {contrast: 0.5}\nseed: 3\n")
    (tmp_path / "above.yaml").write_text("base: below.yaml\nseed: 4\nsources: {town: 1.0}\n")
    found, qat = load_recipe(str(tmp_path / "above.yaml")), load_recipe("qat")
    weights = replace(qat.weights, contrast=0.5)
    assert found == replace(qat, weights=weights, seed=4, sources={"town": 1.0})
    (tmp_path / "below.yaml").write_text("base: above.yaml\n")
    with pytest.raises(CheckpointError, match="based on itself"):
        load_recipe(str(tmp_path / "above.yaml"))


def test_weights_follow_straight_lines_between_their_steps() -> None:
    recipe = load_recipe("nano", ("weights.corners={100: 2.0, 300: 1.0}",))
    found = [value_at(recipe.weights.corners, step) for step in (0, 100, 150, 300, 900)]
    assert found == [2.0, 2.0, 1.75, 1.0, 1.0]
    with pytest.raises(CheckpointError, match="learning_rate"):
        load_recipe("nano", ("learning_rate={0: 1.0}",))


def test_the_learning_rate_warms_up_and_ends_at_nothing() -> None:
    rates = [learning_rate(step, 100, 10) for step in range(100)]
    np.testing.assert_allclose(rates[:10], np.arange(1, 11) / 10)
    assert rates[10] == 1 and rates[-1] < 1e-3
    assert rates[55] == pytest.approx(0.5)
    assert (np.diff(rates[10:]) < 0).all()


def test_groups_of_layers_are_what_each_task_alone_needs() -> None:
    graph = build_graph(network_config("nano"))
    groups = layer_groups(graph)
    assert {"stem", "stage3_block3_project"} <= groups["backbone"]
    assert groups["places"] == {"place_mix_depthwise", "place_mix_pointwise", "place_project"}
    assert "trunk_pointwise" not in frozenset().union(*groups.values())
    alone = frozen_layers(graph, ("backbone", "trunk", "context", "detail"), ("segmentation",))
    rest = {node.name for node in graph.convolutions()} - alone
    assert rest == groups["segmentation"]
    with pytest.raises(CheckpointError, match="no layers 'backbon' to freeze"):
        frozen_layers(graph, ("backbon",), ())
    with pytest.raises(CheckpointError, match="leave no layer"):
        frozen_layers(graph, ("backbone",), ("stem",))


def test_a_chain_hands_each_checkpoint_on_and_skips_what_is_finished(tmp_path, data) -> None:
    tiny = tmp_path / "tiny.yaml"
    tiny.write_text(
        "steps: 1\nwarmup: 1\nbatch: {place_pairs: 2, keypoint_pairs: 1, segmentation: 1}\n"
    )
    fine = tmp_path / "fine.yaml"
    fine.write_text("base: tiny.yaml\nonly: [places]\nbatch: {segmentation: 0}\n")
    both = tmp_path / "both.yaml"
    both.write_text("stages: [tiny.yaml, fine.yaml]\n")
    stages = chain((str(both),), tmp_path / "run", ("seed=3", "fine:learning_rate=1e-2"))
    assert [stage.recipe.seed for stage in stages] == [3, 3]
    assert [stage.recipe.learning_rate for stage in stages] == [2e-3, 1e-2]
    assert stages[1].recipe.init == str(tmp_path / "run" / "1-tiny" / "checkpoint.safetensors")
    ran: list[str] = []

    def run(stage: Stage) -> Path:
        ran.append(stage.name)
        return train(stage.recipe, stage.folder, data)

    last = run_chain(stages, run)
    run_chain(stages, run)
    assert ran == ["tiny", "fine"]
    first, second = (load_checkpoint(stage.checkpoint).tensors for stage in stages)
    differing = {name.split(".")[1] for name in first if (first[name] != second[name]).any()}
    assert differing == {"place_mix_depthwise", "place_mix_pointwise", "place_project"}
    assert last == stages[1].checkpoint
    stages = chain((str(both),), tmp_path / "run", ("seed=4",))
    with pytest.raises(CheckpointError, match="seed 3, not 4"):
        run_chain(stages, run)


def test_chains_that_cannot_work_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="int8 checkpoint"):
        chain(("multitask", "qat", "places"), tmp_path)
    with pytest.raises(CheckpointError, match="'place', which is not among multitask, places"):
        chain(("multitask", "places"), tmp_path, ("place:steps=3",))
    assert [stage.name for stage in chain(("full",), tmp_path)] == [
        "multitask", "segmentation", "places", "qat",
    ]  # fmt: skip
    assert chain(("nano",), tmp_path)[0].folder == tmp_path


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("log_every=0", "log_every must be at least 1"),
        ("validation={patience: 0}", "patience must be at least 1"),
        ("seed=-1", "seed must be at least 0"),
        ("batch.place_pairs=-1", "place_pairs must be at least 0"),
        ("sources={town: abc}", "abc"),
        ("weights.contrast={}", "schedule of contrast is empty"),
    ],
)
def test_values_that_no_run_can_use_are_refused_when_they_are_read(setting: str, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        load_recipe("multitask", (setting,))


def test_recipes_that_hold_themselves_or_no_settings_are_refused(tmp_path: Path) -> None:
    chained = tmp_path / "chained.yaml"
    chained.write_text("stages: [chained.yaml]")
    with pytest.raises(CheckpointError, match="stage of itself"):
        chain((str(chained),), tmp_path / "run", ())
    (tmp_path / "odd.yaml").write_text("base: nano\nweights: 5")
    with pytest.raises(CheckpointError, match=r"odd\.yaml cannot be used"):
        load_recipe(str(tmp_path / "odd.yaml"))


def test_what_a_checkpoint_becomes_keeps_its_size_its_classes_and_its_reach(tmp_path: Path) -> None:
    given = replace(network_config("nano"), height=40, width=56, classes=5, keypoint_reach=0.75)
    tensors = {k: v.numpy() for k, v in Network(build_graph(given)).state_dict().items()}
    path = save_checkpoint(
        tmp_path / "given.safetensors", Checkpoint("float", given, tensors, Preprocessing(40, 56))
    )
    recipe = load_recipe("mcu", (f"init={path}", "become=nano-vs-slam-n-mcu"))
    found = recipe_config(recipe)
    assert (found.height, found.width, found.classes, found.keypoint_reach) == (40, 56, 5, 0.75)
    assert found.family == "nano_vs_slam"


def test_a_projection_of_the_whole_place_map_keeps_its_size() -> None:
    config = replace(network_config("nano"), place_projection=16)
    tensors = {k: v.numpy() for k, v in Network(build_graph(config)).state_dict().items()}
    checkpoint = Checkpoint("float", config, tensors, Preprocessing(120, 160))
    with pytest.raises(CheckpointError, match="spans the whole picture of 160x120"):
        checkpoint.resized(240, 320)


def test_a_picture_of_which_a_layer_keeps_nothing_is_refused() -> None:
    checkpoint = load_checkpoint(find_checkpoint("nano"))
    assert checkpoint.resized(24, 24).graph["place"].shape[1:] == (1, 1)
    for side in (16, 0, -8):
        with pytest.raises(CheckpointError, match=f"no pixels at {side}x{side}"):
            checkpoint.resized(side, side)
