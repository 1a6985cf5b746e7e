"""A results file gives back what was written, in JSON and in Parquet."""

import json
import sys
from pathlib import Path

import pytest

from vpr_edge.benchmarks.results import Facts, Results, Run, Series, read_results, results_writer
from vpr_edge.benchmarks.rows import Row, rows_as_json
from vpr_edge.errors import DataError, ToolMissingError


def row(value: float, metric: str = "latency_median_ms") -> Row:
    return Row("a.tflite", "host/tflm", "", metric, value, "ms", "measured")


MEMORY = Series("a.tflite", "host/tflm", "resident_memory_bytes", "bytes", (0.0, 0.5), (1e6, 2e6))
RESULTS = Results(
    (
        Run(
            time="2026-01-01T00:00:00+00:00",
            command="vpr-edge bench a.tflite",
            machine={"cpu": "x", "cores": "2"},
            threads=2,
            affinity=(0, 1),
            settings={"windows": 10, "toolchain": None},
        ).holding([row(3.0), MEMORY, Facts("host/tflm", {"library": "tflite-micro 1"})]),
        Run(ended="interrupted", rows=(row(2.0), row(9.0, "first_call_ms"))),
    )
)


@pytest.mark.parametrize("name", ["bench.json", "bench.parquet"])
def test_what_is_written_is_read_again(name: str, tmp_path: Path) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    results_writer(tmp_path / name)(RESULTS)
    assert read_results(tmp_path / name) == RESULTS


def test_parquet_is_a_table_that_others_read(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow")
    results_writer(tmp_path / "bench.parquet")(RESULTS)
    table = parquet.read_table(tmp_path / "bench.parquet")
    assert table["metric"].to_pylist() == [
        "latency_median_ms",
        "latency_median_ms",
        "first_call_ms",
    ]
    assert table["value"].to_pylist() == [3.0, 2.0, 9.0]


def test_rows_of_the_file_are_those_of_the_contract(tmp_path: Path) -> None:
    results_writer(tmp_path / "bench.json")(RESULTS)
    stored = json.loads((tmp_path / "bench.json").read_text())
    assert stored["rows"] == rows_as_json(RESULTS.rows)["rows"]
    assert [run["row_count"] for run in stored["runs"]] == [1, 2]


def test_what_json_printed_is_a_results_file_too(tmp_path: Path) -> None:
    path = tmp_path / "printed.json"
    path.write_text(json.dumps(rows_as_json([row(1.5)])))
    assert read_results(path) == Results((Run(rows=(row(1.5),)),))


def test_of_a_figure_measured_twice_the_last_is_taken() -> None:
    assert RESULTS.latest() == (row(2.0), row(9.0, "first_call_ms"))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"rows": [{"artefact": "a"}]}', '{"rows": [], "runs": [{"row_count": 3}]}'],
)
def test_a_file_that_is_none_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    path.write_text(text)
    with pytest.raises(DataError, match=str(path)):
        read_results(path)


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    path = tmp_path / "bench.parquet"
    path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DataError, match=str(path)):
        read_results(path)


def test_parquet_without_pyarrow_says_how_to_get_it_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ToolMissingError, match=r"-e .\.\[parquet\]"):
        results_writer(tmp_path / "bench.parquet")


@pytest.mark.parametrize("field", ["artefact", "device", "data", "metric", "unit", "method"])
@pytest.mark.parametrize("value", [["a"], 3, None, {}])
def test_a_row_whose_texts_are_none_is_no_results_file(
    tmp_path: Path, field: str, value: object
) -> None:
    row = {"artefact": "a", "device": "d", "data": "", "metric": "m", "value": 1.0, "unit": "ms"}
    row |= {"method": "measured", field: value}  # type: ignore[dict-item]
    path = tmp_path / "bench.json"
    path.write_text(json.dumps({"rows": [row]}))
    with pytest.raises(DataError):
        read_results(path)
