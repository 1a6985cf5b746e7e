"""The table of `bench` fits the terminal and tells how the runtimes compare."""

import pytest

from vpr_edge.benchmarks.rows import Row
from vpr_edge.commands.bench_table import print_bench, relative_speed

RUNTIMES = {"litert": 0.5, "litert-reference": 20.0, "tflm": 50.0, "c": 10.0}


def latency(artefact: str, runtime: str, ms: float) -> Row:
    return Row(artefact, f"host/{runtime}", "", "latency_median_ms", ms, "ms", "measured")


ROWS = [
    Row("nano.tflite", "", "", "macs", 57_787_840, "count", "static"),
    Row("nano.tflite", "", "", "operator_CONV_2D", 12, "count", "static"),
    *(latency("nano.tflite", name, ms) for name, ms in RUNTIMES.items()),
    latency("nano.onnx", "onnxruntime", 1.0),
    *(
        Row("nano.tflite", f"cortex-{name}/gcc+qemu", "", metric, value, "count", "emulated")
        for name in ("m0", "m4", "m55")
        for metric, value in (("instructions", 590_399_653), ("oracle_unequal_elements", 0))
    ),
    Row(
        "nano.tflite", "host/tflm", "town, 240 queries", "recall_at_1", 0.5, "fraction", "measured"
    ),
]


@pytest.mark.parametrize("width", [80, 120, 200])
def test_every_column_is_shown_once_and_no_line_is_wider_than_the_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    print_bench(ROWS, "host: 1 thread, on CPU 1")
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= width
    for name in ("litert-reference", "onnxruntime", "cortex-m0", "cortex-m4", "cortex-m55"):
        assert said.count(name) == 1, name
    assert said.count("590,399,653") == 3
    assert "1 thread, on CPU 1" in said and "operator_" not in said
    for text in ("0.500", "20.000", "50.000", "10.000", "1.000", "57,787,840", "recall_at_1"):
        assert text in said, text


def test_speed_is_told_relative_to_tflm() -> None:
    speed = relative_speed(ROWS)
    assert speed["nano.tflite", "host/litert"].times == 100
    assert speed["nano.tflite", "host/c"].times == 5
    assert speed["nano.tflite", "host/tflm"].times == 1
    # The other artefact has no TFLM of its own; there is only one to compare it with.
    assert speed["nano.onnx", "host/onnxruntime"].times == 50
    assert {one.base for one in speed.values()} == {"tflm"}


def test_each_artefact_is_compared_with_its_own_tflm() -> None:
    rows = [latency(name, "tflm", ms) for name, ms in (("a", 10.0), ("b", 40.0))]
    speed = relative_speed([*rows, latency("b", "c", 4.0), latency("z", "onnxruntime", 1.0)])
    assert speed["b", "host/c"].times == 10
    assert ("z", "host/onnxruntime") not in speed


def test_without_tflm_the_slowest_is_the_base_and_a_single_column_has_none() -> None:
    rows = [latency("a", "litert", 1.0), latency("a", "c", 4.0)]
    assert relative_speed(rows)["a", "host/litert"].times == 4
    assert relative_speed(rows[:1]) == {}
