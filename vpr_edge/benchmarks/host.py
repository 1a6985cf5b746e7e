"""Latency and memory of an artefact on this machine, each runtime in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vpr_edge.benchmarks.latency import Protocol, measure_latency, random_inputs, time_run
from vpr_edge.benchmarks.memory import peak_resident_bytes
from vpr_edge.benchmarks.rows import Row
from vpr_edge.benchmarks.runtime_c import GeneratedC
from vpr_edge.benchmarks.runtime_files import Tflm
from vpr_edge.benchmarks.runtimes import choose_runtimes, load_library, open_runtime
from vpr_edge.benchmarks.static import static_rows
from vpr_edge.errors import ModelError, VprEdgeError


def bench_host(path: Path, protocol: Protocol, runtimes: Sequence[str] = ()) -> list[Row]:
    """Measure an artefact in each runtime that runs it.

    A fresh process gives a first call that is really the first, and a peak of resident memory that
    belongs to this artefact and runtime alone.

    Args:
        path: the artefact.
        protocol: how long.
        runtimes: names; by default all that fit.

    Raises:
        ModelError: the artefact cannot be run.
    """
    (chosen,) = choose_runtimes([path], runtimes)
    rows = static_rows(path)
    for name in chosen:
        rows += [
            Row(path.name, f"host/{name}", "", metric, value, unit, "measured")
            for metric, value, unit in _in_a_process(path, name, protocol)
        ]
    return rows


def _in_a_process(path: Path, name: str, protocol: Protocol) -> list[tuple[str, float, str]]:
    order = json.dumps({"path": str(path), "name": name, "protocol": asdict(protocol)})
    done = subprocess.run(
        [sys.executable, "-m", "vpr_edge.benchmarks.host", order],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ModelError(
            f"{path} ended {name} with exit status {done.returncode} ({last}); export it again, or "
            "choose other runtimes by --runtime."
        ) from error
    if "error" in answer:
        raise ModelError(answer["error"])
    return [(metric, value, unit) for metric, value, unit in answer["figures"]]


def _measure(path: Path, name: str, protocol: Protocol) -> list[tuple[str, float, str]]:
    # What the library itself takes is not the artefact's.
    load_library(name)
    before = peak_resident_bytes()
    runtime = open_runtime(path, name)
    tensors = random_inputs(runtime.inputs)
    first = time_run(runtime, tensors)
    # Now, before the list of times grows.
    peak = peak_resident_bytes() - before
    latency = measure_latency(runtime, tensors, protocol)
    figures = [
        ("latency_median_ms", latency.median, "ms"),
        ("latency_p95_ms", latency.p95, "ms"),
        ("latency_spread_ms", latency.spread, "ms"),
        ("first_call_ms", first, "ms"),
        ("runs", float(latency.runs), "count"),
        ("peak_memory_bytes", float(peak), "bytes"),
    ]
    if isinstance(runtime, Tflm | GeneratedC):
        figures.append(("arena_bytes", float(runtime.arena_bytes()), "bytes"))
    return figures


if __name__ == "__main__":
    _order = json.loads(sys.argv[1])
    try:
        _figures = _measure(Path(_order["path"]), _order["name"], Protocol(**_order["protocol"]))
        print(json.dumps({"figures": _figures}))
    except VprEdgeError as _error:
        print(json.dumps({"error": str(_error)}))
