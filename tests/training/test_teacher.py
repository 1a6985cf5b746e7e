"""Teachers from files and arrays."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.training.networks import (
    Reddest,
    detector_onnx,
    reddest_onnx,
    save_exported,
    save_torchscript,
)
from tests.training.tiny import TINY, tiny_data
from vpr_edge.errors import DataError, ModelError
from vpr_edge.models.network import Network
from vpr_edge.models.zoo import build_graph, network_config
from vpr_edge.training.batches import draw_batch
from vpr_edge.training.loop import train
from vpr_edge.training.model_file import open_model_file, prepared
from vpr_edge.training.recipe import Batch, TeacherInput, Weights
from vpr_edge.training.step import SealedBatch, Step, weights_at
from vpr_edge.training.teacher import DistillationTargets, keypoint_targets, teacher_maps

AS_IT_IS = TeacherInput(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VPR_EDGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3)).astype(np.uint8)


def test_the_input_of_a_file_is_resized_and_normalised_as_declared(pictures) -> None:
    takes = TeacherInput(24, 32, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
    found = prepared(pictures, takes)
    small = cv2.resize(pictures[1], (32, 24), interpolation=cv2.INTER_AREA) / 255
    expected = (small - [0.1, 0.2, 0.3]) / [0.5, 0.6, 0.7]
    np.testing.assert_allclose(found[1], expected.transpose(2, 0, 1), atol=1e-5)
    grey = prepared(pictures, replace(AS_IT_IS, grey=True))
    np.testing.assert_allclose(grey[:, 0], pictures.mean(3) / 255, atol=1e-5)


def test_every_kind_of_file_teaches_the_same_maps(pictures, tmp_path) -> None:
    paths = (
        reddest_onnx(tmp_path / "any.onnx", 48, 64),
        reddest_onnx(tmp_path / "one.onnx", 48, 64, batch=1),
        save_torchscript(Reddest(), tmp_path / "net.pt", 48, 64),
        save_exported(Reddest(), tmp_path / "net.pt2", 48, 64),
    )
    maps = [teacher_maps(str(path), AS_IT_IS, "town", pictures) for path in paths]
    for other in maps[1:]:
        np.testing.assert_allclose(other, maps[0], atol=2e-2)
    assert maps[0].shape == (3, 3, 8, 10)
    cell = pictures[0, 0:6, :7, 2].mean() / 255 * 20
    assert abs(float(maps[0][0, 2, 0, 0]) - cell) < 1.5


def test_maps_are_computed_once_for_pictures_and_file(pictures, tmp_path, cache) -> None:
    path = save_torchscript(Reddest(), tmp_path / "net.pt", 48, 64)
    first = teacher_maps(str(path), AS_IT_IS, "town", pictures)
    assert len(list(cache.iterdir())) == 1
    (stored,) = cache.iterdir()
    np.save(stored, first + 1)
    np.testing.assert_array_equal(teacher_maps(str(path), AS_IT_IS, "town", pictures), first + 1)
    other = teacher_maps(str(path), TeacherInput(), "town", pictures)
    assert not np.array_equal(other, first) and len(list(cache.iterdir())) == 2


def test_a_cached_array_needs_a_row_for_every_picture(pictures, tmp_path) -> None:
    path = tmp_path / "maps.npz"
    vectors = np.random.default_rng(1).normal(size=(3, 7)).astype(np.float32)
    np.savez(path, town=vectors)
    found = teacher_maps(str(path), AS_IT_IS, "town", pictures)
    np.testing.assert_allclose(found[:, :, 0, 0], vectors, atol=1e-2)
    with pytest.raises(DataError, match="3 rows in 'town' for 2 pictures"):
        teacher_maps(str(path), AS_IT_IS, "town", pictures[:2])
    with pytest.raises(DataError, match="no array 'tower'"):
        teacher_maps(str(path), AS_IT_IS, "tower", pictures)


def test_files_that_cannot_teach_are_named(pictures, tmp_path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        open_model_file(tmp_path / "none.onnx", AS_IT_IS)
    (tmp_path / "bad.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelError, match="not a readable ONNX"):
        open_model_file(tmp_path / "bad.onnx", AS_IT_IS)
    (tmp_path / "bad.pt").write_bytes(b"not a graph")
    with pytest.raises(ModelError, match="not TorchScript"):
        open_model_file(tmp_path / "bad.pt", AS_IT_IS)
    path = save_torchscript(Reddest(), tmp_path / "net.pt", 48, 64)
    with pytest.raises(ModelError, match="a keypoint teacher needs one"):
        keypoint_targets(str(path), AS_IT_IS, pictures)


def test_a_constant_teacher_s_targets_are_finite() -> None:
    maps = np.ones((4, 6, 2, 2), np.float16)
    centred, target = DistillationTargets([maps], 3)(maps)
    assert torch.isfinite(target).all() and not centred.any()


@pytest.mark.parametrize("grid", [True, False])
def test_a_student_comes_nearer_to_the_places_of_its_teacher(grid, town, tmp_path) -> None:
    plain = tiny_data(town)
    images = plain.places[0].images
    small = np.stack([cv2.resize(i, (10, 8), interpolation=cv2.INTER_AREA) for i in images])
    maps = small.transpose(0, 3, 1, 2).astype(np.float32) / 64
    maps = np.concatenate([maps, maps**2, np.abs(np.diff(maps, axis=1))], 1)
    np.savez(
        tmp_path / "maps.npz", town=maps if grid else maps[:, :, 3, 2:8].reshape(len(maps), -1)
    )
    off = Weights(contrast=0, keypoints=0, corners=0, segmentation=0, distill=1.0, relate=1.0)
    recipe = replace(TINY, teacher=str(tmp_path / "maps.npz"), weights=off, batch=Batch(6, 0, 0))
    data = tiny_data(town, recipe)
    config = network_config("nano")
    torch.manual_seed(0)
    step = Step(Network(build_graph(config)), config, recipe, data)
    optimizer = torch.optim.Adam(step.parameters(), lr=3e-3)
    batch = SealedBatch(draw_batch(data, recipe, 0))
    seen = []
    for _ in range(10):
        parts = step(batch, weights_at(off, 0))
        optimizer.zero_grad()
        torch.stack(list(parts.values())).sum().backward()
        optimizer.step()
        seen.append({name: part.item() for name, part in parts.items()})
    # The PCA of eight channels is too short for the place output: its own target is left out.
    assert set(seen[0]) == {"distill_maps", "relate"}
    for name, first in seen[0].items():
        assert seen[-1][name] < 0.8 * first, name


def test_keypoints_are_learned_from_a_teacher_s_file(town, tmp_path) -> None:
    path = detector_onnx(tmp_path / "net.onnx", 120, 160)
    weights = Weights(contrast=0, keypoints=0, corners=0, segmentation=0, keypoint_teacher=1.0)
    recipe = replace(
        TINY, keypoint_teacher=str(path), teacher_input=AS_IT_IS, weights=weights,
        batch=Batch(0, 3, 0), steps=12, log_every=4, learning_rate=3e-3,
    )  # fmt: skip
    data = tiny_data(town, recipe)
    assert data.keypoints is not None
    assert data.keypoints.score.shape == data.photographs.shape[:3]
    grey = data.photographs.mean(3) / 255
    np.testing.assert_allclose(data.keypoints.score.astype(np.float32), grey, atol=1e-3)
    batch = draw_batch(data, recipe, 0)
    assert batch.keypoints is not None and batch.keypoints.taught is not None
    seen: list[dict[str, float]] = []
    train(recipe, tmp_path / "run", data, lambda _s, f: seen.append(f))
    assert set(seen[0]) == {f"taught_{n}" for n in ("corners", "inside", "strength", "descriptor")}
    assert sum(seen[-1].values()) < sum(seen[0].values())
    assert seen[-1]["taught_descriptor"] < seen[0]["taught_descriptor"]
