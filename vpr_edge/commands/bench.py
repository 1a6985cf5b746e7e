"""The command bench: what is measured, where, and what becomes of it."""

import json
import shlex
import sys
from collections import Counter
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from vpr_edge.benchmarks.rows import rows_as_json
from vpr_edge.commands.bench_table import print_bench
from vpr_edge.commands.console import progress
from vpr_edge.commands.diagnosis_table import print_diagnosis
from vpr_edge.commands.ending import say
from vpr_edge.commands.options import ARTEFACT, JSON, OVERWRITE, RUNTIME
from vpr_edge.commands.results import compare, report
from vpr_edge.errors import DataError, OutputError, VprEdgeError
from vpr_edge.files import sole_writer
from vpr_edge.firmware_bridge.emulate.cores import CORES
from vpr_edge.firmware_bridge.emulate.toolchain import TOOLCHAINS
from vpr_edge.output_checks import check_file

NAMED = 4
"""Latencies that a warning names, at most."""


class Measuring(click.Command):
    """A command on artefacts that also has commands on results files.

    Its first word chooses; an artefact of such a name is given as ./NAME.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.commands: dict[str, click.Command] = {}

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """The context of the command that the first word names, else of the measurement."""
        if args and args[0] in self.commands:
            name = f"{info_name} {args[0]}"
            return self.commands[args[0]].make_context(name, args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, and below them the commands."""
        super().format_options(ctx, formatter)
        with formatter.section("Commands on results files"):
            formatter.write_dl(
                [(name, one.get_short_help_str(80)) for name, one in self.commands.items()]
            )


class Device(click.ParamType):
    """This machine, a Jetson, an emulated core, or a board on a serial port."""

    name = "device"
    known = ("host", "jetson", *CORES)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """What the help shows."""
        return f"[{'|'.join(self.known)}|serial:PORT]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The device as it is, if there is such a one."""
        if value not in self.known and not value.startswith("serial:/"):
            known = f"{', '.join(self.known)}, and no serial port such as serial:/dev/ttyACM0"
            self.fail(f"{value!r} is none of {known}.", param, ctx)
        return value


@click.command(cls=Measuring)
@ARTEFACT
@click.option(
    "--device",
    "devices",
    type=Device(),
    multiple=True,
    default=["host"],
    show_default=True,
    help="This machine, a Jetson, or an emulated microcontroller; may be given several times.",
)
@click.option(
    "--host",
    "address",
    metavar="USER@ADDRESS",
    help="Of the Jetson, reached over SSH; without it this machine is the Jetson.",
)
@click.option(
    "--toolchain",
    type=click.Choice(list(TOOLCHAINS)),
    help="Compiler and emulator of microcontrollers; by default gcc+qemu where it is installed.",
)
@click.option(
    "--layers",
    is_flag=True,
    help="Also look into each .tflite layer by layer: work, bytes, use of int8, instructions on "
    "microcontrollers; with the float checkpoint the error, and what would help.",
)
@click.option(
    "--reference",
    metavar="CKPT",
    help="For --layers: the float checkpoint; by default the one that the file names.",
)
@click.option(
    "--inputs",
    type=click.Path(path_type=Path),
    help="For --layers of a file that takes no pictures: .npy, one input after another.",
)
@click.option(
    "--qat-steps",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="For --layers: also try so many steps of QAT.",
)
@RUNTIME
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Of the runtimes on this machine that can use several.",
)
@click.option("--cpu", help="Run on these CPUs: 2, 0,2 or 4-7; by default on idle ones.")
@click.option("--data", help="Also accuracy of each artefact on this data set (name or folder).")
@click.option(
    "--task",
    type=click.Choice(["places", "keypoints", "segmentation"]),
    default="places",
    show_default=True,
    help="What --data judges.",
)
@click.option("--quick", is_flag=True, help="A second instead of ten a runtime.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Also write the results: .json, or .parquet where pyarrow is installed.",
)
@click.option("--append", is_flag=True, help="Add to an --output that exists.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="Also write a report: .html, .md or .csv.",
)
@JSON
@OVERWRITE
def bench(
    artefact: tuple[str, ...],
    devices: tuple[str, ...],
    address: str | None,
    toolchain: str | None,
    layers: bool,
    reference: str | None,
    inputs: Path | None,
    qat_steps: int,
    runtimes: tuple[str, ...],
    threads: int,
    cpu: str | None,
    data: str | None,
    task: str,
    quick: bool,
    output: Path | None,
    append: bool,
    report: Path | None,
    as_json: bool,
    overwrite: bool,
) -> None:
    """Measure latency, instructions, memory, size and accuracy.

    ARTEFACT is a .onnx, .tflite or .safetensors file, or a shipped checkpoint; several artefacts on
    several devices stand in one table. Each artefact goes to the devices that take it.

    \b
    vpr-edge bench out/nano.tflite
    vpr-edge bench float/nano.onnx out/nano.tflite --data town
    vpr-edge bench model.tflite --device host --device cortex-m4 --device cortex-m55
    vpr-edge bench out/nano.tflite --runtime tflm --runtime c --json
    vpr-edge bench out/nano.tflite --device cortex-m4 --layers --data town

    On this machine each runtime runs in a process of its own, pinned to a CPU, for ten windows of a
    second that take turns with the other runtimes'. On a cortex the .tflite file, which may be
    anyone's, is compiled to C and to a bare-metal image and runs under an emulator that counts
    every instruction; its outputs are compared with those of TensorFlow Lite Micro.

    With --output the figures are kept, whatever fails or is interrupted later, to be compared:

    \b
    vpr-edge bench out/nano.tflite --output bench.json --append
    vpr-edge bench compare before.json bench.json
    vpr-edge bench report bench.json --output report.html

    The exit status is 2 when something could not be measured; the rest is still printed and kept.
    """
    from vpr_edge.benchmarks.devices.host import job_of
    from vpr_edge.benchmarks.devices.jetson import RUNTIMES as JETSON_RUNTIMES
    from vpr_edge.benchmarks.devices.latency import QUICK, Protocol
    from vpr_edge.benchmarks.devices.processors import idle_cpus, parse_cpus
    from vpr_edge.benchmarks.measurement import Request, measure
    from vpr_edge.benchmarks.report.bench_report import check_report, write_bench_report
    from vpr_edge.benchmarks.results import KeptRun, Results, Run
    from vpr_edge.runtimes.choose import left_out

    if output:
        check_file(output, overwrite or append, output.suffix or ".json", "--append, --overwrite")
    if report:
        check_report(report, overwrite)
    if address and "jetson" not in devices:
        raise DataError("--host names a Jetson; pass --device jetson too.")
    file = KeptRun(output, append) if output else None
    there = tuple(name for name in runtimes if "jetson" in devices and name in JETSON_RUNTIMES)
    chosen = chosen_artefacts(artefact, tuple(name for name in runtimes if name not in there))
    for path, _, _ in chosen if "host" in devices and not runtimes else ():
        for reason in left_out(path):
            say(f"left out: {reason}")
    request = Request(
        jobs=tuple(job_of(*one, runtimes) for one in chosen),
        devices=tuple(dict.fromkeys(devices)),
        protocol=QUICK if quick else Protocol(),
        threads=threads,
        cpus=parse_cpus(cpu) if cpu else idle_cpus(threads) if "host" in devices else (),
        toolchain=toolchain,
        layers=layers,
        reference=reference or "",
        inputs=inputs,
        qat_steps=qat_steps,
        data=data or "",
        task=task,
        address=address,
        jetson_runtimes=there,
    )
    so_far: list[Run] = []
    results = Results()
    unwritten: list[VprEdgeError] = []

    def keep(run: Run) -> None:
        nonlocal results
        so_far[:], results = [run], Results((run,))
        try:
            if file:
                results = file.keep(run)
        except OutputError as error:
            # What is measured is still worth printing.
            unwritten[:] = [error]

    # Whoever does not append to the file has it to himself.
    alone = sole_writer(output) if output and not append else nullcontext()
    try:
        with alone:
            _, failures = measure(request, _command(), progress, keep)
    finally:
        for run in so_far:
            _show(run, as_json, quick)
    if report and so_far and so_far[-1].rows:
        write_bench_report(results, report, overwrite)
        say(str(report))
    if failures := [*failures, *unwritten]:
        raise type(failures[0])(" ".join(map(str, failures)))


