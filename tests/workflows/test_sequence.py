"""`vpr-edge sequence`: an LSTM from an artefact and a drive seen twice, and what it prints."""

import json
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from tflite_micro.python.tflite_micro import runtime

from vpr_edge.cli import cli
from vpr_edge.errors import DataError, OutputError
from vpr_edge.export.package import export
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.host import NativeModel
from vpr_edge.models.checkpoint import find_checkpoint
from vpr_edge.models.sequence import load_sequence
from vpr_edge.places.describe import place_descriptor
from vpr_edge.runtimes.choose import open_runtime
from vpr_edge.training.sequences import SequenceRecipe
from vpr_edge.workflows.sequence import (
    SequencePlan,
    last_frames,
    load_drives,
    remembered,
    write_sequence_file,
)

PLACES, LEARN, LENGTH = 44, 30, 4
WORDS = ["--length", str(LENGTH), "--units", "8", "--learn", str(LEARN), "--steps", "8"]


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ride past one long wall, by day and by night."""
    folder = tmp_path_factory.mktemp("drive")
    random = np.random.default_rng(3)
    wall = random.normal(size=(8, 100)).astype(np.float32)
    wall = 128 + 45 * cv2.resize(wall, (64 + 10 * PLACES, 64), interpolation=cv2.INTER_CUBIC)
    seen = np.stack([wall[:, 10 * i : 10 * i + 64] for i in range(PLACES)])
    night = 0.5 * seen + random.normal(scale=12, size=seen.shape)
    for season, images in (("summer", seen), ("winter", night)):
        stored = np.clip(images, 0, 255).astype(np.uint8)
        np.savez(folder / f"{season}.npz", images=stored)
    return folder


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("int8") / "out"
    return export(find_checkpoint("nano-int8"), "tflite-int8", folder) / "nano.tflite"


@pytest.fixture(scope="module")
def made(drive: Path, artefact: Path, tmp_path_factory: pytest.TempPathFactory):
    """The command's folder and rows."""
    folder = tmp_path_factory.mktemp("made") / "seq"
    words = ["sequence", str(artefact), "--data", str(drive), *WORDS, "--output", str(folder)]
    done = CliRunner().invoke(cli, [*words, "--json"], catch_exceptions=False)
    return folder, json.loads(done.stdout)["rows"]


def _described(drive: Path, artefact: Path) -> dict[str, np.ndarray]:
    network = open_runtime(artefact)
    found = {}
    for season in ("summer", "winter"):
        images = np.load(drive / f"{season}.npz")["images"][LEARN:]
        pictures = np.repeat(images[..., None], 3, axis=3)
        found[season] = np.stack([place_descriptor(network, picture) for picture in pictures])
    return found


def test_the_printed_recall_is_that_of_the_written_file_in_tflm(drive, artefact, made) -> None:
    folder, rows = made
    manifest = json.loads((folder / "manifest.json").read_text())
    path, taken = folder / "sequence.tflite", manifest["input"]
    oracle = runtime.Interpreter.from_bytes(path.read_bytes(), arena_size=1 << 20)
    native = NativeModel(compile_model(path))
    described = {}
    for season, vectors in _described(drive, artefact).items():
        states = []
        for end in range(len(vectors)):
            chosen = [max(0, end - back) for back in reversed(range(LENGTH))]
            real = vectors[chosen] * taken["factor"]
            stored = np.rint(real / taken["scale"]) + taken["zero_point"]
            stored = np.clip(stored, -128, 127).astype(np.int8)
            oracle.reset()
            oracle.set_input(stored[None], 0)
            oracle.invoke()
            states.append(oracle.get_output(0)[0])
            native.reset()
            np.testing.assert_array_equal(native.run(stored[None])[0][0], states[-1])
        last = np.stack(states)[:, -1].astype(np.float64) - manifest["output"]["zero_point"]
        described[season] = last / np.linalg.norm(last, axis=1, keepdims=True)
    assert len(np.unique(np.round(described["summer"], 3), axis=0)) > LENGTH
    for queries, database in (("winter", "summer"), ("summer", "winter")):
        nearest = np.argmax(described[queries] @ described[database].T, axis=1)
        recall = np.mean(np.abs(nearest - np.arange(PLACES - LEARN)) <= 1)
        (printed,) = (
            row["value"]
            for row in rows
            if row["metric"] == "recall_at_1"
            and row["artefact"] == "sequence.tflite"
            and f"{queries}->{database}" in row["data"]
        )
        assert printed == pytest.approx(recall)


