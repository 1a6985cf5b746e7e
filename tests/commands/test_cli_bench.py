"""`vpr-edge bench` as a user types it: results files, comparison, failures on the way."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import onnx
import psutil
import pytest
from onnx import TensorProto, helper

from tests.firmware_bridge.operators.one_input import one_input
from vpr_edge.benchmarks.results import read_results

COMMAND = str(Path(sys.executable).with_name("vpr-edge"))


def run(*words: object, columns: int = 200) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": str(columns)}
    return subprocess.run(
        [COMMAND, "bench", *map(str, words)], capture_output=True, text=True, env=environment
    )


@pytest.fixture(scope="module")
def floats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float ONNX file that runs in microseconds."""
    given, result = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4, 6]) for name in ("x", "y")
    )
    relu = helper.make_node("Relu", ["x"], ["y"])
    graph = helper.make_graph([relu], "relu", [given], [result])
    path = tmp_path_factory.mktemp("float") / "relu.onnx"
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An int8 TFLite file of one layer, of other origin."""
    folder = tmp_path_factory.mktemp("int8")
    return one_input(folder / "relu.tflite", "RELU", (0.1, 0), (0.1, 0))


@pytest.fixture(scope="module")
def measured(floats: Path, int8: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two artefacts on this machine and on two emulated cores, in one call."""
    output = tmp_path_factory.mktemp("measured") / "bench.json"
    words: list[object] = [
        "--device",
        "host",
        "--device",
        "cortex-m4",
        "--device",
        "cortex-m0",
        "--runtime",
        "c",
    ]
    words += ["--runtime", "tflm", "--runtime", "onnxruntime", "--quick", "--output", output]
    done = run(floats, int8, *words, columns=80)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    return output


def test_artefacts_on_devices_stand_in_one_results_file(measured: Path) -> None:
    results = read_results(measured)
    (one,) = results.runs
    medians = {row.device for row in results.rows if row.metric == "latency_median_ms"}
    assert medians == {"host/c", "host/tflm", "host/onnxruntime"}
    counted = {row.device.split("/")[0] for row in results.rows if row.metric == "instructions"}
    assert counted == {"cortex-m4", "cortex-m0"}
    boards = {row.device for row in results.rows if row.method == "predicted"}
    assert "NUCLEO-L4R5ZI" in boards
    assert one.ended == "" and one.threads == 1 and one.machine["cpu"]
    assert set(one.affinity) <= os.sched_getaffinity(0)
    assert one.settings["devices"] == ["host", "cortex-m4", "cortex-m0"]
    assert one.facts["host/tflm"]["library"].startswith("tflite-micro ")
    memory = {s.device: s for s in one.series if s.metric == "resident_memory_bytes"}
    assert set(memory) == medians
    assert all(len(s.values) > 2 and min(s.values) > 1e6 for s in memory.values())


def test_a_results_file_is_kept_added_to_or_replaced_as_told(floats: Path, tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    assert run(floats, "--quick", "--output", output).returncode == 0
    refused = run(floats, "--quick", "--output", output)
    assert refused.returncode == 2 and refused.stdout == ""
    assert "--append" in refused.stderr and refused.stderr.count("\n") == 1
    printed = run(floats, "--quick", "--output", output, "--append", "--json")
    results = read_results(output)
    assert len(results.runs) == 2
    assert (
        json.loads(printed.stdout)["rows"]
        == json.loads(output.read_text())["rows"][len(results.runs[0].rows) :]
    )


def test_compare_ends_with_1_when_something_got_worse(measured: Path, tmp_path: Path) -> None:
    same = run("compare", measured, measured)
    assert same.returncode == 0 and "0 worse" in same.stdout
    stored = json.loads(measured.read_text())
    for row in stored["rows"]:
        if row["metric"] == "instructions" and row["device"].startswith("cortex-m4"):
            row["value"] += 1
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(stored))
    worse = run("compare", measured, changed)
    assert worse.returncode == 1 and "WORSE" in worse.stdout and "1 worse" in worse.stdout
    better = run("compare", changed, measured, "--json")
    assert better.returncode == 0
    verdicts = [c["verdict"] for c in json.loads(better.stdout)["changes"]]
    assert verdicts.count("better") == 1 and "worse" not in verdicts
    absent = run("compare", measured, tmp_path / "absent.json")
    assert absent.returncode == 2 and "absent.json" in absent.stderr


