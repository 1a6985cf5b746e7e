"""Two results files against each other: what changed, and whether that is worse."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vpr_edge.benchmarks.devices.latency import STABLE
from vpr_edge.benchmarks.results import Results
from vpr_edge.benchmarks.rows import Row
from vpr_edge.errors import DataError
from vpr_edge.metrics.table import RARE, metric

WAITED = "cpu_wait_fraction"
RARE_FACTOR = 10
"""Times the tolerance for figures that rest on few runs."""
SMALL_MEMORY = 1 << 20
"""Bytes by which a peak of resident memory varies from one process to the next."""
Verdict = Literal["same", "better", "worse", "other", "new", "gone"]
Key = tuple[str, str, str, str]
SPREADS = {
    "latency_spread_ms": ("latency_median_ms", ("latency_",)),
    "end_to_end_spread_ms": ("end_to_end_median_ms", ("end_to_end_",)),
}
"""By the name of a spread the median it belongs to, and how the figures begin that it widens."""


@dataclass(frozen=True)
class Tolerance:
    """By how much figures may get worse.

    Attributes:
        measured: share of a measured figure; what is counted or read off files has none.
        accuracy: difference of two fractions of 1, such as recalls.
    """

    measured: float = 0.05
    accuracy: float = 0.005


@dataclass(frozen=True)
class Change:
    """A figure in both files.

    Attributes:
        artefact, device, data, metric, unit, method: as in rows.
        before, after: the values; None where a file has none.
        allowed: by how much it may get worse, in its unit.
        verdict: "worse" and "better" beyond what is allowed, "same" within it, "other" where a
            figure is not judged, "new" and "gone" where only one file has it.
    """

    artefact: str
    device: str
    data: str
    metric: str
    unit: str
    method: str
    before: float | None
    after: float | None
    allowed: float
    verdict: Verdict


def changes(before: Results, after: Results, tolerance: Tolerance) -> tuple[Change, ...]:
    """Compare the latest rows of two files; where each holds one artefact, these are compared.

    Raises:
        DataError: the files have no figure in common.
    """
    old, new = before.latest(), after.latest()
    names = [list(dict.fromkeys(row.artefact for row in rows)) for rows in (old, new)]
    if all(len(some) == 1 for some in names):
        old = tuple(replace(row, artefact=names[1][0]) for row in old)
    first, second = ({_key(row): row for row in rows} for rows in (old, new))
    if not first.keys() & second.keys():
        raise DataError(
            "the two results files have no figure in common; they must have measured files of the "
            "same names on the same devices."
        )
    spreads = _spreads(old, new)
    return tuple(
        _change(first.get(key), second.get(key), _spread(spreads, key), tolerance)
        for key in dict.fromkeys([*first, *second])
    )


def warnings(before: Results, after: Results) -> list[str]:
    """What makes two files hard to compare, a sentence each."""
    found = []
    terms = [
        {
            (run.machine.get("cpu", ""), run.machine.get("cores", ""), run.threads)
            for run in results.runs
            if any(row.method == "measured" for row in run.rows)
        }
        for results in (before, after)
    ]
    if all(terms) and terms[0] != terms[1]:
        found.append(
            "measured on different machines or with different numbers of threads: latencies of the "
            "host do not compare."
        )
    for name, results in (("first", before), ("second", after)):
        waited = max((r.value for r in results.latest() if r.metric == WAITED), default=0.0)
        if waited > STABLE:
            found.append(
                f"in the {name} file other programs held the CPU for up to {100 * waited:.0f} % of "
                "the time: measure on an idle machine before trusting small differences."
            )
        reasons = [run.ended for run in results.runs if run.ended]
        if reasons:
            found.append(f"the {name} file is not complete: {reasons[-1]}")
    return found


def _change(before: Row | None, after: Row | None, spread: float, tolerance: Tolerance) -> Change:
    row = after or before
    assert row is not None
    allowed = 0.0
    verdict: Verdict = "new" if before is None else "gone"
    if before is not None and after is not None:
        allowed = _allowed(before, spread, tolerance)
        verdict = _verdict(row, before.value, after.value, allowed)
    return Change(
        row.artefact,
        row.device,
        row.data,
        row.metric,
        row.unit,
        row.method,
        before.value if before else None,
        after.value if after else None,
        allowed,
        verdict,
    )


def _allowed(row: Row, spread: float, tolerance: Tolerance) -> float:
    if row.method != "measured":
        return 0.0
    if row.unit == "fraction":
        return tolerance.accuracy
    share = tolerance.measured * (RARE_FACTOR if row.metric.endswith(RARE) else 1)
    if row.unit == "ms":
        share += spread
    allowed = share * abs(row.value)
    return max(allowed, SMALL_MEMORY) if row.metric == "peak_memory_bytes" else allowed


def _verdict(row: Row, before: float, after: float, allowed: float) -> Verdict:
    if before == after:
        return "same"
    better = metric(row.metric).better
    if better == "neither":
        return "other"
    gain = after - before if better == "high" else before - after
    # Room for the last bit of a sum.
    if abs(gain) <= allowed * (1 + 1e-9):
        return "same"
    return "better" if gain > 0 else "worse"


Spreads = dict[tuple[str, str, str], float]


def _spreads(*files: Sequence[Row]) -> Spreads:
    """By artefact, device and spread the larger share by which the windows of a file differ."""
    found: Spreads = {}
    for rows in files:
        values = {(row.artefact, row.device, row.metric): row.value for row in rows}
        for key, value in values.items():
            median = values.get((*key[:2], SPREADS.get(key[2], ("",))[0]))
            if median:
                found[key] = max(found.get(key, 0.0), value / median)
    return found


def _spread(spreads: Spreads, key: Key) -> float:
    artefact, device, _, metric = key
    for name, (_, begins) in SPREADS.items():
        if metric.startswith(begins):
            return spreads.get((artefact, device, name), 0.0)
    return 0.0


def _key(row: Row) -> Key:
    return row.artefact, row.device, row.data, row.metric
