"""How long an opened artefact takes for one run, by the wall clock."""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpr_edge.benchmarks.devices.processors import WaitingTime
from vpr_edge.runtimes.runtime import Input, Runtime

STABLE = 0.05
"""Share of the median by which windows may differ, and of the time that a process may wait for its
CPU, before a latency is called unstable."""


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


QUICK = Protocol(warm_up=3, windows=3, seconds=0.3)


@dataclass(frozen=True)
class Latency:
    """Milliseconds a run.

    Attributes:
        median, p95, p99: over all runs of all windows.
        spread: from the smallest to the largest median of a window.
        runs: how many were counted.
        waited: share of the windows in which other programs held the CPU; None if unknown.

    Where the system says how long a run waited for the CPU, that is no part of the run.
    """

    median: float
    p95: float
    p99: float
    spread: float
    runs: int
    waited: float | None = None


class Stopwatch:
    """Times of a run, gathered window by window; no run of a window is left out."""

    def __init__(self, timed: Callable[[], float]) -> None:
        """Take what runs once and returns its milliseconds."""
        self.timed = timed
        self.windows: list[NDArray[np.float64]] = []
        self._waiting = WaitingTime()
        self._waited = self._passed = 0.0

    def warm_up(self, runs: int) -> None:
        """Run without counting."""
        for _ in range(runs):
            self.timed()

    def window(self, seconds: float) -> float:
        """Run for so many seconds, at least once; returns the median of this window, ms."""
        times: list[float] = []
        # A collection of Python's garbage is no part of a run.
        gc.collect()
        gc.disable()
        begun = time.perf_counter()
        while not times or time.perf_counter() < begun + seconds:
            times.append(self._run())
        gc.enable()
        self._passed += (time.perf_counter() - begun) * 1e3
        self.windows.append(np.array(times))
        return float(np.median(times))

    def latency(self) -> Latency:
        """Over all windows so far, of which there must be one."""
        every = np.concatenate(self.windows)
        median, p95, p99 = np.percentile(every, (50, 95, 99))
        medians = [np.median(window) for window in self.windows]
        return Latency(
            float(median),
            float(p95),
            float(p99),
            float(np.ptp(medians)),
            len(every),
            self._waited / self._passed if self._waiting.known else None,
        )

    def _run(self) -> float:
        """Milliseconds of a run, less those in which it waited for the CPU."""
        if not self._waiting.known:
            return self.timed()
        before = self._waiting.milliseconds()
        taken = self.timed()
        waited = self._waiting.milliseconds() - before
        self._waited += waited
        # More than was taken: it waited outside of what is timed.
        return taken - waited if waited < taken else taken


def time_run(runtime: Runtime, tensors: Sequence[NDArray[Any]]) -> float:
    """Milliseconds of one run; handing over the input and reading the output do not count."""
    # The input is handed over each time: TFLM's arena reuses its memory.
    runtime.feed(tensors)
    begun = time.perf_counter()
    runtime.invoke()
    return (time.perf_counter() - begun) * 1e3


def measure_latency(
    runtime: Runtime, tensors: Sequence[NDArray[Any]], protocol: Protocol
) -> Latency:
    """Time a runtime on the given input, in windows one after another."""
    watch = Stopwatch(lambda: time_run(runtime, tensors))
    watch.warm_up(protocol.warm_up)
    for _ in range(protocol.windows):
        watch.window(protocol.seconds)
    return watch.latency()


def random_inputs(inputs: tuple[Input, ...], seed: int = 0) -> list[NDArray[Any]]:
    """Tensors to run a network on: bytes over their whole range, floats in [0, 1), else zeros.

    Wider integers are mostly indices, for which zero is always valid.
    """
    rng = np.random.default_rng(seed)
    tensors: list[NDArray[Any]] = []
    for entry in inputs:
        if entry.dtype in (np.int8, np.uint8):
            tensors.append(rng.integers(0, 256, entry.shape).astype(np.uint8).view(entry.dtype))
        elif entry.dtype.kind == "f":
            tensors.append(rng.random(entry.shape).astype(entry.dtype))
        else:
            tensors.append(np.zeros(entry.shape, entry.dtype))
    return tensors
