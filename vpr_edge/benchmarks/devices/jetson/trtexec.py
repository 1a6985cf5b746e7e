"""What trtexec says: its version, and the times of every run.

`--exportTimes` writes a record a run, in milliseconds: `latencyMs` is host latency (transfer in,
compute, transfer out), `computeMs` GPU compute, `h2dMs` and `d2hMs` the transfers (`inMs` and
`outMs` until TensorRT 8.0). `runner.columns` brings them into columns.
Source: https://github.com/NVIDIA/TensorRT/blob/main/samples/common/sampleReporting.cpp
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

# Column -> name of the metric.
METRICS = {"latency": "latency", "compute": "gpu_compute", "h2d": "h2d", "d2h": "d2h"}
Figure = tuple[str, float, str]


def version_of(banner: str) -> str:
    """The version in trtexec's first line, as "8.5.2" or "10.3.0"; "" where it names none.

    It is written as one number: four digits until TensorRT 9, then five or six.
    """
    found = re.search(r"TensorRT v(\d+)", banner)
    if not found:
        return ""
    number = int(found[1])
    thousand, hundred = (10_000, 100) if number >= 10_000 else (1000, 100)
    major, rest = divmod(number, thousand)
    return f"{major}.{rest // hundred}.{rest % hundred}"


def summary_of(lines: Sequence[str]) -> dict[str, dict[str, float]]:
    """The performance summary that trtexec prints, in milliseconds.

    Returns:
        By name ("Latency", "GPU Compute Time", "H2D Latency", ...): "min", "max", "mean", "median"
        and "percentile(99%)" or whichever percentiles that version prints.
    """
    found = {}
    for line in lines:
        named = re.search(r"\[I\] ([A-Z][\w \-]*): (min = .*)", line)
        if named:
            values = re.findall(r"([a-z]+(?:\(\d+%\))?) = ([\d.eE+-]+) ms", named[2])
            found[named[1]] = {name: float(value) for name, value in values}
    return found


def figures(columns: Mapping[str, Sequence[float]], windows: int) -> Iterator[Figure]:
    """The figures of a measurement.

    Args:
        columns: from `runner.columns`, or "start" and "latency" alone.
        windows: into how many spans of equal length the runs are divided; the spread is from the
            smallest to the largest median of one.
    """
    for column, name in METRICS.items():
        if column in columns:
            values = np.asarray(columns[column])
            yield f"{name}_median_ms", float(np.median(values)), "ms"
            yield f"{name}_p95_ms", float(np.percentile(values, 95)), "ms"
            yield f"{name}_p99_ms", float(np.percentile(values, 99)), "ms"
    starts, latency = np.asarray(columns["start"]), np.asarray(columns["latency"])
    edges = np.linspace(starts[0], starts[-1], windows + 1)[1:-1]
    spans = np.searchsorted(edges, starts, side="right")
    medians = [np.median(latency[spans == span]) for span in np.unique(spans)]
    yield "latency_spread_ms", float(np.ptp(medians)), "ms"
    yield "runs", float(len(latency)), "count"
