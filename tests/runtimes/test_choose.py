"""The runtimes against each other, on one calibrated network in all its artefacts."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.quantize.networks import GEM, images, int8_model
from vpr_edge.errors import ModelError
from vpr_edge.export.package import export
from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint, save_checkpoint
from vpr_edge.places.describe import place_descriptor
from vpr_edge.quantize.post_training import post_training
from vpr_edge.runtimes.choose import RUNTIMES, choose_runtimes, open_runtime, runtimes_for
from vpr_edge.runtimes.files import TflmRuntime
from vpr_edge.runtimes.peers import PEERS


def pictures(count: int, seed: int) -> list[NDArray[np.uint8]]:
    """Smooth random colour pictures of the network's size."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (count, 12, 16, 3)).astype(np.uint8)
    return [cv2.resize(one, (160, 120), interpolation=cv2.INTER_LINEAR) for one in small]


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The shipped `nano` calibrated on eight pictures: checkpoints and what is made of them."""
    folder = tmp_path_factory.mktemp("artefacts")
    nano = find_checkpoint("nano")
    int8 = folder / "int8.safetensors"
    save_checkpoint(int8, post_training(nano, pictures(8, seed=0), {}).to_checkpoint())
    export(nano, "onnx", folder / "float", "nano")
    export(int8, "tflite-int8", folder / "int8", "nano")
    return {
        "float": nano,
        "float onnx": folder / "float" / "nano.onnx",
        "int8": int8,
        "int8 onnx": folder / "int8" / "nano.onnx",
        "tflite": folder / "int8" / "nano.tflite",
    }


def test_onnx_runtime_computes_what_torch_computes(artefacts: dict[str, Path]) -> None:
    torch, onnx = open_runtime(artefacts["float"]), open_runtime(artefacts["float onnx"])
    assert (torch.name, onnx.name) == ("torch", "onnxruntime")
    for picture in pictures(3, seed=1):
        expected, maps = torch.run(picture), onnx.run(picture)
        assert set(maps) == set(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(maps[name], value, atol=1e-3, err_msg=name)
        assert place_descriptor(torch, picture) @ place_descriptor(onnx, picture) > 0.99999


@pytest.mark.parametrize("other", ["litert-reference", "integer"])
def test_the_integer_executions_equal_tflm_exactly(other: str, artefacts: dict[str, Path]) -> None:
    oracle = open_runtime(artefacts["tflite"], "tflm")
    runtime = open_runtime(artefacts["int8" if other == "integer" else "tflite"], other)
    for picture in pictures(3, seed=2):
        expected, maps = oracle.run(picture), runtime.run(picture)
        assert set(maps) == set(expected) == {
            "score", "location", "descriptor", "segmentation", "place"
        }  # fmt: skip
        for name, value in expected.items():
            assert len(np.unique(value)) > 4, f"{name} says nothing"
            np.testing.assert_array_equal(maps[name], value, err_msg=name)


def test_int8_describes_a_picture_as_float_does(artefacts: dict[str, Path]) -> None:
    reference = open_runtime(artefacts["float"])
    for key in ("int8", "int8 onnx", "tflite"):
        # A peer that happens to be installed may not take these.
        for name in set(choose_runtimes([artefacts[key]])[0]) - set(PEERS):
            runtime = open_runtime(artefacts[key], name)
            for picture in pictures(2, seed=3):
                vector = place_descriptor(runtime, picture)
                assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
                assert vector @ place_descriptor(reference, picture) > 0.98, name


def test_every_artefact_declares_the_same_of_itself(artefacts: dict[str, Path]) -> None:
    declared = [open_runtime(path).declaration for path in artefacts.values()]
    assert all(declaration == declared[0] for declaration in declared)
    assert declared[0].transforms["place"] == {"root": None, "gain": None}


def test_the_arena_holds_at_least_the_two_sides_of_the_widest_operation(
    artefacts: dict[str, Path],
) -> None:
    graph = load_checkpoint(artefacts["int8"]).graph
    sizes = {node.name: int(np.prod(node.shape)) for node in graph.nodes}
    # An operation's inputs and its result lie in the arena together.
    widest = max(
        sizes[node.name] + sum(sizes[name] for name in set(node.inputs)) for node in graph.nodes
    )
    runtime = open_runtime(artefacts["tflite"], "tflm")
    assert isinstance(runtime, TflmRuntime)
    assert widest <= runtime.arena_bytes() < 4 * widest


def test_gains_of_a_gem_place_reach_every_runtime(tmp_path: Path) -> None:
    model = int8_model(GEM)
    assert model.place_gain is not None and np.ptp(model.place_gain) > 0.1
    checkpoint = tmp_path / "gem.safetensors"
    save_checkpoint(checkpoint, model.to_checkpoint())
    export(checkpoint, "tflite-int8", tmp_path / "gem", "gem")
    picture = images(1, seed=4)[0]
    vectors = []
    for path, name in [
        (checkpoint, "integer"),
        (tmp_path / "gem" / "gem.onnx", "onnxruntime"),
        (tmp_path / "gem" / "gem.tflite", "tflm"),
    ]:
        runtime = open_runtime(path, name)
        transform = runtime.transforms["place"]
        assert transform["root"] == 3
        np.testing.assert_array_equal(np.float32(transform["gain"]), model.place_gain)
        # What the declaration says, spelled out.
        expected = np.cbrt(runtime.run(picture)["place"][0, 0]) * model.place_gain
        vectors.append(place_descriptor(runtime, picture))
        np.testing.assert_allclose(vectors[-1], expected / np.linalg.norm(expected), atol=1e-6)
    np.testing.assert_array_equal(vectors[0], vectors[2])


def test_a_runtime_that_does_not_fit_is_refused(artefacts: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="choose litert or litert-reference or tflm"):
        open_runtime(artefacts["tflite"], "onnxruntime")
    with pytest.raises(ModelError, match="does not exist"):
        runtimes_for(artefacts["tflite"].with_name("absent.tflite"))
    assert set(RUNTIMES) == {".onnx", ".tflite", ".safetensors"}
