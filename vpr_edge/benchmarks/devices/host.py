"""Latency and memory of artefacts on this machine, each runtime in a process of its own.

A fresh process gives a first call that is really the first, and a peak of resident memory that
belongs to this artefact and runtime alone. Windows of all artefacts and runtimes take turns: a
machine that becomes slower or faster on the way does so for all of them, and their ratios hold.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vpr_edge.benchmarks.devices.host_process import HostProcess
from vpr_edge.benchmarks.devices.host_worker import Order
from vpr_edge.benchmarks.devices.latency import STABLE, Protocol
from vpr_edge.benchmarks.results import Facts, Measured
from vpr_edge.benchmarks.rows import Row
from vpr_edge.benchmarks.static import static_rows
from vpr_edge.errors import VprEdgeError
from vpr_edge.runtimes.choose import THREADED, choose_runtimes
from vpr_edge.runtimes.peers import PEERS

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """An artefact, what it is called in rows, and the runtimes to measure it in.

    A runtime that is optional and refuses the artefact is a fact and no failure.
    """

    path: Path
    label: str
    runtimes: tuple[str, ...]
    optional: tuple[str, ...] = ()


def job_of(path: Path, label: str, runtimes: Sequence[str], wanted: Sequence[str]) -> Job:
    """A job in which peers that are not wanted by name may refuse the artefact."""
    optional = tuple(name for name in runtimes if name in PEERS and name not in wanted)
    return Job(path, label, tuple(runtimes), optional)


def bench_host(path: Path, protocol: Protocol, runtimes: Sequence[str] = ()) -> list[Row]:
    """Measure an artefact on one thread in each runtime that runs it.

    Args:
        path: the artefact.
        protocol: how long.
        runtimes: names; by default all that fit and are here.

    Raises:
        ModelError: the artefact cannot be run.
        ToolMissingError: a runtime is not here.
    """
    (chosen,) = choose_runtimes([path], runtimes)
    rows = static_rows(path)
    jobs = [job_of(path, path.name, chosen, runtimes)]
    return rows + [found for found in bench_jobs(jobs, protocol) if isinstance(found, Row)]


def bench_jobs(
    jobs: Sequence[Job],
    protocol: Protocol,
    threads: int = 1,
    cpus: tuple[int, ...] = (),
    progress: Progress | None = None,
) -> Iterator[Measured]:
    """Measure artefacts in runtimes, yielding what is known as soon as it is.

    What one runtime cannot run does not keep the others from being measured. When interrupted, the
    figures over the windows so far are yielded before the interruption goes on.

    Args:
        jobs: what to measure.
        protocol: how long.
        threads: of each runtime that can use several.
        cpus: to run on; empty for any.
        progress: called with the windows done and in total.

    Raises:
        VprEdgeError: at the end, what could not be measured and why.
    """
    failures: list[VprEdgeError] = []
    running: list[HostProcess] = []
    wanted = [(job, name) for job in jobs for name in job.runtimes]
    total = protocol.windows * len(wanted)
    done = 0
    try:
        for job, name in wanted:
            own = threads if name in THREADED else 1
            order = Order(str(job.path), name, own, cpus, protocol.warm_up, protocol.seconds)
            running.append(HostProcess(order, job.label))
            try:
                yield from running[-1].open()
            except VprEdgeError as error:
                refused = running.pop()
                refused.stop()
                if name in job.optional:
                    yield Facts(refused.device, {f"left out of {job.label}": str(error)})
                else:
                    failures.append(error)
        for _ in range(protocol.windows):
            for process in list(running):
                try:
                    process.window()
                except VprEdgeError as error:
                    failures.append(error)
                    running.remove(process)
                    process.stop()
                done += 1
                if progress:
                    progress(done, total)
        yield from _finish(running)
    except KeyboardInterrupt:
        yield from _finish(running)
        raise
    finally:
        for process in running:
            process.stop()
    if failures:
        raise type(failures[0])(" ".join(map(str, failures)))


def unstable(rows: Sequence[Row]) -> list[tuple[Row, str]]:
    """The medians that another run may not give again, and why.

    Their windows differ, or other programs held the CPU, by more than `STABLE`.
    """
    value = {(row.artefact, row.device, row.metric): row.value for row in rows}
    found = []
    for row in rows:
        if row.metric != "latency_median_ms" or not row.value:
            continue
        key = (row.artefact, row.device)
        spread = value.get((*key, "latency_spread_ms"), 0.0) / row.value
        waited = value.get((*key, "cpu_wait_fraction"), 0.0)
        reasons = [f"windows {100 * spread:.0f} % apart"] if spread > STABLE else []
        reasons += [f"waited {100 * waited:.0f} % of the time"] if waited > STABLE else []
        if reasons:
            found.append((row, ", ".join(reasons)))
    return found


def _finish(running: list[HostProcess]) -> Iterator[Measured]:
    """The figures of processes that measured a window; each leaves the list."""
    while running:
        process = running.pop(0)
        try:
            if process.windows:
                yield from process.finish()
        finally:
            process.stop()
