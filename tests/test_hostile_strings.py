"""Strings from files and names never become code, paths, formulas or terminal commands."""

import csv
import io
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ai_edge_litert import schema_py_generated as schema
from click.testing import CliRunner

from vpr_edge.benchmarks.report.bench_report import write_bench_report
from vpr_edge.benchmarks.results import Results, Run
from vpr_edge.benchmarks.rows import Row
from vpr_edge.cli import cli
from vpr_edge.commands import console, ending
from vpr_edge.errors import CheckpointError, ModelError, OutputError
from vpr_edge.escapes import for_c_comment, for_csv, for_markdown_code, for_terminal
from vpr_edge.export.c_array import write_c_array
from vpr_edge.export.c_source import c_name
from vpr_edge.export.package import export
from vpr_edge.export.tflm_package import write_tflm
from vpr_edge.firmware_bridge.compile.host import host_compiler
from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint, save_checkpoint
from vpr_edge.names import is_name
from vpr_edge.tflite.read import read_tflite

HOSTILE = (
    "../x", "/abs/x", "..", ".", "", "a/b", "a\\b", "C:x", "x\"$(touch hit)\"", "x;touch hit",
    "-rf", "x y", "x\ny", "x\x1b[2J", "con", "NUL.txt", "lpt1", "x.", "x" * 65, "é", "*", "~",
    "x`id`",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="cannot be the --name of files; choose"):
        export(find_checkpoint("nano-int8"), "tflite-int8", tmp_path / "deep" / "out", name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*HOSTILE, ["a"], 3, None])
def test_a_checkpoint_whose_name_could_not_name_a_file_is_refused(
    tmp_path: Path, name: object
) -> None:
    honest = load_checkpoint(find_checkpoint("nano-int8"))
    path = tmp_path / "hostile.safetensors"
    save_checkpoint(path, replace(honest, config=replace(honest.config, name=name)))  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="could not name a file"):
        load_checkpoint(path)


