"""C snippets over the runtime's headers, compiled to a library or to a sanitised program."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import vpr_edge.firmware_bridge
from vpr_edge.firmware_bridge.compile.host import WARNINGS

RUNTIME = Path(vpr_edge.firmware_bridge.__file__).parent / "runtime"
INCLUDES = [f"-I{RUNTIME / folder}" for folder in ("", "camera", "decode")]
# The last one may fuse multiplications with additions, and would change floats that allow it.
BUILDS = {
    "gcc": ("gcc", "-std=c99", "-O2"),
    "clang": ("clang", "-std=c99", "-O2"),
    "gcc-fused": ("gcc", "-std=gnu99", "-O3", "-march=native", "-ffp-contract=fast"),
}
# Heap memory of exactly that size from the standard input: the sanitizers guard its ends.
TAKEN = """
#include <stdio.h>
#include <stdlib.h>

static void *taken(size_t size)
{
    void *memory = malloc(size);
    if (fread(memory, 1, size, stdin) != size) {
        exit(99);
    }
    return memory;
}
"""
SANITIZED = ("-std=c99", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover")


def build(code: str, folder: Path, build_name: str, *more: Path) -> ctypes.CDLL:
    """Compile C and load it; skips where that compiler is not installed."""
    compiler, *flags = BUILDS[build_name]
    _compile([compiler, *flags, "-shared", "-fPIC"], code, folder, folder / "code.so", more)
    return ctypes.CDLL(str(folder / "code.so"))


def build_sanitized(code: str, folder: Path) -> Path:
    """Compile a program that dies on any undefined behaviour or read out of bounds."""
    _compile(["gcc", *SANITIZED], code, folder, folder / "program", ())
    return folder / "program"


def _compile(
    command: list[str], code: str, folder: Path, target: Path, more: tuple[Path, ...]
) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    source = folder / "code.c"
    source.write_text(code)
    files = map(str, (source, *more))
    done = subprocess.run(
        [*command, *WARNINGS, *INCLUDES, f"-I{folder}", *files, "-o", str(target)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def pointer(array: NDArray[np.generic]) -> ctypes.c_void_p:
    """To the elements of a contiguous array, which must outlive the call."""
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)
