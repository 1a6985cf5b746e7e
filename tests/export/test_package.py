"""The output folder of an export: whole, described by its manifest, or not there."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.quantize.networks import GEM, int8_model
from vpr_edge.errors import CheckpointError, ModelError, OutputError
from vpr_edge.export.package import TARGETS, export
from vpr_edge.files import sha256
from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint, save_checkpoint
from vpr_edge.tflite.read import read_tflite

FILES = {
    "onnx": {"net.onnx"},
    "onnx-int8": {"net.onnx"},
    "tflite-int8": {"net.onnx", "net.tflite"},
    "c-array": {"net.onnx", "net.tflite", "net.c", "net.h", "net_tflm.h"},
    "tensorrt": {"net.onnx", "net_float.onnx", "build_engines.sh", "README.md"},
}


@pytest.mark.parametrize("target", FILES)
def test_the_manifest_names_every_file_with_its_digest(target: str, tmp_path: Path) -> None:
    source = find_checkpoint("nano" if target in ("onnx", "tensorrt") else "nano-int8")
    folder = export(source, target, tmp_path / "out", "net")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["files"]) == FILES[target]
    assert {path.name for path in folder.iterdir()} == FILES[target] | {"manifest.json"}
    for name, about in manifest["files"].items():
        assert about == {
            "sha256": sha256(folder / name),
            "bytes": len((folder / name).read_bytes()),
        }
    assert manifest["target"] == target
    assert manifest["preprocessing"] == load_checkpoint(source).preprocessing.to_dict()
    assert ("scale" in manifest["input"]) == (target not in ("onnx", "tensorrt"))
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("target", sorted(set(TARGETS) - set(FILES)))
def test_c_comes_with_the_model_it_was_made_from(target: str, tmp_path: Path) -> None:
    folder = export(find_checkpoint("nano-int8"), target, tmp_path / "out", "net")
    manifest = json.loads((folder / "manifest.json").read_text())
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert set(manifest["files"]) | {"manifest.json"} == there
    assert {"net.onnx", "net.tflite"} <= there
    assert manifest["model"]["sha256"] == sha256(folder / "net.tflite")


def test_a_tflite_file_becomes_c_and_nothing_else(tmp_path: Path) -> None:
    export(find_checkpoint("nano-int8"), "tflite-int8", tmp_path / "first", "net")
    path = tmp_path / "first" / "net.tflite"
    assert (export(path, "c", tmp_path / "second") / "net.c").is_file()
    with pytest.raises(ModelError, match="give a checkpoint"):
        export(path, "onnx", tmp_path / "third")
    with pytest.raises(OutputError, match="is for --target c"):
        export(path, "firmware", tmp_path / "third", backend="cmsis-nn")


def test_the_manifest_repeats_the_tensors_of_the_tflite(tmp_path: Path) -> None:
    folder = export(find_checkpoint("nano-int8"), "tflite-int8", tmp_path / "out", "net")
    manifest = json.loads((folder / "manifest.json").read_text())
    file = read_tflite(folder / "net.tflite")
    described = {about["name"]: about for about in (manifest["input"], *manifest["outputs"])}
    tensors = {tensor.name: tensor for tensor in (*file.inputs, *file.outputs)}
    assert set(described) == set(tensors)
    for name, tensor in tensors.items():
        assert tuple(described[name]["shape_nhwc"]) == tensor.shape
        assert np.float32(described[name]["scale"]) == tensor.scale[0]
        assert described[name]["zero_point"] == tensor.zero_point[0]
    assert len(manifest["operators"]) == len(file.operators)


def test_the_manifest_of_a_gem_network_carries_its_gains(tmp_path: Path) -> None:
    model = int8_model(GEM)
    assert model.place_gain is not None
    checkpoint = save_checkpoint(tmp_path / "gem.safetensors", model.to_checkpoint())
    folder = export(checkpoint, "onnx-int8", tmp_path / "out")
    outputs = json.loads((folder / "manifest.json").read_text())["outputs"]
    (transform,) = [about["transform"] for about in outputs if about["name"] == "place"]
    assert transform["root"] == 3
    np.testing.assert_array_equal(np.float32(transform["gain"]), model.place_gain)


def test_a_folder_is_replaced_whole_and_only_when_told(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    export(find_checkpoint("nano-int8"), "tflite-int8", folder)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="--overwrite"):
        export(find_checkpoint("nano-int8"), "onnx-int8", folder)
    assert (folder / "notes.txt").exists() and (folder / "nano.tflite").exists()
    export(find_checkpoint("nano-int8"), "onnx-int8", folder, overwrite=True)
    # Whole but for what is not ours.
    assert {path.name for path in folder.iterdir()} == {"nano.onnx", "manifest.json", "notes.txt"}


@pytest.mark.parametrize("target", sorted(set(TARGETS) - {"tensorrt"}))
def test_a_checkpoint_of_the_other_kind_is_refused(target: str, tmp_path: Path) -> None:
    wrong = find_checkpoint("nano-int8" if target == "onnx" else "nano")
    with pytest.raises(CheckpointError, match=f"{wrong} is of kind"):
        export(wrong, target, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_same_weights_take_pictures_of_another_size(tmp_path: Path) -> None:
    small = export(find_checkpoint("nano-int8"), "tflite-int8", tmp_path / "small", "net")
    large = export(
        find_checkpoint("nano-int8"), "tflite-int8", tmp_path / "large", height=240, width=320
    )
    before, after = (
        {tensor.name: tensor for tensor in (*file.inputs, *file.outputs)}
        for file in (read_tflite(small / "net.tflite"), read_tflite(large / "nano.tflite"))
    )
    assert after["image"].shape == (1, 240, 320, 3)
    assert after["descriptor"].shape == (1, 30, 40, 64)
    for name, tensor in before.items():
        np.testing.assert_array_equal(tensor.scale, after[name].scale)
    fit = json.loads((large / "manifest.json").read_text())["preprocessing"]
    assert (fit["height"], fit["width"]) == (240, 320)
    with pytest.raises(CheckpointError, match="multiples of 8"):
        export(find_checkpoint("nano-int8"), "tflite-int8", tmp_path / "odd", height=100)
    with pytest.raises(ModelError, match="is fixed"):
        export(small / "net.tflite", "c", tmp_path / "c", height=240)
