"""Latency and memory of an artefact on this machine."""

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vpr_edge.benchmarks.rows import Row
from vpr_edge.benchmarks.runtimes import TFLM_ARENA_ROOM, open_runtime, runtimes_for
from vpr_edge.errors import ModelError, VprEdgeError
from vpr_edge.export.tflite_read import read_tflite


@dataclass(frozen=True)
class Protocol:
    """How long latency is measured.

    Attributes:
        warm_up: runs that are not counted.
        windows: windows of equal length; the spread between their medians is reported.
        seconds: length of a window.
    """

    warm_up: int = 10
    windows: int = 10
    seconds: float = 1.0


EXPLAINED = 2
"""Exit status of a measuring process whose last line is a sentence for the user."""
QUICK = Protocol(warm_up=3, windows=3, seconds=0.3)


def bench_host(path: Path, protocol: Protocol, runtimes: tuple[str, ...] = ()) -> list[Row]:
    """Measure an artefact in each runtime that runs it, each in a process of its own.

    A fresh process gives a first call that is really the first, and a peak of resident memory that
    belongs to this artefact and runtime alone.

    Args:
        path: the artefact.
        protocol: how long.
        runtimes: names; by default all that fit.

    Raises:
        ModelError: the artefact cannot be run.
    """
    rows: list[Row] = []
    for name in runtimes or runtimes_for(path):
        if name not in runtimes_for(path):
            continue
        order = json.dumps([str(path), name, vars(protocol)])
        done = subprocess.run(
            [sys.executable, "-m", "vpr_edge.benchmarks.host", order],
            capture_output=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            if done.returncode == EXPLAINED:
                raise ModelError(last)
            raise ModelError(f"{path} failed in {name} ({last}); export it again.")
        figures = json.loads(done.stdout.strip().splitlines()[-1])
        device = f"host/{name}"
        rows += [
            Row(path.name, device, "", metric, value, unit, "measured")
            for metric, value, unit in figures
        ]
    if path.suffix == ".tflite":
        rows += static_rows(path)
        rows.append(
            Row(path.name, "host/tflm", "", "arena_bytes", arena_bytes(path), "bytes", "measured")
        )
    return rows


def static_rows(path: Path) -> list[Row]:
    """What can be read off a TFLite file without running it."""
    file = read_tflite(path)
    weights = sum(t.values.nbytes for t in file.tensors if t.values is not None)
    return [
        Row(path.name, "", "", "weights_bytes", weights, "bytes", "static"),
        Row(path.name, "", "", "file_bytes", path.stat().st_size, "bytes", "static"),
    ]


def arena_bytes(path: Path) -> int:
    """Bytes that TFLM's interpreter takes of its arena, as it prints them itself.

    The host build has 64-bit pointers: its structures (not its tensors) are larger than on a
    microcontroller.
    """
    from tflite_micro.python.tflite_micro import runtime

    file = read_tflite(path)
    room = sum(int(np.prod(tensor.shape)) for tensor in file.tensors) + TFLM_ARENA_ROOM
    interpreter = runtime.Interpreter.from_bytes(path.read_bytes(), arena_size=room)
    # The interpreter writes to file descriptor 2 and returns nothing.
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as stream:
            os.dup2(stream.fileno(), 2)
            interpreter.print_allocations()
            os.dup2(kept, 2)
            stream.seek(0)
            text = stream.read().decode(errors="replace")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    found = re.search(r"Arena allocation total (\d+) bytes", text)
    if not found:
        raise ModelError(
            f"TFLM did not say what arena {path} needs; report this with: {text[:80]!r}."
        )
    return int(found.group(1))


def _measure(path: Path, name: str, protocol: Protocol) -> list[tuple[str, float, str]]:
    start = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    runtime = open_runtime(path, name)
    shape = (runtime.preprocessing.height, runtime.preprocessing.width, 3)
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    runtime.run(picture)
    first = time.perf_counter() - start
    for _ in range(protocol.warm_up):
        runtime.run(picture)
    windows: list[list[float]] = []
    for _ in range(protocol.windows):
        times: list[float] = []
        end = time.perf_counter() + protocol.seconds
        while not times or time.perf_counter() < end:
            begun = time.perf_counter()
            runtime.run(picture)
            times.append(time.perf_counter() - begun)
        windows.append(times)
    every = np.concatenate([np.array(window) for window in windows]) * 1e3
    medians = np.array([np.median(window) for window in windows]) * 1e3
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return [
        ("latency_median_ms", float(np.median(every)), "ms"),
        ("latency_p95_ms", float(np.percentile(every, 95)), "ms"),
        ("latency_spread_ms", float(np.ptp(medians)), "ms"),
        ("first_call_ms", first * 1e3, "ms"),
        ("runs", len(every), "count"),
        ("peak_memory_bytes", (peak - before) * 1024, "bytes"),
    ]


if __name__ == "__main__":
    _path, _name, _protocol = json.loads(sys.argv[1])
    try:
        print(json.dumps(_measure(Path(_path), _name, Protocol(**_protocol))))
    except VprEdgeError as _error:
        print(_error, file=sys.stderr)
        sys.exit(EXPLAINED)
