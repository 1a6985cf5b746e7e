"""`bench --device jetson` through a real OpenSSH server, with ONNX Runtime as the far end has it.

There is no Jetson here: the far end is this machine, which is measured as the host it is. Where
TensorRT is needed, a program that prints what trtexec printed elsewhere stands in for it.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.benchmarks.devices.jetson.conftest import Server, key
from vpr_edge.benchmarks.devices.jetson import bench_jetson, runner
from vpr_edge.benchmarks.devices.jetson.connection import LIMIT, REMOTE_PYTHON, SSH_OPTIONS
from vpr_edge.benchmarks.devices.latency import Protocol
from vpr_edge.benchmarks.results import Facts, Measured, Series, read_results
from vpr_edge.benchmarks.rows import Row
from vpr_edge.errors import DeviceError, ModelError, OutputError, ToolMissingError
from vpr_edge.models.checkpoint import find_checkpoint

SHORT = Protocol(windows=2, seconds=0.1)
LONG = Protocol(windows=10, seconds=60.0)
RECORDED = Path(__file__).parent / "recorded"
Start = Callable[..., Server]
Qdq = Callable[[bool], Path]


def wait_until_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert not alive


def rows_of(found: Iterator[Measured]) -> dict[tuple[str, str], float]:
    return {(row.device, row.metric): row.value for row in found if isinstance(row, Row)}


def test_a_host_over_ssh_times_both_forms_and_keeps_nothing(start: Start, qdq: Qdq) -> None:
    # A login shell that prints something is common, and is no event.
    server = start(more='ForceCommand echo welcome; eval "$SSH_ORIGINAL_COMMAND"')
    rows = rows_of(bench_jetson(qdq(True), server.host, SHORT))
    device = f"remote {server.host}/onnxruntime-cpu"
    assert {name for name, _ in rows} == {f"{device}-int8", f"{device}-fp32"}
    for precision in ("int8", "fp32"):
        median, p95, p99 = (
            rows[f"{device}-{precision}", f"latency_{name}_ms"] for name in ("median", "p95", "p99")
        )
        assert 0 < median <= p95 <= p99
        assert rows[f"{device}-{precision}", "runs"] >= 2
        assert rows[f"{device}-{precision}", "latency_spread_ms"] >= 0
        for name in ("place", "score", "segmentation"):
            assert rows[f"{device}-{precision}", f"reference_cosine_{name}"] > 0.9999
    assert list(server.temporary.iterdir()) == []


def test_a_host_that_is_no_jetson_is_never_called_one(start: Start, qdq: Qdq) -> None:
    server = start()
    found = list(bench_jetson(qdq(True), server.host, SHORT))
    assert all("jetson" not in one.device for one in found)
    facts = next(one for one in found if isinstance(one, Facts))
    assert facts.values["python"] and "board" not in facts.values


def test_this_machine_is_refused_where_it_is_no_jetson(qdq: Qdq) -> None:
    if Path("/etc/nv_tegra_release").exists():
        pytest.skip("this machine is a Jetson")
    with pytest.raises(DeviceError, match="is no Jetson; pass --host"):
        list(bench_jetson(qdq(True), None, SHORT))


def test_a_runtime_that_is_not_there_is_named_with_those_that_are(start: Start, qdq: Qdq) -> None:
    server = start()
    with pytest.raises(ToolMissingError, match="onnxruntime-cpu"):
        list(bench_jetson(qdq(True), server.host, SHORT, "onnxruntime-cuda"))


def test_zero_points_that_tensorrt_refuses_are_refused_before_anything_is_sent(qdq: Qdq) -> None:
    with pytest.raises(ModelError, match="quantize --symmetric"):
        list(bench_jetson(qdq(False), "nobody@192.0.2.1", SHORT))
    with pytest.raises(ModelError, match="quantize --symmetric"):
        list(bench_jetson(find_checkpoint("nano-int8"), "nobody@192.0.2.1", SHORT))
    with pytest.raises(ModelError, match="--target tensorrt"):
        list(bench_jetson(Path("nano.tflite"), "nobody@192.0.2.1", SHORT))


def test_an_unreachable_host_is_one_sentence(start: Start, qdq: Qdq) -> None:
    server = start()
    server.process.kill()
    server.process.wait()
    with pytest.raises(DeviceError, match=r"cannot be reached \(.*refused.*\); see that it is on"):
        list(bench_jetson(qdq(True), server.host, SHORT))


def test_a_refused_key_is_one_sentence(
    start: Start, qdq: Qdq, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start()
    other = key(server.folder / "other")
    options = server.options.replace(f"{server.folder}/key", str(other))
    monkeypatch.setenv(SSH_OPTIONS, options)
    with pytest.raises(DeviceError, match="refuses every key of this user"):
        list(bench_jetson(qdq(True), server.host, SHORT))


def test_an_unknown_host_key_is_one_sentence(start: Start, qdq: Qdq) -> None:
    server = start()
    (server.folder / "known_hosts").write_text("")
    with pytest.raises(DeviceError, match="not known to this user's OpenSSH"):
        list(bench_jetson(qdq(True), server.host, SHORT))


def test_a_host_without_python_is_one_sentence(
    start: Start, qdq: Qdq, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start(path="/nowhere")
    with pytest.raises(DeviceError, match=f"no python3 on {server.host}"):
        list(bench_jetson(qdq(True), server.host, SHORT))
    monkeypatch.setenv(REMOTE_PYTHON, "/nowhere/python")
    with pytest.raises(DeviceError, match="no /nowhere/python on"):
        list(bench_jetson(qdq(True), server.host, SHORT))


def test_rows_are_kept_when_the_host_vanishes(start: Start, qdq: Qdq) -> None:
    server = start()
    rows: list[Row] = []
    others: list[psutil.Process] = []
    with pytest.raises(DeviceError, match="in the middle of a measurement"):
        for one in bench_jetson(qdq(True), server.host, LONG):
            if isinstance(one, Row):
                rows.append(one)
                every = server.sessions()
                others = [process for process in every if process.name() != "sshd"]
                for process in every:
                    if process.name() == "sshd":
                        process.kill()
    device = f"remote {server.host}/onnxruntime-cpu-int8"
    assert [(row.device, row.metric) for row in rows] == [(device, "first_call_ms")]
    assert others
    wait_until_gone(others)
    assert list(server.temporary.iterdir()) == []


def test_a_process_stopped_at_the_far_end_is_given_up(
    start: Start, qdq: Qdq, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start()
    monkeypatch.setenv(LIMIT, "10")
    stopped: list[psutil.Process] = []
    with pytest.raises(DeviceError, match="did not finish in time"):
        for _ in bench_jetson(qdq(True), server.host, LONG):
            if not stopped:
                stopped = [one for one in server.sessions() if one.name() != "sshd"]
                for process in stopped:
                    process.suspend()
    assert stopped


def test_who_stops_listening_leaves_nothing_running(start: Start, qdq: Qdq) -> None:
    server = start()
    measured = bench_jetson(qdq(True), server.host, LONG)
    assert isinstance(next(measured), Facts)
    running = server.sessions()
    assert running
    measured.close()  # type: ignore[attr-defined]  # it is a generator
    wait_until_gone(running)
    assert list(server.temporary.iterdir()) == []


def test_a_full_disk_is_one_sentence(start: Start, qdq: Qdq, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", small]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user cannot mount a file system of a few kB")
    try:
        server = start(temporary=small)
        with pytest.raises(OutputError, match=f"the disk of {server.host} is full"):
            list(bench_jetson(qdq(True), server.host, SHORT))
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


REPLAY = '''\
#!{python}
"""Stands where trtexec stands on a Jetson: prints what one printed (recorded/), and computes the
outputs by ONNX Runtime; its engines are the ONNX files.
"""
import json, shutil, sys
flags = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv[1:])
with open({log!r}, "a") as log:
    log.write(" ".join(sorted(flags)) + "\\n")
lines = open({recorded!r}).read().splitlines()[1:]
print(lines[0])
if "saveEngine" in flags:
    if {fails!r} in flags:
        print("[06/20/2025-12:02:57] [E] Failed to parse onnx file")
        sys.exit(1)
    shutil.copy(flags["onnx"], flags["saveEngine"])
if "exportOutput" in flags:
    import numpy, onnxruntime
    session = onnxruntime.InferenceSession(flags["loadEngine"])
    name, path = flags["loadInputs"].split(":")
    shape = session.get_inputs()[0].shape
    found = session.run(None, {{name: numpy.fromfile(path, numpy.float32).reshape(shape)}})
    entries = [
        dict(name=output.name, dimensions="", values=value.ravel().tolist())
        for output, value in zip(session.get_outputs(), found)
    ]
    json.dump(entries, open(flags["exportOutput"], "w"))
if "exportTimes" in flags:
    assert flags["loadEngine"].endswith(".engine")
    names = ("latencyMs", "computeMs", "h2dMs", "d2hMs")
    values = dict(zip(names, (1.5, 1.25, 0.125, 0.0625)))
    records = [dict(values, startComputeMs=10.0 * run) for run in range(150)]
    json.dump(records, open(flags["exportTimes"], "w"))
print("\\n".join(lines[1:]))
'''


@dataclass(frozen=True)
class Replay:
    """Programs of a Jetson that print what was recorded, and the calls that trtexec got."""

    path: str
    calls: Path

    def flags(self) -> list[set[str]]:
        return [set(line.split()) for line in self.calls.read_text().splitlines()]


def replay(folder: Path, fails: str = "none") -> Replay:
    programs = folder / "programs"
    programs.mkdir()
    calls, log = folder / "calls.txt", RECORDED / "trtexec_10.2.txt"
    tegrastats = f"#!/bin/sh\ntail -n 1 {RECORDED}/tegrastats.txt\nexec sleep 60\n"
    texts = {
        "trtexec": REPLAY.format(
            python=sys.executable, log=str(calls), recorded=str(log), fails=fails
        ),
        "tegrastats": tegrastats,
        "nvpmodel": "#!/bin/sh\necho 'NV Power Mode: MAXN'\necho 0\n",
    }
    for name, text in texts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return Replay(f"{programs}:{Path(sys.executable).parent}:/usr/bin:/bin", calls)


def test_engines_are_built_once_and_timed(start: Start, qdq: Qdq, tmp_path: Path) -> None:
    there = replay(tmp_path)
    server = start(path=there.path)
    path = qdq(True)
    found = list(bench_jetson(path, server.host, SHORT))
    rows = rows_of(iter(found))
    device = f"remote {server.host}/tensorrt-int8"
    # 150 runs of 10 ms, the first half second of which is warm-up.
    expected = {
        "latency_median_ms": 1.5,
        "gpu_compute_p95_ms": 1.25,
        "h2d_median_ms": 0.125,
        "d2h_p99_ms": 0.0625,
        "latency_spread_ms": 0,
        "runs": 100,
        "trtexec_latency_median_ms": 7.16092,
        "VDD_IN_power_mw_max": 4319,
        "gpu_temperature_c_max": 44.5,
        "power_mw_mean": 4319,
    }
    assert {metric: rows[device, metric] for metric in expected} == expected
    # At 4.319 W, from the first start to the last end.
    assert rows[device, "energy_per_run_mj"] == pytest.approx(4319 * 0.009915)
    series = {one.metric: one for one in found if isinstance(one, Series)}
    assert series["VDD_SOC_power_mw"].unit == "mW" and series["tj_temperature_c"].unit == "C"
    assert set(series["VDD_SOC_power_mw"].values) == {1200}
    facts = [one for one in found if isinstance(one, Facts)]
    assert facts[0].values["tensorrt"] == "10.2.0" and facts[0].values["power_mode"] == "MAXN"
    assert (device, "engine_build_ms") in rows
    cosines = {m: v for (_, m), v in rows.items() if m.startswith("reference_cosine_")}
    assert len(cosines) == 5 and min(cosines.values()) > 0.9999
    again = rows_of(bench_jetson(path, server.host, SHORT))
    assert not any(metric == "engine_build_ms" for _, metric in again)
    built = [flags for flags in there.flags() if "saveEngine" in flags]
    assert [flags & {"int8", "fp16"} for flags in built] == [{"int8", "fp16"}, {"fp16"}]
    other = rows_of(bench_jetson(find_checkpoint("nano"), server.host, SHORT))
    assert {name for name, _ in other} == {f"remote {server.host}/tensorrt-fp16"}
    assert (f"remote {server.host}/tensorrt-fp16", "engine_build_ms") in other
    assert list(server.temporary.iterdir()) == []


def test_a_model_that_trtexec_refuses_does_not_keep_the_other_from_being_timed(
    start: Start, qdq: Qdq, tmp_path: Path
) -> None:
    server = start(path=replay(tmp_path, fails="int8").path)
    rows = []
    with pytest.raises(ModelError, match=r"as int8 does not run on .*Failed to parse onnx file"):
        for one in bench_jetson(qdq(True), server.host, SHORT):
            rows.append(one)
    assert {name for name, _ in rows_of(iter(rows))} == {f"remote {server.host}/tensorrt-fp16"}
    assert list((tmp_path / "cache/vpr-edge/engines").glob("*.engine.*")) == []


def test_a_jetson_s_cpu_is_measured_only_for_those_who_ask() -> None:
    with pytest.raises(runner.Failure) as caught:
        runner.choose_runtime("", with_cpu=False)
    assert (caught.value.kind, caught.value.reason) == ("missing", "onnxruntime-cpu")
    assert runner.choose_runtime("onnxruntime-cpu", with_cpu=False) == "onnxruntime-cpu"


def test_a_jetson_is_known_by_its_system_image() -> None:
    plain = {"release": "", "model": ""}
    assert not runner.is_jetson(plain)
    assert not runner.is_jetson(plain | {"model": "Raspberry Pi 5 Model B"})
    assert runner.is_jetson(plain | {"release": "# R36 (release), REVISION: 4.3"})
    assert runner.is_jetson(plain | {"model": "NVIDIA Jetson Orin Nano Developer Kit"})


def test_the_command_line_keeps_what_was_measured_and_exits_2(
    start: Start, qdq: Qdq, tmp_path: Path
) -> None:
    server = start(path=replay(tmp_path, fails="int8").path)
    output = tmp_path / "bench.json"
    words = ["bench", str(qdq(True)), "--device", "jetson", "--host", server.host, "--quick"]
    command = [str(Path(sys.executable).with_name("vpr-edge")), *words, "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("vpr-edge:")]
    assert "Failed to parse onnx file" in told
    (run,) = read_results(output).runs
    assert {row.device.rpartition("/")[2] for row in run.rows if row.device} == {"tensorrt-fp16"}
    assert run.facts[f"remote {server.host}"]["tensorrt"] == "10.2.0"
    assert run.ended == told.removeprefix("vpr-edge: ")
