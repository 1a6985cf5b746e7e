"""The commands as a user types them: figures, refusals, interruptions."""

import json
import os
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from vpr_edge.cli import cli
from vpr_edge.commands.ending import run_command
from vpr_edge.errors import OutputError
from vpr_edge.files import sha256
from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint, save_checkpoint

Refused = Callable[..., str]
COMMAND = str(Path(sys.executable).with_name("vpr-edge"))


def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    words = [COMMAND, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, cwd=cwd)


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str]) -> Refused:
    """Runs a command that must end with exit 2 and one sentence; returns the sentence."""

    def run_here(*arguments: object) -> str:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_command(partial(cli, [str(argument) for argument in arguments]))
        stdout, stderr = capfd.readouterr()
        said = stderr.splitlines()
        assert ended.value.code == 2 and stdout == ""
        assert len(said) == 1 and said[0].startswith("vpr-edge: ") and said[0].endswith("."), stderr
        return str(said[0])

    return run_here


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    for source, target in (("nano", "onnx"), ("nano-int8", "c-array")):
        done = run("export", source, "--target", target, "--output", folder / target)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """Six places, each seen twice, the second time darker."""
    rng = np.random.default_rng(0)
    for k in range(6):
        small = rng.integers(0, 255, (8, 10, 3)).astype(np.uint8)
        picture = cv2.resize(small, (160, 120), interpolation=cv2.INTER_CUBIC)
        for part, gain in (("database", 1.0), ("queries", 0.7)):
            folder = tmp_path / "places" / part
            folder.mkdir(parents=True, exist_ok=True)
            name = f"@{500000 + 100 * k}@4000000@@@@@{k}@@@@@@@{part}@.jpg"
            cv2.imwrite(str(folder / name), (picture * gain).astype(np.uint8))
    return tmp_path / "places"


@pytest.mark.parametrize("words", [["models"], ["doctor"], ["data"]])
def test_reporting_commands_print_json_and_nothing_else(words: list[str]) -> None:
    done = run(*words, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def test_help_of_every_command_shows_an_example_or_its_options() -> None:
    for words in ([], *[[c] for c in ("train", "quantize", "export", "bench", "eval", "data")]):
        done = run(*words, "--help")
        assert done.returncode == 0 and "vpr-edge" in done.stdout


def test_eval_prints_rows_of_float_and_int8(places: Path) -> None:
    done = run("eval", "nano", "nano-int8", "--data", places, "--json")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert {row["metric"] for row in rows} == {"recall_at_1", "recall_at_5", "recall_at_10"}
    assert {row["artefact"] for row in rows} == {"nano.safetensors", "nano-int8.safetensors"}
    assert set(rows[0]) == {"artefact", "device", "data", "metric", "value", "unit", "method"}
    assert all(row["value"] == 1.0 for row in rows if row["metric"] == "recall_at_1")


def test_bench_measures_every_runtime_of_an_artefact(
    exported: Path, tmp_path: Path, refused: Refused
) -> None:
    path = exported / "c-array" / "nano.tflite"
    output = tmp_path / "bench.json"
    done = run("bench", path, "--quick", "--json", "--output", output)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["rows"] == json.loads(output.read_text())["rows"]
    found = {(row["device"], row["metric"]): row["value"] for row in printed["rows"]}
    for runtime in ("litert", "litert-reference", "tflm"):
        assert found[f"host/{runtime}", "latency_median_ms"] > 0
        assert (
            found[f"host/{runtime}", "latency_p95_ms"]
            >= found[f"host/{runtime}", "latency_median_ms"]
        )
    # At the end of the network's widest layer 72 maps of 30x40 and 24 of them lie side by side.
    assert found["host/tflm", "arena_bytes"] > 60 * 80 * 16 * 2
    assert "exists already" in refused("bench", path, "--quick", "--output", output)


def test_manifest_names_every_file_and_its_digest(exported: Path) -> None:
    manifest = json.loads((exported / "c-array" / "manifest.json").read_text())
    names = {"nano.onnx", "nano.tflite", "nano.c", "nano.h", "nano_tflm.h"}
    assert set(manifest["files"]) == names
    for name, about in manifest["files"].items():
        assert sha256(exported / "c-array" / name) == about["sha256"]
    assert manifest["input"]["scale"] == pytest.approx(1 / 255)
    assert manifest["input"]["zero_point"] == -128
    assert manifest["parameters"] < 400_000 and manifest["macs"] < 60_000_000


def test_an_output_that_exists_is_kept_unless_told_otherwise(exported: Path) -> None:
    folder = exported / "onnx"
    before = (folder / "nano.onnx").stat().st_mtime_ns
    again = run("export", "nano", "--target", "onnx", "--output", folder)
    said = again.stderr
    assert again.returncode == 2 and again.stdout == "" and said.count("\n") == 1
    assert str(folder) in said and "--overwrite" in said
    assert (folder / "nano.onnx").stat().st_mtime_ns == before
    done = run("export", "nano", "--target", "onnx", "--output", folder, "--overwrite")
    assert done.returncode == 0
    assert (folder / "nano.onnx").stat().st_mtime_ns > before


def test_a_truncated_picture_is_named(places: Path, refused: Refused) -> None:
    picture = sorted((places / "queries").iterdir())[3]
    picture.write_bytes(picture.read_bytes()[:900])
    said = refused("eval", "nano-int8", "--data", places)
    assert str(picture) in said and "truncated" in said


def test_a_picture_that_would_fill_the_memory_is_named(places: Path, refused: Refused) -> None:
    picture = sorted((places / "queries").iterdir())[0]
    # 200 million pixels, more than twice what Pillow takes for honest; the header is enough.
    head = struct.pack(">IIBBBBB", 20000, 10000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(head)) + b"IHDR" + head
    crc = struct.pack(">I", zlib.crc32(b"IHDR" + head))
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + crc + bytes(64))
    assert str(picture) in refused("eval", "nano-int8", "--data", places)


