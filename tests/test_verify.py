"""`vpr-edge verify`: an export that was touched is told from one that was not."""

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vpr_edge.cli import cli
from vpr_edge.errors import DataError
from vpr_edge.export.package import export
from vpr_edge.models.checkpoint import find_checkpoint


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    export(find_checkpoint("nano-int8"), "firmware", folder / "firmware", golden=1)
    export(find_checkpoint("nano-int8"), "c-array", folder / "array", "model")
    return folder


def verify(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(cli, ["verify", str(folder), *options])


def findings(folder: Path, *options: str) -> dict[str, str]:
    report = json.loads(verify(folder, "--json", *options).stdout)
    return {
        one["subject"]: f"{one['verdict']}: {one['sentence']}"
        for one in report["findings"]
        if one["verdict"] != "right" or one["subject"] == "golden vectors"
    }


def test_an_untouched_firmware_is_right_and_its_golden_vectors_run(exported: Path) -> None:
    done = verify(exported / "firmware")
    assert done.exit_code == 0, done.output
    assert done.output.rstrip().endswith("as written, 0 not")
    assert findings(exported / "firmware") == {
        "golden vectors": "right: (1) come out to the last bit"
    }


@pytest.mark.parametrize("which", ["firmware", "array"])
def test_every_file_is_listed_so_that_a_change_in_any_is_found(
    exported: Path, tmp_path: Path, which: str
) -> None:
    folder = shutil.copytree(exported / which, tmp_path / "out")
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.name == "manifest.json":
            continue
        name, data = path.relative_to(folder).as_posix(), path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        assert findings(folder, "--no-run") == {name: "wrong: was changed: it has another SHA-256"}
        path.write_bytes(data)
    assert verify(folder, "--no-run").exit_code == 0


def test_what_is_missing_added_or_computes_otherwise_is_named(
    exported: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(exported / "firmware", tmp_path / "out")
    (folder / "README.md").unlink()
    (folder / "notes.txt").write_text("mine")
    weights = folder / "src" / "nano_weights.c"
    text = weights.read_text()
    # Every array, since each kind of core may have one of its own.
    changed = re.sub(r"= \{\n[^}]*\}", lambda array: array[0].replace("1", "2", 40), text)
    weights.write_text(changed)
    found = findings(folder)
    assert found["README.md"] == "wrong: is missing"
    assert found["notes.txt"] == "note: was added"
    assert found["src/nano_weights.c"].startswith("wrong: was changed")
    assert found["golden vectors"].startswith("wrong: differ in output bytes")
    assert verify(folder).exit_code == 1


def test_another_version_is_told(exported: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(exported / "firmware", tmp_path / "out")
    papers = json.loads((folder / "manifest.json").read_text())
    papers |= {"tool": "vpr-edge 0.0.1", "golden": {"vectors": 1, "oracle": "tflite-micro 0.1"}}
    (folder / "manifest.json").write_text(json.dumps(papers))
    found = findings(folder, "--no-run")
    assert set(found) == {"vpr-edge", "tflite-micro"}
    assert found["vpr-edge"].startswith("note: was 0.0.1 when this was made, and is ")
    assert verify(folder, "--no-run").exit_code == 0


@pytest.mark.parametrize("content", [None, "{}", '{"tool": "other", "files": {}}'])
def test_a_folder_that_is_not_ours_is_refused(tmp_path: Path, content: str | None) -> None:
    if content:
        (tmp_path / "manifest.json").write_text(content)
    done = verify(tmp_path)
    assert isinstance(done.exception, DataError)
    assert "no manifest.json that says vpr-edge made it" in str(done.exception)