@pytest.mark.parametrize("name", ["nano", "nano-vs-slam-s-a-fused", "V2.1_x", "a", "x" * 64])
def test_ordinary_names_pass(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("stem", ["con", "NUL", "com1", "aux"])
def test_no_c_file_has_a_device_s_name(stem: str) -> None:
    assert c_name(stem) == f"model_{stem.lower()}"


def test_build_engines_runs_only_trtexec(tmp_path: Path) -> None:
    folder = export(find_checkpoint("nano"), "tensorrt", tmp_path / "out", "nano.v-2")
    tool = tmp_path / "trtexec"
    tool.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    tool.chmod(0o755)
    done = subprocess.run(
        ["sh", str(folder / "build_engines.sh")],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "--onnx=nano.v-2_float.onnx", "--fp16", "--saveEngine=nano.v-2_fp16.engine",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def tflite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("int8") / "out"
    return export(find_checkpoint("nano-int8"), "tflite-int8", folder) / "nano.tflite"


def _changed(tflite: Path, folder: Path, builtin: int | None, custom: str, name: str = "") -> Path:
    import flatbuffers

    model = schema.ModelT.InitFromPackedBuf(tflite.read_bytes(), 0)
    model.operatorCodes[0].customCode = custom
    if builtin is not None:
        code = model.operatorCodes[0]
        code.builtinCode = builtin
        code.deprecatedBuiltinCode = min(builtin, 127)
    if name:
        graph = model.subgraphs[0]
        for index in (*graph.inputs, *graph.outputs):
            graph.tensors[index].name = f"{name}{index}"
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    path = folder / "changed.tflite"
    path.write_bytes(builder.Output())
    return path


INJECTION = "CONV_2D() ; } int pwned() { return 1; } //"


def test_a_builtin_s_custom_code_is_ignored_as_tflm_does(tflite: Path, tmp_path: Path) -> None:
    path = _changed(tflite, tmp_path, None, INJECTION)
    assert [op.code for op in read_tflite(path).operators] == [
        op.code for op in read_tflite(tflite).operators
    ]
    *_, resolver = write_tflm(path, tmp_path / "c", "model")
    *_, honest = write_tflm(tflite, tmp_path / "honest", "model")
    cut = "#ifndef"
    assert resolver.read_text().partition(cut)[2] == honest.read_text().partition(cut)[2]


@pytest.mark.parametrize("target", ["c-array", "c"])
def test_a_custom_operator_is_not_taken_for_the_builtin_it_calls_itself(
    tflite: Path, tmp_path: Path, target: str
) -> None:
    path = _changed(tflite, tmp_path, schema.BuiltinOperator.CUSTOM, "CONV_2D")
    with pytest.raises(ModelError):
        export(path, target, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tensor_and_file_names_do_not_end_the_comment_they_stand_in(
    tflite: Path, tmp_path: Path
) -> None:
    name = '*/ int pwned; /*??/\n#error "\\'
    path = _changed(tflite, tmp_path, None, "", name)
    hostile = path.rename(tmp_path / "x*??\n#error \\.tflite")
    write_c_array(hostile, tmp_path / "array", "model")
    export(hostile, "c", tmp_path / "c", "model", golden=0)
    sources = [*(tmp_path / "array").glob("*.c"), *(tmp_path / "c").glob("*.c")]
    assert len(sources) == 3
    for source in sources:
        command = [
            *host_compiler(), "-std=c99", "-trigraphs", "-Wall", "-Wextra", "-Werror",
            "-fsyntax-only", str(source),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_a_comment_holds_no_trigraph_and_no_splice() -> None:
    found = for_c_comment("a???/??\\ \x1b*//*")
    assert not {"??", "*/", "/*", "\\", "\x1b"} & {found[i : i + 2] for i in range(len(found))}
    assert "\\" not in found


def test_control_characters_do_not_reach_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    evil = "a\x1b]0;owned\x07\r\nvpr-edge: all is well\u202e\x9b2J"
    row = Row(evil, evil, evil, "latency_median_ms", 1.0, "ms", "measured")
    console.print_rows([row], False)
    console.print_table(("x",), [(evil,)], evil)
    ending.say(evil)

    def fail(**_: object) -> None:
        raise ModelError(evil)

    with pytest.raises(SystemExit) as ended:
        ending.run_command(fail)
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert not set(out + err) & set("\x1b\x07\r\u202e\x9b")
    assert err.count("\n") == 2
    assert not any(line.startswith("vpr-edge: all") for line in (out + err).splitlines())
    assert for_terminal("a\tü\n") == r"a\tü\n"


EVIL = "=1+1|<img src=x onerror=alert(1)>\n# owned [x](javascript:1) `code`"


def test_reports_hold_hostile_names_as_text(tmp_path: Path) -> None:
    rows = [
        Row(EVIL, "host/litert", "", "latency_median_ms", 1.5, "ms", "measured"),
        Row(EVIL, "", "", "file_bytes", 10, "bytes", "static"),
    ]
    results = Results((Run(command=EVIL, machine={"cpu": EVIL}, rows=tuple(rows)),))
    page = write_bench_report(results, tmp_path / "r.html").read_text()
    assert "<img" not in page and "&lt;img" in page
    text = write_bench_report(results, tmp_path / "r.md").read_text()
    assert "# owned" not in [line[:7] for line in text.splitlines()]
    prose = [line for line in text.splitlines() if "img" in line and "`` " not in line]
    assert prose and all(r"\<img" in line and r"\[x\]" in line for line in prose)
    written = write_bench_report(results, tmp_path / "r.csv").read_text()
    table = list(csv.reader(io.StringIO(written)))
    assert len(table) == 3
    assert all(line[0].startswith("'=") and "\n" not in line[0] for line in table[1:])


def test_figures_in_csv_stay_figures() -> None:
    assert for_csv(-1.5) == -1.5
    assert for_markdown_code("a`b") == "`` a`b ``"


def test_a_manifest_survives_what_it_quotes(tflite: Path, tmp_path: Path) -> None:
    path = tmp_path / 'quo"te\n$(x).tflite'
    path.write_bytes(tflite.read_bytes())
    folder = export(path, "firmware", tmp_path / "out", "model", golden=0)
    assert json.loads((folder / "manifest.json").read_text())["model"]["file"] == path.name


def test_the_command_line_refuses_in_one_line(tmp_path: Path) -> None:
    arguments = ["export", "nano", "--target", "onnx", "--name", "../x"]
    found = CliRunner().invoke(cli, [*arguments, "--output", str(tmp_path / "out")])
    assert isinstance(found.exception, OutputError)