def test_a_folder_without_pictures_is_named(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "database").mkdir()
    (tmp_path / "queries").mkdir()
    assert "holds no images" in refused("eval", "nano", "--data", tmp_path)
    assert "holds no images" in refused("eval", "nano", "--task", "keypoints", "--data", tmp_path)


@pytest.mark.parametrize("kind", [".safetensors", ".onnx", ".tflite"])
def test_an_artefact_cut_short_is_named(
    kind: str, exported: Path, tmp_path: Path, refused: Refused
) -> None:
    whole = {
        ".safetensors": find_checkpoint("nano"),
        ".onnx": exported / "onnx" / "nano.onnx",
        ".tflite": exported / "c-array" / "nano.tflite",
    }[kind]
    cut = tmp_path / f"cut{kind}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert str(cut) in refused("bench", cut, "--quick")


def test_a_checkpoint_of_the_other_kind_and_unknown_names_are_refused(
    tmp_path: Path, refused: Refused
) -> None:
    output = tmp_path / "out"
    assert "vpr-edge quantize" in refused("export", "nano", "--output", output)
    assert "float checkpoint" in refused(
        "export", "nano-int8", "--target", "onnx", "--output", output
    )
    assert "shipped are nano" in refused("export", "nanu", "--output", output)
    assert "shipped are nano" in refused("quantize", "nanu", "--output", output)
    assert "nanu" in refused("eval", "nanu", "--data", tmp_path)
    assert "nanu" in refused("bench", "nanu", "--quick")
    assert "YAML file or one of" in refused("train", "nanu", "--output", output)
    assert "nano-int8" in refused("quantize", "nano-int8", "--output", output)
    assert "nano-int8" in refused("quantize", "nano-int8", "--ptq", "--output", output)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["train", "nano"], ["quantize", "nano"], ["sequence", "nano", "--data", "x"]]
)
def test_commands_that_learn_name_the_extra_that_is_missing(
    words: list[str], tmp_path: Path
) -> None:
    without = (
        "import sys; sys.modules['torch'] = None;"
        f"sys.argv = ['vpr-edge', *{words!r}, '--output', {str(tmp_path / 'out')!r}];"
        "from vpr_edge.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "-e '.[train]'" in done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", folder], capture_output=True
        ).returncode
    )
    if not mounted:
        pytest.skip("a small disk cannot be mounted here: that needs root and mount")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_nothing_half_written(small_disk: Path, refused: Refused) -> None:
    for words in (["nano-int8"], ["nano", "--target", "onnx"]):
        said = refused("export", *words, "--output", small_disk / "out")
        assert str(small_disk / "out" / "nano.onnx") in said and "disk is full" in said
    assert list(small_disk.iterdir()) == []


def test_a_full_disk_keeps_what_was_to_be_replaced(small_disk: Path, refused: Refused) -> None:
    (small_disk / "out").mkdir()
    ours = '{"tool": "vpr-edge 0", "files": {}}'
    (small_disk / "out" / "manifest.json").write_text(ours)
    said = refused("export", "nano-int8", "--output", small_disk / "out", "--overwrite")
    assert "disk is full" in said
    assert [path.name for path in small_disk.iterdir()] == ["out"]
    assert (small_disk / "out" / "manifest.json").read_text() == ours


def test_a_checkpoint_that_does_not_fit_on_the_disk_leaves_nothing(small_disk: Path) -> None:
    with pytest.raises(OutputError, match="disk is full"):
        save_checkpoint(small_disk / "copy.safetensors", load_checkpoint(find_checkpoint("nano")))
    assert list(small_disk.iterdir()) == []


def test_a_full_disk_keeps_the_earlier_results_and_what_was_measured_is_printed(
    exported: Path, small_disk: Path
) -> None:
    path, output = exported / "onnx" / "nano.onnx", small_disk / "bench.json"
    assert run("bench", path, "--quick", "--output", output).returncode == 0
    before = output.read_bytes()
    room = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(bytes(room.f_bavail * room.f_frsize))
    done = run("bench", path, "--quick", "--output", output, "--append")
    assert done.returncode == 2 and "latency_median_ms" in done.stdout
    assert f"{output} could not be written: the disk is full" in done.stderr
    assert output.read_bytes() == before
    assert {one.name for one in small_disk.iterdir()} == {"bench.json", "filler"}


def test_an_interrupted_export_or_training_leaves_no_wreck(tmp_path: Path) -> None:
    from vpr_edge.datasets.town.rendered import TownConfig, default_cache, render_town

    environment = os.environ | {"VPR_EDGE_CACHE": str(tmp_path / "cache")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VPR_EDGE_CACHE", environment["VPR_EDGE_CACHE"])
        rendered = render_town(
            tmp_path / "tiny",
            TownConfig(splits=("train",), train_seeds=(11,), train_places=6, conditions=("night",)),
        )
        whole = default_cache()
    # The command takes the cached town for whole: it reads which towns there are from poses.csv.
    stored = json.loads((rendered / "town.json").read_text())
    stored["config"] = json.loads(json.dumps(vars(TownConfig())))
    (rendered / "town.json").write_text(json.dumps(stored))
    whole.parent.mkdir(parents=True)
    rendered.rename(whole)
    output = tmp_path / "int8.safetensors"
    words = [COMMAND, "quantize", "nano", "--output", str(output), "-s", "steps=100000"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("run folder"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "interrupted" in rest and "Traceback" not in rest
    assert not output.exists()
    assert not list(tmp_path.rglob(".writing-*"))