def test_a_report_is_made_of_a_results_file(measured: Path, tmp_path: Path) -> None:
    done = run("report", measured, "--output", tmp_path / "table.csv")
    assert done.returncode == 0, done.stderr
    assert "relu.tflite,cortex-m4/" in (tmp_path / "table.csv").read_text()


def test_a_runtime_that_dies_on_the_way_leaves_what_was_measured(
    floats: Path, int8: Path, tmp_path: Path
) -> None:
    output = tmp_path / "bench.json"
    words = [COMMAND, "bench", str(floats), str(int8), "--runtime", "tflm", "--runtime"]
    words += ["onnxruntime", "--quick", "--output", str(output)]
    with subprocess.Popen(words, stdout=-1, stderr=-1, text=True) as bench:
        _second_worker(bench).kill()
        stdout, stderr = bench.communicate()
    assert bench.returncode == 2 and "Traceback" not in stderr
    sentence = next(line for line in stderr.splitlines() if "ended tflm" in line)
    assert str(int8) in sentence
    (one,) = read_results(output).runs
    assert "ended tflm" in one.ended
    medians = [row.device for row in one.rows if row.metric == "latency_median_ms"]
    assert medians == ["host/onnxruntime"]
    assert "onnxruntime" in stdout


def test_ctrl_c_keeps_what_was_measured_and_leaves_no_process(
    floats: Path, int8: Path, tmp_path: Path
) -> None:
    output = tmp_path / "bench.json"
    words = [COMMAND, "bench", str(floats), str(int8), "--runtime", "onnxruntime"]
    words += ["--runtime", "litert", "--output", str(output)]
    with subprocess.Popen(words, stdout=-1, stderr=-1, text=True) as bench:
        worker = _second_worker(bench)
        bench.send_signal(signal.SIGINT)
        _, stderr = bench.communicate()
    assert bench.returncode == 130 and "interrupted" in stderr and "Traceback" not in stderr
    # One that was only just started ends when it finds that nobody asks it any more.
    worker.wait(60)
    (one,) = read_results(output).runs
    assert one.ended == "interrupted"
    assert {row.metric for row in one.rows} >= {"file_bytes", "first_call_ms"}


def test_what_cannot_be_measured_together_is_refused_before_anything_runs(
    floats: Path, int8: Path, tmp_path: Path
) -> None:
    for words, said in (
        ([floats, "--device", "cortex-m4"], "does not run on cortex-m4"),
        ([int8, "--device", "jetson"], "does not run on jetson"),
        ([floats, "--device", "cortex-m9"], "cortex-m9"),
        ([floats, "--cpu", "99999"], "--cpu 99999"),
        ([floats, "--host", "me@board"], "--device jetson"),
        ([floats, "--report", tmp_path / "report.doc"], "report.doc"),
    ):
        done = run(*words)
        assert done.returncode == 2 and done.stdout == "" and said in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def _second_worker(bench: subprocess.Popen[str]) -> psutil.Process:
    """The process in which the second runtime is measured, as soon as there is one."""
    while bench.poll() is None:
        children = psutil.Process(bench.pid).children()
        # One that ends between the two calls has no command line any more.
        with suppress(psutil.NoSuchProcess):
            workers = [child for child in children if "host_worker" in " ".join(child.cmdline())]
            if len(workers) == 2:
                return workers[1]
    raise AssertionError(bench.communicate())
