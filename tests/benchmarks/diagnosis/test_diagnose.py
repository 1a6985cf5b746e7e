"""Diagnosis: against the checkpoint, the integer-exact pass, and networks that were spoilt."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from tests.firmware_bridge.stand_ins import residual
from vpr_edge.benchmarks.diagnosis import remedies
from vpr_edge.benchmarks.diagnosis.diagnose import diagnose, diagnose_artefact, int8_model
from vpr_edge.benchmarks.diagnosis.diagnosis import Remedy, advice
from vpr_edge.benchmarks.results import Results, Run, results_as_json, results_of_json
from vpr_edge.benchmarks.static import static_rows
from vpr_edge.cli import cli
from vpr_edge.errors import DataError, ModelError, ToolMissingError
from vpr_edge.export.package import export
from vpr_edge.firmware_bridge.emulate.cores import core_named
from vpr_edge.firmware_bridge.emulate.toolchain import choose_toolchain
from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint
from vpr_edge.models.network import Network
from vpr_edge.quantize.model import Int8Model
from vpr_edge.quantize.sensitivity import layer_errors

NANO = find_checkpoint("nano")


@pytest.fixture(scope="module")
def tflite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diagnose") / "int8"
    return export(find_checkpoint("nano-int8"), "tflite-int8", folder) / "nano.tflite"


@pytest.fixture(scope="module")
def pictures() -> NDArray[np.uint8]:
    """Soft shapes of many sizes, uint8 [4, 120, 160, 3]."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:120, 0:160]
    images = np.zeros((4, 120, 160, 3))
    for image in images:
        for _ in range(60):
            y, x, size = rng.uniform(0, 120), rng.uniform(0, 160), rng.uniform(2, 40)
            blob = 1 / (1 + np.exp(np.hypot(rows - y, columns - x) - size))
            image += blob[..., None] * rng.uniform(-90, 90, 3)
    return np.clip(128 + images, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def model(tflite: Path) -> Int8Model:
    return int8_model(tflite, load_checkpoint(NANO))


def _patient(model: Int8Model, pictures: NDArray[np.uint8]) -> remedies.Patient:
    return remedies.Patient(Network.from_checkpoint(load_checkpoint(NANO)), model, pictures)


def test_a_tflite_file_gives_back_the_numbers_of_its_checkpoint(model: Int8Model) -> None:
    stored = Int8Model.from_checkpoint(load_checkpoint(find_checkpoint("nano-int8")))
    assert model.activations == stored.activations
    assert model.layers.keys() == stored.layers.keys()
    for name, layer in stored.layers.items():
        for part in ("weight", "weight_scale", "bias"):
            np.testing.assert_array_equal(getattr(model.layers[name], part), getattr(layer, part))


def test_diagnosis_of_a_file_agrees_with_the_integer_exact_pass(
    tflite: Path, model: Int8Model, pictures: NDArray[np.uint8]
) -> None:
    found = diagnose(tflite, NANO, list(pictures), qat_steps=1)
    judged = {row.node: row for row in layer_errors(
        Network.from_checkpoint(load_checkpoint(NANO)), model, pictures[0::2])}  # fmt: skip
    assert set(found.errors) == set(judged) - {"image"}
    for name, error in found.errors.items():
        assert error.snr_db == pytest.approx(judged[name].snr_db)
    for output, snr in found.outputs.items():
        assert snr == pytest.approx(judged[output].snr_db)
    whole = {row.node: row for row in layer_errors(
        Network.from_checkpoint(load_checkpoint(NANO)), model, pictures)}  # fmt: skip
    for name, use in found.ranges.items():
        assert use.saturated_fraction == pytest.approx(whole[name].saturated_fraction)
        assert 0 <= use.dead_fraction < 1
    static = {row.metric: row.value for row in static_rows(tflite)}
    assert sum(layer.macs for layer in found.layers) == static["macs"]
    assert max(block.offset + block.bytes for block in found.blocks) <= found.arena_bytes
    assert {remedy.layer for remedy in found.remedies} >= {""}
    results = Results((Run(diagnoses=(found,)),))
    assert results_of_json(json.loads(json.dumps(results_as_json(results)))) == results
    assert len(advice(found.remedies)) == len({remedy.layer for remedy in found.remedies})


@pytest.mark.exact
def test_the_network_that_remedies_start_from_is_the_one_that_is_flashed(
    model: Int8Model, pictures: NDArray[np.uint8]
) -> None:
    patient = _patient(model, pictures)
    again = patient.stored(patient.fake())
    assert again.activations == model.activations
    for name, layer in model.layers.items():
        for part in ("weight", "weight_scale", "bias"):
            np.testing.assert_array_equal(getattr(again.layers[name], part), getattr(layer, part))


def test_a_clip_that_is_far_too_wide_is_found_and_moved_back(
    model: Int8Model, pictures: NDArray[np.uint8]
) -> None:
    name = "stage1_block1_project"
    affine = model.activations[name]
    fake = _patient(model, pictures).fake()
    fake.quantizer(name).set(replace(affine, scale=np.float32(affine.scale * 24)))
    patient = _patient(_patient(model, pictures).stored(fake), pictures)
    before, after = remedies.wide_errors(patient)
    gains = {node: after[node].mean - before[node].mean for node in before}
    assert max(gains, key=lambda node: gains[node]) == name
    sick = patient.errors(patient.model, name)
    _, cured = remedies.move_clip(patient, name)
    sound = _patient(model, pictures).errors(model, name)
    assert sick.layer < sound.layer - 6
    assert cured.layer > sound.layer - 1.5
    assert cured.mean > sick.mean + 1


def test_channels_that_are_uneven_are_equalised_without_changing_the_network(
    model: Int8Model, pictures: NDArray[np.uint8]
) -> None:
    patient = _patient(model, pictures)
    node = patient.graph["stage2_block1_expand"]
    reader = remedies.equalisable(patient.graph, node)
    assert reader is not None and reader.op == "depthwise"
    found = remedies.equalise(patient, node)
    assert found is not None
    before = patient.errors(model, node.name)
    # Were the factors not taken back exactly, the outputs would be lost altogether.
    assert found[1].mean > before.mean - 1
    assert found[1].layer > before.layer - 1


def test_layers_with_several_readers_are_not_equalised(model: Int8Model) -> None:
    graph = model.graph
    for node in graph.nodes:
        readers = [n for n in graph.nodes if node.name in n.inputs]
        if len(readers) > 1 or node.op == "add" or node.name in graph.outputs:
            assert remedies.equalisable(graph, node) is None


def test_advice_prefers_what_an_int8_file_can_hold() -> None:
    wide = Remedy("a", "kept in 16 bits", True, 10, 20, {"o": 10.0}, {"o": 14.0})
    clip = Remedy("a", "clip moved", False, 10, 12, {"o": 10.0}, {"o": 11.0})
    (line,) = advice([wide, clip])
    assert line.startswith("a: clip moved gains 1.0 dB")
    assert "16 bits (simulated) +4.0 dB" in line
    (line,) = advice([wide, replace(clip, after={"o": 9.0})])
    assert "leave it as it is" in line


def test_a_strangers_file_is_diagnosed_on_the_inputs_given(tmp_path: Path) -> None:
    model = residual(tmp_path / "ic.tflite")
    inputs = np.random.default_rng(0).integers(-128, 128, (3, 32, 32, 3)).astype(np.int8)
    np.save(tmp_path / "inputs.npy", inputs)
    found = diagnose_artefact(model, inputs=tmp_path / "inputs.npy")
    assert sum(layer.macs for layer in found.layers) == 12_501_632
    assert found.ranges and not found.errors and not found.remedies
    assert not diagnose_artefact(model).ranges


def test_bench_layers_adds_the_diagnosis_to_rows_and_table(tmp_path: Path) -> None:
    try:
        choose_toolchain(core_named("cortex-m4"))
    except ToolMissingError as error:
        pytest.skip(f"nothing to count instructions with: {error}")
    model = str(residual(tmp_path / "ic.tflite"))
    np.save(tmp_path / "inputs.npy", np.zeros((1, 32, 32, 3), np.int8))
    asked = ["bench", model, "--device", "cortex-m4", "--layers"]
    asked += ["--inputs", str(tmp_path / "inputs.npy")]
    told = CliRunner().invoke(cli, [*asked, "--json"])
    assert told.exit_code == 0, told.output
    answer = json.loads(told.stdout)
    counted = {row["metric"] for row in answer["rows"] if row["metric"].startswith("layer_")}
    (found,) = answer["diagnoses"]
    # A reshape runs nothing, so nothing is counted of it.
    run = [layer for layer in found["layers"] if layer["op"] != "RESHAPE"]
    assert counted == {f"layer_{one['index']}_{one['op']}_instructions" for one in run}
    assert "the 12 layers that cost most of 16" in CliRunner().invoke(cli, asked).stdout


def test_inputs_of_another_shape_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "inputs.npy", np.zeros((3, 16, 16, 3), np.int8))
    with pytest.raises(DataError, match=r"takes 1 input of int8 \[N, 32, 32, 3\]"):
        diagnose_artefact(residual(tmp_path / "ic.tflite"), inputs=tmp_path / "inputs.npy")
    (tmp_path / "text.npy").write_text("no numbers")
    with pytest.raises(DataError, match=r"not a \.npy file"):
        diagnose_artefact(residual(tmp_path / "ic.tflite"), inputs=tmp_path / "text.npy")


def test_a_reference_of_another_network_is_refused(tflite: Path) -> None:
    config = replace(load_checkpoint(NANO).config, stages=((24, 3, 3), (40, 5, 4), (64, 5, 3)))
    other = replace(load_checkpoint(NANO), config=config)
    with pytest.raises(ModelError, match="has no tensor"):
        int8_model(tflite, other)
