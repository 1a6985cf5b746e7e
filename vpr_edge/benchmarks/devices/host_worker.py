"""The process in which one artefact runs in one runtime and is measured, told what to do by lines.

Its first line of input is an `Order` as JSON, to which it answers "prepared" when what is the
tool's work is done, and then with what opening the artefact showed. Each further line "window" is
answered with the median of a window, and "finish" with the figures. Answers are lines of JSON; an
`error` ends the process. What native code writes to stdout goes to stderr.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from vpr_edge.benchmarks.devices.latency import Stopwatch, random_inputs, time_run
from vpr_edge.benchmarks.devices.memory import forget_peak, peak_resident_bytes
from vpr_edge.benchmarks.devices.processors import pin
from vpr_edge.errors import ModelError, VprEdgeError
from vpr_edge.firmware_bridge.compile.host import host_compiler
from vpr_edge.places.describe import place_descriptor
from vpr_edge.processes import run as run_program
from vpr_edge.runtimes.choose import LIBRARIES, prepare_runtime
from vpr_edge.runtimes.device import DeviceRuntime
from vpr_edge.runtimes.files import TflmRuntime
from vpr_edge.runtimes.generated_c import GeneratedC
from vpr_edge.runtimes.peers import PeerC
from vpr_edge.runtimes.runtime import Runtime

PICTURE = (480, 640)
"""Height and width of the picture that end-to-end latency begins with."""
END_TO_END_SHARE = 4
"""A window of end-to-end runs takes this part of a window of the network alone."""


@dataclass(frozen=True)
class Order:
    """What a process is to measure.

    Attributes:
        path: the artefact.
        runtime: its name.
        threads: of the runtime.
        cpus: to run on; empty for any.
        warm_up: runs before anything counts.
        seconds: length of a window.
    """

    path: str
    runtime: str
    threads: int = 1
    cpus: tuple[int, ...] = ()
    warm_up: int = 10
    seconds: float = 1.0


Figure = tuple[str, float, str, str]
"""Metric, value, unit, method."""


def main() -> None:
    """Serve one order."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**values: Any) -> None:
        print(json.dumps(values), file=answers, flush=True)

    try:
        line = sys.stdin.readline()
        if not line:
            # Interrupted before there was an order.
            return
        order = Order(**json.loads(line))
        pin(order.cpus)
        opened = prepare_runtime(Path(order.path), order.runtime, order.threads)
        answer(prepared=True)
        opening, network, whole = _open(opened, order.warm_up)
        answer(**opening)
        for line in sys.stdin:
            if line.strip() == "finish":
                answer(figures=_figures(network, whole))
                return
            median = network.window(order.seconds)
            if whole:
                whole.window(order.seconds / END_TO_END_SHARE)
            answer(median=median)
    except VprEdgeError as error:
        answer(error=str(error))


def _open(
    opened: Callable[[], Runtime], warm_up: int
) -> tuple[dict[str, Any], Stopwatch, Stopwatch | None]:
    """What opening showed, and the stopwatches of the network alone and of the whole way."""
    forget_peak()
    before = peak_resident_bytes()
    runtime = opened()
    tensors = random_inputs(runtime.inputs)
    first = time_run(runtime, tensors)
    # Now, before the lists of times grow.
    figures: list[Figure] = [
        ("first_call_ms", first, "ms", "measured"),
        ("peak_memory_bytes", float(peak_resident_bytes() - before), "bytes", "measured"),
    ]
    if isinstance(runtime, TflmRuntime):
        figures.append(("arena_bytes", float(runtime.arena_bytes()), "bytes", "measured"))
    elif isinstance(runtime, GeneratedC):
        figures.append(("arena_bytes", float(runtime.arena_bytes()), "bytes", "static"))
    elif isinstance(runtime, PeerC) and runtime.arena_bytes is not None:
        figures.append(("arena_bytes", float(runtime.arena_bytes), "bytes", "static"))
    network = Stopwatch(lambda: time_run(runtime, tensors))
    way = _end_to_end(runtime)
    whole = Stopwatch(way) if way else None
    for watch in (network, whole):
        if watch:
            watch.warm_up(warm_up)
    return {"figures": figures, "facts": _facts(runtime)}, network, whole


def _end_to_end(runtime: Runtime) -> Callable[[], float] | None:
    """A run from a picture in memory to the place vector, or to the maps of an artefact without.

    None where the artefact does not declare its preprocessing.
    """
    try:
        transforms = runtime.transforms
    except ModelError:
        return None
    picture = np.random.default_rng(0).integers(0, 256, (*PICTURE, 3)).astype(np.uint8)

    def timed() -> float:
        begun = perf_counter()
        if isinstance(runtime, DeviceRuntime):
            runtime.way.see(picture)
        elif "place" in transforms:
            place_descriptor(runtime, picture)
        else:
            runtime.run(runtime.preprocessing.fit(picture))
        return (perf_counter() - begun) * 1e3

    return timed


def _figures(network: Stopwatch, whole: Stopwatch | None) -> list[Figure]:
    latency = network.latency()
    figures: list[Figure] = [
        ("latency_median_ms", latency.median, "ms", "measured"),
        ("latency_p95_ms", latency.p95, "ms", "measured"),
        ("latency_p99_ms", latency.p99, "ms", "measured"),
        ("latency_spread_ms", latency.spread, "ms", "measured"),
        ("runs", float(latency.runs), "count", "measured"),
    ]
    if latency.waited is not None:
        figures.append(("cpu_wait_fraction", latency.waited, "fraction", "measured"))
    if whole:
        way = whole.latency()
        figures += [
            ("end_to_end_median_ms", way.median, "ms", "measured"),
            ("end_to_end_p95_ms", way.p95, "ms", "measured"),
            ("end_to_end_spread_ms", way.spread, "ms", "measured"),
        ]
    return figures


def _facts(runtime: Runtime) -> dict[str, str]:
    """The version of what runs the artefact."""
    if isinstance(runtime, GeneratedC):
        asked = [*host_compiler(), "--version"]
        said = run_program(asked, text=True).stdout.splitlines()
        return {"compiler": said[0] if said else "unknown"}
    if isinstance(runtime, PeerC):
        return runtime.facts
    package = LIBRARIES[runtime.name].partition(".")[0].replace("_", "-")
    return {"library": f"{package} {metadata.version(package)}"}


if __name__ == "__main__":
    main()
