"""What `bench` measures on this machine: every figure of the contract, by its name and unit."""

import os
from pathlib import Path

import onnx
import psutil
import pytest

from vpr_edge.benchmarks.devices.host import Job, bench_host, bench_jobs, unstable
from vpr_edge.benchmarks.devices.host_process import HostProcess
from vpr_edge.benchmarks.devices.host_worker import Order
from vpr_edge.benchmarks.devices.latency import Protocol
from vpr_edge.benchmarks.results import Facts, Series
from vpr_edge.benchmarks.rows import Row
from vpr_edge.errors import VprEdgeError
from vpr_edge.export.package import export
from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint

SHORT = Protocol(warm_up=1, windows=2, seconds=0.01)
TIMES = {
    "latency_median_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "first_call_ms",
    "end_to_end_median_ms",
}


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(
        find_checkpoint("nano-int8"), "tflite-int8", tmp_path_factory.mktemp("host") / "out"
    )


@pytest.fixture(scope="module")
def rows(int8: Path) -> list[Row]:
    return bench_host(int8 / "nano.tflite", SHORT)


def test_every_runtime_of_a_tflite_reports_the_figures_of_the_contract(rows: list[Row]) -> None:
    for name in ("litert", "litert-reference", "tflm", "c"):
        found = {row.metric: row for row in rows if row.device == f"host/{name}"}
        assert {*TIMES, "peak_memory_bytes"} <= set(found)
        assert all(found[metric].unit == "ms" and found[metric].value > 0 for metric in TIMES)
        latencies = [found[f"latency_{name}_ms"].value for name in ("median", "p95", "p99")]
        assert latencies == sorted(latencies)
        assert found["peak_memory_bytes"].unit == "bytes"
        assert {row.method for row in found.values()} <= {"measured", "static"}
        assert all(found[metric].method == "measured" for metric in TIMES)
        assert ("arena_bytes" in found) == (name in ("tflm", "c"))


def test_the_arena_holds_the_largest_activation(rows: list[Row]) -> None:
    graph = load_checkpoint(find_checkpoint("nano-int8")).graph
    largest = max(node.shape[0] * node.shape[1] * node.shape[2] for node in graph.nodes)
    arena = {row.device: row.value for row in rows if row.metric == "arena_bytes"}
    assert arena["host/tflm"] > arena["host/c"] >= largest > 0


def test_what_the_file_says_is_static_and_equals_the_graph(rows: list[Row], int8: Path) -> None:
    graph = load_checkpoint(find_checkpoint("nano-int8")).graph
    static = {row.metric: row.value for row in rows if row.method == "static"}
    assert static["parameters"] == graph.parameters()
    assert static["macs"] == graph.macs()
    assert static["file_bytes"] == (int8 / "nano.tflite").stat().st_size
    stored = onnx.load(int8 / "nano.onnx").graph.initializer
    biases = sum(t.dims[0] for t in stored if t.data_type == onnx.TensorProto.INT32) // 2
    # int8 weights take a byte, biases four; what else the file stores is small.
    floor = graph.parameters() + 3 * biases
    assert floor <= static["weights_bytes"] < floor + 4096


def test_a_damaged_file_is_named_although_another_process_opens_it(
    int8: Path, tmp_path: Path
) -> None:
    for name in ("nano.tflite", "nano.onnx"):
        cut = tmp_path / name
        cut.write_bytes((int8 / name).read_bytes()[:5000])
        with pytest.raises(VprEdgeError, match=str(cut)):
            bench_host(cut, SHORT)


def test_a_runtime_that_does_not_run_the_artefact_is_refused(int8: Path) -> None:
    with pytest.raises(VprEdgeError, match="onnxruntime"):
        bench_host(int8 / "nano.tflite", SHORT, ("onnxruntime",))


def test_windows_take_turns_and_memory_is_watched(int8: Path) -> None:
    jobs = [Job(int8 / "nano.tflite", "mine", ("litert", "tflm"))]
    done: list[tuple[int, int]] = []
    found = list(bench_jobs(jobs, SHORT, progress=lambda *now: done.append(now)))
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    series = [one for one in found if isinstance(one, Series)]
    assert {(one.artefact, one.device) for one in series} == {
        ("mine", "host/litert"),
        ("mine", "host/tflm"),
    }
    for one in series:
        assert list(one.seconds) == sorted(one.seconds) and len(one.values) == len(one.seconds)
    facts = {one.device: one.values for one in found if isinstance(one, Facts)}
    assert facts["host/litert"]["library"].startswith("ai-edge-litert ")


def test_threads_and_cpus_reach_the_process_and_its_name(int8: Path) -> None:
    cpu = min(os.sched_getaffinity(0))
    order = Order(str(int8 / "nano.tflite"), "litert", 2, (cpu,), 1, 0.01)
    process = HostProcess(order, "mine")
    try:
        rows = [one for one in process.open() if isinstance(one, Row)]
        assert {row.device for row in rows} == {"host/litert, 2 threads"}
        assert psutil.Process(process.pid).cpu_affinity() == [cpu]
    finally:
        process.stop()


def test_what_one_runtime_cannot_run_does_not_keep_the_others_from_it(
    int8: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.tflite"
    cut.write_bytes((int8 / "nano.tflite").read_bytes()[:5000])
    jobs = [Job(cut, "cut", ("tflm",)), Job(int8 / "nano.tflite", "whole", ("litert",))]
    found = []
    with pytest.raises(VprEdgeError, match=str(cut)):
        for one in bench_jobs(jobs, SHORT):
            found.append(one)
    medians = [r for r in found if isinstance(r, Row) and r.metric == "latency_median_ms"]
    assert [row.artefact for row in medians] == ["whole"]


def test_a_latency_is_unstable_when_its_windows_differ_or_others_held_the_cpu() -> None:
    def rows(device: str, spread: float, waited: float) -> list[Row]:
        figures = (
            ("latency_median_ms", 10.0),
            ("latency_spread_ms", spread),
            ("cpu_wait_fraction", waited),
        )
        return [Row("a", device, "", metric, value, "", "measured") for metric, value in figures]

    found = unstable(
        [*rows("host/c", 0.4, 0.04), *rows("host/tflm", 0.8, 0.0), *rows("host/litert", 0.0, 0.3)]
    )
    assert [(row.device, why) for row, why in found] == [
        ("host/tflm", "windows 8 % apart"),
        ("host/litert", "waited 30 % of the time"),
    ]
