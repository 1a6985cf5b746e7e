"""The device's whole way: the C of every step against its twin, and judged as a user would."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vpr_edge.benchmarks.tasks.device import evaluate_on_device
from vpr_edge.benchmarks.tasks.evaluate import detector
from vpr_edge.benchmarks.tasks.places import evaluate_places
from vpr_edge.datasets.images import Images
from vpr_edge.datasets.place_set import PlaceSet
from vpr_edge.errors import DataError, ModelError
from vpr_edge.export.package import export
from vpr_edge.firmware_bridge.vision.camera import PixelFormat, camera_input
from vpr_edge.firmware_bridge.vision.corners import grey_picture
from vpr_edge.firmware_bridge.vision.decode_keypoints import find_snapped_keypoints
from vpr_edge.models.checkpoint import find_checkpoint
from vpr_edge.places.describe import place_descriptor
from vpr_edge.places.device_map import build_device_map
from vpr_edge.runtimes.choose import open_runtime
from vpr_edge.runtimes.device import DeviceRuntime
from vpr_edge.tflite.tflm import Tflm


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("device") / "out"
    return export(find_checkpoint("nano-int8"), "tflite-int8", folder) / "nano.tflite"


@pytest.fixture(scope="module")
def device(path: Path) -> DeviceRuntime:
    runtime = open_runtime(path, "device")
    assert isinstance(runtime, DeviceRuntime)
    return runtime


def scene(seed: int, size: tuple[int, int] = (260, 330)) -> NDArray[np.uint8]:
    """A picture with edges and corners: rectangles of random colours, and noise."""
    rng = np.random.default_rng(seed)
    picture = np.full((*size, 3), 90, np.uint8)
    for _ in range(40):
        y, x = rng.integers(0, size[0] - 20), rng.integers(0, size[1] - 20)
        height, width = rng.integers(8, 70, 2)
        picture[y : y + height, x : x + width] = rng.integers(0, 256, 3)
    noise = rng.integers(-6, 7, picture.shape)
    return np.clip(picture.astype(int) + noise, 0, 255).astype(np.uint8)


def test_maps_keypoints_and_labels_are_those_of_tflm_behind_the_cameras_twin(
    path: Path, device: DeviceRuntime
) -> None:
    picture, oracle = scene(0), Tflm(path)
    frame = picture.reshape(len(picture), -1)
    image = camera_input(frame, PixelFormat.RGB888, device.preprocessing)
    names = [tensor.name for tensor in oracle.file.outputs]
    maps = {n: m[0] for n, m in zip(names, oracle.run(image[None]), strict=True)}
    device.way.see(picture)

    np.testing.assert_array_equal(device.way.labels(), maps["segmentation"].argmax(-1))
    settings = device.way.decoding.keypoints
    assert settings is not None
    expected = find_snapped_keypoints(
        settings,
        maps["score"],
        maps["location"],
        grey_picture((image.astype(np.int16) + 128).astype(np.uint8)),
        300,
    )
    found = device.way.keypoints(snapped=True, most=300)
    assert len(found) > 50
    np.testing.assert_array_equal(found.xy * 64, expected.xy)
    np.testing.assert_array_equal(found.score, expected.score)
    np.testing.assert_allclose(np.linalg.norm(found.descriptor, axis=1), 1, atol=0.02)


def test_the_map_finds_what_its_twin_finds(device: DeviceRuntime) -> None:
    pictures = [scene(seed) for seed in range(12)]
    stored = build_device_map(np.stack([place_descriptor(device, one) for one in pictures]))
    for seed in (3, 7):
        device.way.see(np.roll(pictures[seed], 5, axis=1))
        query = device.way.place(stored.unit)
        found = device.way.search(stored.descriptors, stored.bias, stored.unit, query, 5)
        np.testing.assert_array_equal(found, stored.search(query, 5)[0])
        assert found[0] == seed


def test_places_are_recognised_as_the_network_alone_recognises_them(device: DeviceRuntime) -> None:
    database = _images([scene(seed) for seed in range(12)])
    queries = _images([np.roll(scene(seed), 5, axis=1) for seed in range(12)])
    places = PlaceSet("made up", database, queries, tuple(map(_one, range(12))), "one to one")
    whole = evaluate_on_device(device, places)
    alone = evaluate_places(lambda image: place_descriptor(device, image), places)
    assert whole.recall[1] == alone.recall[1] == 1.0
    assert whole.terms.endswith("int8 map on the device")


def _images(pictures: list[NDArray[np.uint8]]) -> Images:
    return Images(tuple(map(str, range(len(pictures)))), np.stack(pictures))


def _one(index: int) -> NDArray[np.int64]:
    return np.array([index])


def test_keypoints_lie_in_the_pictures_own_pixels(path: Path, device: DeviceRuntime) -> None:
    picture = scene(1)
    _, here = detector(device)(picture)
    _, there = detector(open_runtime(path, "c"))(picture)
    gap = np.linalg.norm(here.xy[:, None] - there.xy[None], axis=2).min(axis=1)
    assert np.mean(gap < 1.0) > 0.9


def test_a_frame_that_is_too_large_is_refused(device: DeviceRuntime) -> None:
    with pytest.raises(ModelError, match="takes no frame of 8000x10"):
        device.way.see(np.zeros((10, 8000, 3), np.uint8))


def test_sequences_are_not_for_the_devices_search(device: DeviceRuntime) -> None:
    from vpr_edge.benchmarks.tasks.evaluate import place_rows

    places = PlaceSet("m", _images([scene(0)]), _images([scene(0)]), (_one(0),), "t")
    with pytest.raises(DataError, match="choose --runtime c"):
        place_rows(device, places, sequence=3)
