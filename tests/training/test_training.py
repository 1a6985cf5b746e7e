"""Recipes, sources and the loop, on a tiny rendered town."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vpr_edge.datasets.town import TownConfig, render_town
from vpr_edge.errors import CheckpointError, DataError
from vpr_edge.models.checkpoint import load_checkpoint
from vpr_edge.models.zoo import network_config
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.quantize.model import Int8Model
from vpr_edge.training.batches import Data, segmentation_batch
from vpr_edge.training.data import load_data
from vpr_edge.training.loop import train
from vpr_edge.training.quantization import recipe_config
from vpr_edge.training.recipe import Batch, Recipe, load_recipe
from vpr_edge.training.sources import WINDOWS, LabelledSource, photograph_places

TINY = Recipe(
    steps=4,
    batch=Batch(place_pairs=3, keypoint_pairs=1, segmentation=2),
    sources={"town": 1.0},
    warmup=1,
    save_every=2,
    log_every=1,
)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TownConfig(splits=("train",), train_seeds=(11,), train_places=6, conditions=("night",))
    return render_town(tmp_path_factory.mktemp("town") / "town", config)


@pytest.fixture(scope="module")
def data(town: Path):
    return load_data(TINY, network_config("nano"), None, town)


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path, data) -> None:
    whole = load_checkpoint(train(TINY, tmp_path / "whole", data))

    class Killed(Exception):
        pass

    def kill(step: int, _losses: dict[str, float]) -> None:
        if step == 3:
            raise Killed

    with pytest.raises(Killed):
        train(TINY, tmp_path / "cut", data, kill)
    steps: list[int] = []
    resumed = load_checkpoint(
        train(TINY, tmp_path / "cut", data, lambda step, _losses: steps.append(step))
    )
    assert steps == [3, 4]
    for name, value in whole.tensors.items():
        np.testing.assert_array_equal(resumed.tensors[name], value, err_msg=name)


def test_training_lowers_the_losses(tmp_path, data) -> None:
    seen: list[dict[str, float]] = []
    recipe = replace(TINY, steps=30, log_every=10, learning_rate=1e-3)
    train(recipe, tmp_path / "run", data, lambda _step, found: seen.append(found))
    assert seen[-1]["segmentation"] < seen[0]["segmentation"]
    assert sum(seen[-1].values()) < sum(seen[0].values())


@pytest.mark.parametrize("network", ["nano-gem", "nano-dedicated", "small"])
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


def test_overrides_reach_nested_settings_and_mistakes_are_named() -> None:
    recipe = load_recipe("nano", ("batch.place_pairs=5", "learning_rate=1e-4", "seed=7"))
    assert (recipe.batch.place_pairs, recipe.learning_rate, recipe.seed) == (5, 1e-4, 7)
    assert load_recipe("nano", ("teacher=",)).teacher == ""
    with pytest.raises(CheckpointError, match="no setting 'learning_rte'"):
        load_recipe("nano", ("learning_rte=1",))
    with pytest.raises(CheckpointError, match="steps must be int"):
        load_recipe("nano", ("steps=many",))
    with pytest.raises(CheckpointError, match="one of nano, qat"):
        load_recipe("nanu")


@pytest.mark.parametrize("name", ["nano", "tune", "qat"])
def test_every_recipe_of_the_package_names_what_exists(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe_config(recipe) == network_config("nano")
    assert set(recipe.sources) <= {"photographs", "nordland", "town", "tower"}
    assert set(recipe.labelled) <= {"town", "camvid"}
    assert recipe.quantize == (name == "qat")


def test_a_recipe_of_real_sources_without_data_says_what_to_do() -> None:
    with pytest.raises(DataError, match="pass --data"):
        load_data(load_recipe("nano"), network_config("nano"), None)


def test_evaluation_pictures_are_not_trained_on(shared: Path) -> None:
    from vpr_edge.datasets.nordland import load_nordland
    from vpr_edge.datasets.photographs import load_photographs
    from vpr_edge.preprocessing import Preprocessing
    from vpr_edge.training import sources

    fit = Preprocessing(60, 80)
    trained = {image.tobytes() for image in sources.nordland_places(shared, fit).images}
    held_out = load_nordland(shared / "vpr_nordland64")
    assert not trained & {fit.fit(image).tobytes() for image in held_out.queries[::50]}
    fit = Preprocessing(*sources.PHOTOGRAPH_SIZE)
    trained = {image.tobytes() for image in sources.training_photographs(shared)}
    tests = load_photographs(shared / "natural_bsds500", "test")
    for image in tests[::10]:
        upright = image if image.shape[1] >= image.shape[0] else np.rot90(image)
        assert fit.fit(upright).tobytes() not in trained


def test_labelled_pictures_come_by_the_shares_of_the_recipe() -> None:
    blank = np.zeros((1, 120, 160, 3), np.uint8)
    sources = tuple(
        LabelledSource(name, blank, np.full((1, 120, 160), label, np.uint8))
        for name, label in (("town", 3), ("camvid", 5))
    )
    data = Data(Preprocessing(120, 160), (), (), None, blank, sources)

    def share_of_camvid(town: float, camvid: float) -> float:
        recipe = Recipe(batch=Batch(segmentation=200), labelled={"town": town, "camvid": camvid})
        draws = np.random.default_rng(0), torch.Generator().manual_seed(0)
        _, labels = segmentation_batch(data, recipe, *draws)
        return float((labels[:, 60, 80] == 5).float().mean())

    assert share_of_camvid(1.0, 0.0) == 0.0
    assert abs(share_of_camvid(0.25, 0.75) - 0.75) < 0.1


def test_windows_of_one_photograph_are_no_negatives_of_each_other() -> None:
    rng = np.random.default_rng(0)
    photographs = rng.integers(0, 256, (3, 240, 320, 3)).astype(np.uint8)
    source = photograph_places(photographs, Preprocessing(120, 160))
    assert len(source.images) == 3 * (WINDOWS + 1)
    np.testing.assert_array_equal(source.track, np.repeat(np.arange(3), WINDOWS + 1))
    assert np.ptp(source.position) < source.guard
    assert len({image.tobytes() for image in source.images}) == len(source.images)
