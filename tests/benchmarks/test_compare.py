"""What `bench compare` calls worse: by the direction of a figure, its method and its spread."""

from dataclasses import replace

import pytest

from vpr_edge.benchmarks.compare import Tolerance, changes, warnings
from vpr_edge.benchmarks.results import Results, Run
from vpr_edge.benchmarks.rows import Row
from vpr_edge.errors import DataError


def row(metric: str, value: float, method: str = "measured", unit: str = "ms") -> Row:
    return Row("a.tflite", "host/c", "", metric, value, unit, method)


def results(*rows: Row) -> Results:
    return Results((Run(rows=rows, machine={"cpu": "x", "cores": "2"}),))


def verdict(before: Row, value: float, *also: Row) -> str:
    found = changes(
        results(before, *also), results(replace(before, value=value), *also), Tolerance()
    )
    return found[0].verdict


@pytest.mark.parametrize(
    ("before", "worse", "better"),
    [
        (row("latency_median_ms", 10.0), 10.6, 9.4),
        (row("latency_p99_ms", 10.0), 15.1, 4.9),
        (row("instructions", 1000, "emulated", "count"), 1001, 999),
        (row("arena_bytes", 1000, "static", "bytes"), 1001, 999),
        (row("peak_memory_bytes", 64 << 20, "measured", "bytes"), 68 << 20, 60 << 20),
        (row("recall_at_1", 0.5, "measured", "fraction"), 0.494, 0.506),
        (row("miou", 0.4, "measured", "fraction"), 0.39, 0.41),
        (row("parity_unequal_fraction", 0.1, "measured", "fraction"), 0.2, 0.05),
        (row("localization_error_px", 1.0, "measured", "px"), 1.1, 0.9),
        (row("predicted_ms", 10.0, "predicted"), 10.01, 9.99),
    ],
)
def test_each_figure_is_judged_in_its_direction(before: Row, worse: float, better: float) -> None:
    assert verdict(before, worse) == "worse"
    assert verdict(before, better) == "better"
    assert verdict(before, before.value) == "same"


@pytest.mark.parametrize(
    ("before", "value"),
    [
        (row("latency_median_ms", 10.0), 10.4),
        (row("latency_p99_ms", 10.0), 14.0),
        (row("peak_memory_bytes", 3 << 20, "measured", "bytes"), 3.9 * (1 << 20)),
        (row("recall_at_1", 0.5, "measured", "fraction"), 0.496),
    ],
)
def test_what_is_measured_may_vary_within_its_tolerance(before: Row, value: float) -> None:
    assert verdict(before, value) == "same"


def test_a_spread_widens_the_tolerance_of_its_own_latency_alone() -> None:
    spread = row("latency_spread_ms", 1.0)
    median = row("latency_median_ms", 10.0)
    assert verdict(median, 11.4, spread) == "same"
    assert verdict(median, 11.6, spread) == "worse"
    whole = row("end_to_end_median_ms", 10.0)
    assert verdict(whole, 11.4, spread, median) == "worse"


def test_time_without_the_cpu_is_told_and_not_judged() -> None:
    waited = row("cpu_wait_fraction", 0.5, unit="fraction")
    assert verdict(waited, 0.9) == "other"
    busy, idle = results(waited), results(replace(waited, value=0.01))
    assert "first file other programs held the CPU for up to 50 %" in warnings(busy, idle)[0]
    assert len(warnings(busy, idle)) == 1


def test_a_single_first_call_and_the_number_of_runs_are_not_judged() -> None:
    assert verdict(row("first_call_ms", 1.0), 9.0) == "other"
    assert verdict(row("runs", 100, unit="count"), 10) == "other"


def test_figures_of_one_file_alone_are_told() -> None:
    both, old, new = row("runs", 5), row("latency_median_ms", 1), row("latency_p95_ms", 1)
    found = changes(results(both, old), results(both, new), Tolerance())
    assert [c.verdict for c in found] == ["same", "gone", "new"]


def test_of_a_figure_measured_twice_the_last_counts() -> None:
    slow, fast = row("latency_median_ms", 20.0), row("latency_median_ms", 10.0)
    (found,) = changes(results(slow, fast), results(fast), Tolerance())
    assert (found.before, found.verdict) == (10.0, "same")


def test_two_versions_of_one_artefact_are_compared_under_any_name() -> None:
    before = results(row("arena_bytes", 100, "static", "bytes"))
    after = results(replace(row("arena_bytes", 200, "static", "bytes"), artefact="b.tflite"))
    (found,) = changes(before, after, Tolerance())
    assert (found.artefact, found.verdict) == ("b.tflite", "worse")


def test_files_without_a_common_figure_are_refused() -> None:
    other = replace(row("latency_median_ms", 1.0), device="host/tflm")
    with pytest.raises(DataError, match="no figure in common"):
        changes(results(row("latency_median_ms", 1.0)), results(other), Tolerance())


def test_other_machines_and_incomplete_files_are_told() -> None:
    whole = results(row("latency_median_ms", 1.0))
    (run,) = whole.runs
    elsewhere = Results((replace(run, machine={"cpu": "y", "cores": "2"}),))
    cut = Results((replace(run, ended="interrupted"),))
    assert warnings(whole, whole) == []
    assert "different machines" in warnings(whole, elsewhere)[0]
    assert "second file is not complete: interrupted" in warnings(whole, cut)[0]
