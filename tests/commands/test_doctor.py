"""The diagnosis, against the packages themselves and against programs made for the occasion."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import faiss
import onnxruntime
import pytest

from vpr_edge.commands.doctor import Tool, diagnose


def found(name: str) -> Tool:
    return {tool.name: tool for tool in diagnose()}[name]


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def only_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_versions_are_those_that_the_packages_state_themselves() -> None:
    assert found("onnxruntime").version == onnxruntime.__version__
    assert found("faiss").version == faiss.__version__


def test_what_is_here_needs_no_fix_and_what_is_missing_has_one(only_here: Path) -> None:
    tools = diagnose()
    assert len({tool.name for tool in tools}) == len(tools)
    assert all(tool.what_for for tool in tools)
    assert all(tool.fix for tool in tools if tool.version is None)
    assert found("tflite-micro").fix == ""
    assert found("gcc").version is None and "apt-get install gcc" in found("gcc").fix


def test_diagnosis_imports_nothing_heavy() -> None:
    code = (
        "import sys; from vpr_edge.commands.doctor import diagnose; diagnose();"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "numpy", "onnxruntime", "panda3d", "tensorflow", "faiss", "ai_edge_litert"}
    assert not heavy & set(done.stdout.split())


def test_another_tflite_micro_than_the_pinned_one_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "tflite_micro-0.dev1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: tflite-micro\nVersion: 0.dev1\n")
    code = (
        "from vpr_edge.commands.doctor import diagnose;"
        "print(*next((t.version, t.fix) for t in diagnose() if t.name == 'tflite-micro'), sep='|')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    version, fix = done.stdout.strip().split("|")
    assert version == "0.dev1, not the pinned build"
    assert fix.startswith("pip install 'tflite-micro==0.dev2")


def test_version_is_read_from_what_a_program_prints(only_here: Path) -> None:
    program(only_here, "gcc", "echo 'gcc (Debian 12.2.0-14) 12.2.0'")
    program(only_here, "trtexec", "echo '&&&& RUNNING TensorRT.trtexec [TensorRT v100300] # x'")
    program(only_here, "google-chrome", "echo 'Google Chrome 141.0.7390.54'")
    assert found("gcc") == Tool("gcc", "compiles exported C", "12.2.0", "")
    assert found("trtexec").version == "100300"
    assert found("google-chrome").version == "141.0.7390.54"


@pytest.mark.parametrize("script", ["exit 1", "echo no number here", "echo 1.2.3; exit 3"])
def test_a_program_that_does_not_run_counts_as_missing(only_here: Path, script: str) -> None:
    program(only_here, "clang", script)
    tool = found("clang")
    assert tool.version is None
    assert tool.fix.startswith(f"{only_here / 'clang'} does not run; install clang")


def test_a_file_that_is_no_program_counts_as_missing(only_here: Path) -> None:
    (only_here / "qemu-system-arm").write_bytes(b"\x00\x01\x02")
    (only_here / "qemu-system-arm").chmod(0o755)
    assert found("qemu-system-arm").version is None


def test_cuda_device_is_named_by_its_driver(only_here: Path) -> None:
    program(only_here, "nvidia-smi", "echo 'NVIDIA Jetson Orin'")
    tool = found("CUDA device")
    assert tool.version == "NVIDIA Jetson Orin"
    assert bool(tool.fix) == str(found("torch").version).endswith("+cpu")


def test_no_driver_means_no_cuda_device(only_here: Path) -> None:
    program(only_here, "nvidia-smi", "echo 'No devices were found'; exit 6")
    assert found("CUDA device").version is None


def test_no_message_and_no_page_names_a_package_that_nobody_published() -> None:
    root = Path(__file__).parents[2]
    places = [*(root / "vpr_edge").rglob("*.py"), *(root / "docs").glob("*.md"), root / "README.md"]
    named = [p.name for p in places if re.search(r"install '?\"?vpr-edge", p.read_text())]
    assert named == []


def test_every_extra_that_a_message_names_exists() -> None:
    root = Path(__file__).parents[2]
    texts = [path.read_text() for path in (root / "vpr_edge").rglob("*.py")]
    named = {name for text in texts for name in re.findall(r"install_extra\([\"'](\w+)", text)}
    known = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert named and named <= set(known["optional-dependencies"])
