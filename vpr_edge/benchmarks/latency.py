"""How long an opened artefact takes for one run, by the wall clock."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpr_edge.benchmarks.runtime import Input, Runtime


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
    """Milliseconds a run; handing over the input and reading the output do not count.

    Attributes:
        median, p95: over all runs of all windows.
        spread: from the smallest to the largest median of a window.
        runs: how many were counted.
    """

    median: float
    p95: float
    spread: float
    runs: int


def time_run(runtime: Runtime, tensors: Sequence[NDArray[Any]]) -> float:
    """Milliseconds of one run on the given input."""
    # The input is handed over each time: TFLM's arena reuses its memory.
    runtime.feed(tensors)
    begun = time.perf_counter()
    runtime.invoke()
    return (time.perf_counter() - begun) * 1e3


def measure_latency(
    runtime: Runtime, tensors: Sequence[NDArray[Any]], protocol: Protocol
) -> Latency:
    """Time a runtime on the given input."""
    for _ in range(protocol.warm_up):
        time_run(runtime, tensors)
    windows: list[list[float]] = []
    for _ in range(protocol.windows):
        times: list[float] = []
        end = time.perf_counter() + protocol.seconds
        while not times or time.perf_counter() < end:
            times.append(time_run(runtime, tensors))
        windows.append(times)
    every = np.concatenate([np.array(window) for window in windows])
    medians = [np.median(window) for window in windows]
    return Latency(
        float(np.median(every)),
        float(np.percentile(every, 95)),
        float(np.ptp(medians)),
        len(every),
    )


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
