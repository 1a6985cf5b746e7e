"""Recipes: overrides, bases, schedules, stages; every recipe of the package."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vpr_edge.errors import CheckpointError
from vpr_edge.models.checkpoint import load_checkpoint
from vpr_edge.models.zoo import build_graph, network_config
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
    assert recipe_config(recipe).name == ("small" if name == "small" else "nano")
    assert set(recipe.sources) <= {"photographs", "nordland", "town", "tower"}
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
