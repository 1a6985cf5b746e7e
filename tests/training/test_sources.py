"""Where pictures come from, and what stays out."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from vpr_edge.errors import DataError
from vpr_edge.models.zoo import network_config
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.training.data import load_data
from vpr_edge.training.recipe import Batch, load_recipe
from vpr_edge.training.sources import WINDOWS, folder_labelled, photograph_places


def test_a_recipe_of_real_sources_without_data_says_what_to_do() -> None:
    with pytest.raises(DataError, match="pass --data"):
        load_data(load_recipe("nano"), network_config("nano"), None)


def test_evaluation_pictures_are_not_trained_on(data_sets: Path) -> None:
    from vpr_edge.datasets.nordland import load_nordland
    from vpr_edge.datasets.photographs import load_photographs
    from vpr_edge.training import sources

    fit = Preprocessing(60, 80)
    trained = {image.tobytes() for image in sources.nordland_places(data_sets, fit).images}
    held_out = load_nordland(data_sets / "vpr_nordland64")
    assert not trained & {fit.fit(image).tobytes() for image in held_out.queries}
    fit = Preprocessing(*sources.PHOTOGRAPH_SIZE)
    trained = {image.tobytes() for image in sources.training_photographs(data_sets)}
    tests = load_photographs(data_sets / "natural_bsds500", "test")
    for image in tests:
        upright = image if image.shape[1] >= image.shape[0] else np.rot90(image)
        assert fit.fit(upright).tobytes() not in trained


def test_windows_of_one_photograph_are_no_negatives_of_each_other() -> None:
    rng = np.random.default_rng(0)
    photographs = rng.integers(0, 256, (3, 240, 320, 3)).astype(np.uint8)
    source = photograph_places(photographs, Preprocessing(120, 160))
    assert len(source.images) == 3 * (WINDOWS + 1)
    np.testing.assert_array_equal(source.track, np.repeat(np.arange(3), WINDOWS + 1))
    assert np.ptp(source.position) < source.guard
    assert len({image.tobytes() for image in source.images}) == len(source.images)


def test_a_folder_of_labels_gives_classes_and_depth_where_it_has_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for part in ("train", "trainannot", "traindepth"):
        (tmp_path / part).mkdir()
    pictures = rng.integers(0, 256, (2, 60, 80, 3)).astype(np.uint8)
    for name, picture in zip("ab", pictures, strict=True):
        cv2.imwrite(str(tmp_path / "train" / f"{name}.png"), picture[..., ::-1])
    labels = rng.integers(0, 12, (60, 80)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "trainannot" / "a.png"), labels)
    depth = rng.integers(0, 5000, (60, 80)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "traindepth" / "b.png"), depth)
    source = folder_labelled(str(tmp_path), Preprocessing(60, 80))
    np.testing.assert_array_equal(source.images, pictures)
    np.testing.assert_array_equal(source.labels[0], labels)
    assert (source.labels[1] == 11).all()
    assert source.depth is not None and not source.depth[0].any()
    np.testing.assert_allclose(source.depth[1], depth / 256)
    cv2.imwrite(str(tmp_path / "train" / "c.png"), pictures[0])
    with pytest.raises(DataError, match=r"c\.png has no labels"):
        folder_labelled(str(tmp_path), Preprocessing(60, 80))


def test_a_recipe_that_segments_needs_labels_and_one_that_does_not_needs_none(town: Path) -> None:
    recipe = load_recipe("nano", ("sources={town: 1.0}", "teacher=", "labelled={camvid: 1.0}"))
    with pytest.raises(DataError, match="no labelled pictures"):
        load_data(recipe, network_config("nano"), None, town)
    recipe = load_recipe("places", ("sources={town: 1.0}", "teacher=", "labelled={camvid: 1.0}"))
    assert recipe.batch == Batch(48, 0, 0)
    assert load_data(recipe, network_config("nano"), None, town).labelled == ()