bench.commands = {"compare": compare, "report": report}


def chosen_artefacts(
    artefacts: tuple[str, ...], wanted: tuple[str, ...]
) -> list[tuple[Path, str, tuple[str, ...]]]:
    """Path, label and runtimes of each artefact; its label is the file name if that is enough."""
    from vpr_edge.models.checkpoint import shipped_checkpoints
    from vpr_edge.runtimes.choose import choose_runtimes

    shipped = shipped_checkpoints()
    paths = list(dict.fromkeys(shipped.get(name, Path(name)) for name in artefacts))
    alike = Counter(path.name for path in paths)
    return [
        (path, path.name if alike[path.name] == 1 else str(path), names)
        for path, names in zip(paths, choose_runtimes(paths, wanted), strict=True)
    ]


def _command() -> str:
    return shlex.join(["vpr-edge", *sys.argv[1:]])


def _terms(run: Any) -> str:
    """Threads and CPUs of what was measured on this machine."""
    if "host" not in run.settings["devices"]:
        return ""
    threads = f"{run.threads} thread{'s' * (run.threads > 1)}"
    if not run.affinity:
        return f"host: {threads}, on any CPU"
    numbers = ", ".join(map(str, run.affinity))
    return f"host: {threads}, on CPU{'s' * (len(run.affinity) > 1)} {numbers}"


def _show(run: Any, as_json: bool, quick: bool) -> None:
    from vpr_edge.benchmarks.devices.host import unstable

    if as_json:
        more = {"diagnoses": [asdict(one) for one in run.diagnoses]} if run.diagnoses else {}
        click.echo(json.dumps(rows_as_json(run.rows) | more, indent=2))
    else:
        print_bench(run.rows, _terms(run))
        for diagnosis in run.diagnoses:
            print_diagnosis(diagnosis)
    for facts in run.facts.values():
        for name, sentence in facts.items():
            if name.startswith("left out"):
                say(f"left out: {sentence}")
    if shaky := unstable(run.rows):
        named = "; ".join(
            f"{row.artefact} in {row.device.removeprefix('host/')} ({reasons})"
            for row, reasons in shaky[:NAMED]
        )
        if len(shaky) > NAMED:
            named += f"; and {len(shaky) - NAMED} more"
        remedy = "measure without --quick" if quick else "close other programs"
        say(
            "another run may differ by more than 5 %, for windows did or other programs "
            f"held the CPU: {named}; {remedy}, or choose an idle CPU by --cpu."
        )
