"""What `bench` measures on this machine: every figure of the contract, by its name and unit."""

from pathlib import Path

import onnx
import pytest

from vpr_edge.benchmarks.host import bench_host
from vpr_edge.benchmarks.latency import Protocol
from vpr_edge.benchmarks.rows import Row
from vpr_edge.errors import VprEdgeError
from vpr_edge.export.package import export
from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint

SHORT = Protocol(warm_up=1, windows=2, seconds=0.01)
TIMES = {"latency_median_ms", "latency_p95_ms", "first_call_ms"}


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
        assert found["latency_median_ms"].value <= found["latency_p95_ms"].value
        assert found["peak_memory_bytes"].unit == "bytes"
        assert {row.method for row in found.values()} == {"measured"}
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
