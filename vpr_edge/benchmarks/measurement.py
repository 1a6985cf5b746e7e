"""One call of `bench`: artefacts on devices, and whatever was measured is kept."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from vpr_edge import __version__
from vpr_edge.benchmarks.devices.boards import predicted_rows
from vpr_edge.benchmarks.devices.host import Job, bench_jobs
from vpr_edge.benchmarks.devices.host_worker import PICTURE
from vpr_edge.benchmarks.devices.jetson import bench_jetson
from vpr_edge.benchmarks.devices.latency import Protocol
from vpr_edge.benchmarks.devices.mcu import bench_mcu
from vpr_edge.benchmarks.devices.processors import machine
from vpr_edge.benchmarks.devices.serial.board import bench_serial
from vpr_edge.benchmarks.diagnosis.diagnose import diagnose_artefact
from vpr_edge.benchmarks.results import Facts, Measured, Run
from vpr_edge.benchmarks.static import static_rows
from vpr_edge.benchmarks.tasks.evaluate import evaluate
from vpr_edge.errors import ModelError, VprEdgeError
from vpr_edge.runtimes.choose import RUNTIMES, missing, open_runtime

Report = Callable[[int, int], None]
Bar = Callable[[str], AbstractContextManager[Report]]
EXACT = ("c", "tflm")
"""Runtimes on the host that compute what the generated C computes on a microcontroller."""


@dataclass(frozen=True)
class Request:
    """What is to be measured.

    Attributes:
        jobs: artefacts with the host runtimes to measure them in.
        devices: "host", "jetson" and names of emulated cores.
        protocol: of the host.
        threads: of host runtimes that can use several.
        cpus: that host runtimes are pinned to; empty for any.
        toolchain: of emulated cores; None for the first that is here.
        layers: whether emulated cores give each layer's instructions, and int8 TFLite files are
            looked into layer by layer.
        reference: float checkpoint that those files are compared with; "" for the one they name.
        inputs: .npy file of inputs for those that do not take pictures; None for none.
        qat_steps: more QAT to try on them; 0 for none.
        data: data set on which accuracy is judged; "" for none.
        task: on it.
        address: `user@address` of the Jetson; None where this machine is one.
        jetson_runtimes: there; by default the best one.
    """

    jobs: tuple[Job, ...]
    devices: tuple[str, ...]
    protocol: Protocol
    threads: int = 1
    cpus: tuple[int, ...] = ()
    toolchain: str | None = None
    layers: bool = False
    reference: str = ""
    inputs: Path | None = None
    qat_steps: int = 0
    data: str = ""
    task: str = "places"
    address: str | None = None
    jetson_runtimes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """A part of the work: what it is called, and what yields its figures."""

    about: str
    measure: Callable[[Report], Iterator[Measured]]


def measure(
    request: Request, command: str, bar: Bar, keep: Callable[[Run], None]
) -> tuple[Run, list[VprEdgeError]]:
    """Measure part by part; what fails does not keep the rest from being measured.

    Args:
        request: what to measure.
        command: the command line, for the record.
        bar: shows progress under a title.
        keep: given the run so far after each part, also after one that failed or was interrupted.

    Returns:
        The run, and why parts of it are missing.

    Raises:
        ModelError: a file is damaged, or an artefact or a device is left over; nothing was
            measured.
        KeyboardInterrupt: after what was measured so far has been kept.
    """
    parts = list(_parts(request))
    run = _run(request, command).holding(_static(request.jobs))
    failures: list[VprEdgeError] = []
    for part in parts:
        found: list[Measured] = []
        try:
            with bar(part.about) as report:
                # One by one: what was yielded before a failure is kept.
                for one in part.measure(report):
                    found.append(one)
        except VprEdgeError as error:
            failures.append(error)
        except KeyboardInterrupt:
            keep(replace(run.holding(found), ended="interrupted"))
            raise
        run = replace(run.holding(found), ended=" ".join(map(str, failures)))
        keep(run)
    return run, failures


def _run(request: Request, command: str) -> Run:
    settings = {
        "artefacts": [str(job.path) for job in request.jobs],
        "runtimes": [list(job.runtimes) for job in request.jobs],
        "devices": list(request.devices),
        **asdict(request.protocol),
        "picture": "{1}x{0}".format(*PICTURE),
        "toolchain": request.toolchain,
        "data": request.data,
        "task": request.task,
        "address": request.address,
    }
    return Run(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        version=__version__,
        machine=machine() | {"python": sys.version.split()[0]},
        threads=request.threads,
        affinity=request.cpus,
        settings=settings,
    )


def _static(jobs: Sequence[Job]) -> list[Measured]:
    return [replace(row, artefact=job.label) for job in jobs for row in static_rows(job.path)]


def takes(device: str) -> tuple[str, ...]:
    """The endings of the artefacts that a device takes."""
    match device.partition(":")[0]:
        case "host":
            return tuple(RUNTIMES)
        case "jetson":
            return (".onnx", ".safetensors")
    return (".tflite",)


def _parts(request: Request) -> Iterator[Part]:
    _refuse_leftovers(request)
    for device in request.devices:
        fitting = [job for job in request.jobs if job.path.suffix in takes(device)]
        if device == "host":
            yield Part("on this machine", partial(_on_host, request))
        else:
            for job in fitting:
                about = f"{job.label} on {device}"
                yield Part(about, partial(_on_device, request, job, device))
    for job in request.jobs if request.layers else ():
        if job.path.suffix == ".tflite":
            yield Part(f"{job.label} layer by layer", partial(_diagnosed, request, job))
    for job in request.jobs if request.data else ():
        for name in _judged_in(job, request):
            yield Part(f"{job.label} in {name}", partial(_judged, request, job, name))


def _refuse_leftovers(request: Request) -> None:
    for device in request.devices:
        if not any(job.path.suffix in takes(device) for job in request.jobs):
            raise ModelError(
                f"{request.jobs[0].path} does not run on {device}, which takes "
                f"{' or '.join(takes(device))} files; export it first (vpr-edge export)."
            )
    for job in request.jobs:
        if not any(job.path.suffix in takes(device) for device in request.devices):
            raise ModelError(
                f"{job.path} does not run on {' or '.join(request.devices)}; leave it out, or "
                "export it first (vpr-edge export)."
            )


def _diagnosed(request: Request, job: Job, report: Report) -> Iterator[Measured]:
    """An int8 TFLite file layer by layer."""
    found = diagnose_artefact(
        job.path, request.reference, request.data, request.inputs, request.qat_steps, report
    )
    yield replace(found, artefact=job.label)


def _judged_in(job: Job, request: Request) -> tuple[str, ...]:
    """The runtimes that accuracy is measured in."""
    if "host" in request.devices or job.path.suffix != ".tflite":
        return tuple(name for name in job.runtimes if name not in job.optional)
    return tuple(name for name in EXACT if not missing(name))[:1]


def _on_host(request: Request, report: Report) -> Iterator[Measured]:
    return bench_jobs(request.jobs, request.protocol, request.threads, request.cpus, report)


def _on_device(request: Request, job: Job, device: str, report: Report) -> Iterator[Measured]:
    """An artefact on anything but this machine's runtimes, under its label."""
    for one in _found_on(request, job, device):
        yield one if isinstance(one, Facts) else replace(one, artefact=job.label)


def _found_on(request: Request, job: Job, device: str) -> Iterator[Measured]:
    if device == "jetson":
        for runtime in request.jetson_runtimes or ("",):
            yield from bench_jetson(job.path, request.address, request.protocol, runtime)
        return
    if device.startswith("serial:"):
        yield from bench_serial(job.path, device.removeprefix("serial:"))
        return
    for row in bench_mcu(job.path, device, request.toolchain, layers=request.layers):
        yield row
        if row.metric == "instructions":
            yield from predicted_rows(job.label, row.device, row.value)


def _judged(request: Request, job: Job, runtime: str, report: Report) -> Iterator[Measured]:
    """The accuracy of an artefact in a runtime."""
    rows = evaluate(open_runtime(job.path, runtime), request.task, request.data, report)
    yield from (replace(row, artefact=job.label) for row in rows)