def test_all_ways_are_judged_on_the_places_that_were_not_learned_from(made) -> None:
    folder, rows = made
    first = [row for row in rows if row["metric"] == "recall_at_1"]
    assert len(first) == 10 and all(f"places {LEARN} to {PLACES - 1}" in r["data"] for r in first)
    ways = [row["data"].split(", ")[4:-1] for row in first[:5]]
    assert [", ".join(way) for way in ways] == [
        "single frame",
        "sequence of 4 (trajectory)",
        "sequence of 4 (averaged descriptors)",
        "sequence of 4 (LSTM, float)",
        "sequence of 4 (LSTM, int8)",
    ]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["figures"] == rows
    assert manifest["provenance"]["descriptors"]["file"] == "nano.tflite"
    assert set(manifest["files"]) == {"sequence.tflite", "sequence.safetensors"}
    config = load_sequence(folder / "sequence.safetensors").config
    assert (config.descriptor, config.hidden, config.length) == (640, 8, LENGTH)


def test_qat_moves_the_int8_network_and_not_the_float_one(drive, artefact, made, tmp_path) -> None:
    words = ["sequence", str(artefact), "--data", str(drive), *WORDS, "--qat-steps", "3"]
    done = CliRunner().invoke(cli, [*words, "--output", str(tmp_path / "seq")])
    assert done.exit_code == 0 and "LSTM, int8" in done.stdout
    for file, same in (("sequence.safetensors", True), ("sequence.tflite", False)):
        calibrated, trained = (folder / file for folder in (made[0], tmp_path / "seq"))
        assert (trained.read_bytes() == calibrated.read_bytes()) == same


def test_sequences_end_at_each_frame_and_repeat_the_first() -> None:
    np.testing.assert_array_equal(
        last_frames(4, 3), [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]]
    )  # fmt: skip


def test_a_picture_is_described_once() -> None:
    calls = []

    def describe(image):
        calls.append(image)
        return np.full(2, image.mean(), np.float32)

    look = remembered(describe)
    pictures = [np.full((4, 4, 3), value, np.uint8) for value in (1, 2, 1)]
    assert [look(picture)[0] for picture in pictures] == [1, 2, 1] and len(calls) == 2


def test_an_interrupted_run_leaves_nothing(drive, artefact, tmp_path) -> None:
    @contextmanager
    def stage(name: str):
        if name == "judging":
            raise KeyboardInterrupt
        yield lambda done, total: None

    plan = SequencePlan(
        artefact, "litert", drive, LENGTH, 4, LEARN, SequenceRecipe(steps=1, batch=8)
    )
    with pytest.raises(KeyboardInterrupt):
        write_sequence_file(plan, tmp_path / "seq", stage)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_drive_or_too_short_is_refused(drive, artefact, tmp_path) -> None:
    (tmp_path / "gt.csv").write_text("query,ref_acceptable\nquery/a.png,b\n")
    for place in ("query/a.png", "ref/a.png", "ref/b.png"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / place), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(DataError, match="not one drive seen twice"):
        load_drives(tmp_path, 5)
    for length, learn in ((LENGTH, PLACES), (LENGTH, 2 * LENGTH), (20, None)):
        with pytest.raises(DataError, match=f"of the {PLACES} places"):
            load_drives(drive, length, learn)
    with pytest.raises(DataError, match="a sequence of 0 frames"):
        load_drives(drive, 0)
    words = ["sequence", str(artefact), "--data", str(drive)]
    refused = CliRunner().invoke(cli, [*words, "--length", "0"])
    assert refused.exit_code == 2 and "'--length': 0" in refused.stderr
    refused = CliRunner().invoke(cli, [*words, "--seed", "-1"])
    assert refused.exit_code == 2 and "'--seed': -1" in refused.stderr
    with pytest.raises(OutputError, match="exists already"):
        CliRunner().invoke(cli, [*words, "--output", str(tmp_path)], catch_exceptions=False)
    refused = CliRunner().invoke(cli, [*words, "--noise", "nan"])
    assert refused.exit_code == 2 and "'--noise'" in refused.stderr
