"""Whole models as native C: TFLM's bits, clean compilation, no library but memcpy and memset."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.firmware_bridge.conftest import OUR_NETWORKS, TRAINED
from tests.firmware_bridge.photographs import photographs
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.golden import golden_vectors, random_inputs
from vpr_edge.firmware_bridge.compile.host import FLAGS, WARNINGS, NativeModel
from vpr_edge.firmware_bridge.compile.project import write_project
from vpr_edge.firmware_bridge.operators.shared.program import run_reference
from vpr_edge.tflite.tflm import Tflm

MODELS = ("ic", "vww", *TRAINED, "nano-int8", *OUR_NETWORKS)
INPUTS = 100
SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include "model.h"
#include "model_selftest.h"
int main(void)
{
    /* From malloc and of the exact size, so that the sanitizer sees every byte beyond it. */
    void *memory = NULL;
    if (posix_memalign(&memory, MODEL_ARENA_ALIGNMENT, MODEL_ARENA_SIZE) != 0) {
        return 2;
    }
    const long different = model_selftest(memory, MODEL_ARENA_SIZE);
    printf("%ld\\n", different);
    free(memory);
    return different != 0;
}
"""


@pytest.mark.parametrize("model", MODELS)
def test_c_equals_tflm_on_a_hundred_photographs(
    model_named: Callable[[str], Path], frames: list[NDArray[np.uint8]], model: str
) -> None:
    path = model_named(model)
    plan, oracle = compile_model(path), Tflm(path)
    native = NativeModel(plan)
    seen = set()
    for index, picture in enumerate(photographs(plan.program, frames, INPUTS)):
        expected = oracle.run(picture)
        for ours, theirs in zip(native.run(picture), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        seen.add(expected[0].tobytes())
        if index < 3:
            values = run_reference(plan.program, picture)
            for tensor, theirs in zip(plan.program.outputs, expected, strict=True):
                np.testing.assert_array_equal(values[tensor], theirs)
    assert len(seen) > 1, "every picture gave the same output"


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("model", ["ic", "vww", "nano-int8"])
def test_c_is_clean_under_warnings_and_sanitizers(
    model_named: Callable[[str], Path], tmp_path: Path, model: str, compiler: str
) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    path = model_named(model)
    plan = compile_model(path)
    vectors = golden_vectors(path, plan.program, random_inputs(plan.program, 3, seed=9))
    sources = write_project(plan, "model", tmp_path, vectors)
    for source in sources:
        subprocess.run(
            [compiler, *FLAGS, *WARNINGS, "-c", str(source), "-o", os.devnull],
            check=True, cwd=tmp_path,
        )  # fmt: skip
    main = tmp_path / "main.c"
    main.write_text(MAIN)
    flags = ("-std=gnu99", *SANITIZERS)
    program = tmp_path / "selftest"
    subprocess.run(
        [compiler, *flags, str(main), *map(str, sources), "-o", str(program)], check=True
    )
    done = subprocess.run([str(program)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr[-2000:]


@pytest.mark.parametrize("model", ["ic", "vww", "nano-int8"])
def test_c_calls_nothing_but_memcpy_and_memset(
    model_named: Callable[[str], Path], tmp_path: Path, model: str
) -> None:
    write_project(compile_model(model_named(model)), "model", tmp_path)
    subprocess.run(
        ["gcc", "-std=c99", "-O2", "-c", "model.c", "-o", "model.o"], check=True, cwd=tmp_path
    )
    listed = subprocess.run(
        ["nm", "--undefined-only", "model.o"], capture_output=True, text=True, cwd=tmp_path
    ).stdout
    called = {line.split()[-1] for line in listed.splitlines()}
    assert {name for name in called if not name.startswith("model_")} <= {"memcpy", "memset"}


@pytest.mark.parametrize("model", ["ic", "vww"])
def test_code_takes_at_most_24_kib_of_a_cortex_m4s_flash(
    model_named: Callable[[str], Path], tmp_path: Path, model: str
) -> None:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    write_project(compile_model(model_named(model)), "model", tmp_path)
    core = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
    subprocess.run(
        ["arm-none-eabi-gcc", *core, *FLAGS, *WARNINGS, "-c", "model.c", "-o", "model.o"],
        check=True, cwd=tmp_path,
    )  # fmt: skip
    listed = subprocess.run(
        ["arm-none-eabi-size", "model.o"], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout
    text, data, bss = map(int, listed.splitlines()[1].split()[:3])
    assert 0 < text <= 24 << 10
    assert (data, bss) == (0, 0)


def test_the_arena_is_judged_before_anything_is_written(
    model_named: Callable[[str], Path],
) -> None:
    native = NativeModel(compile_model(model_named("ic")))
    run = native._library.model_run
    memory = np.zeros(native.plan.arena_bytes + 32, np.uint8)
    start = memory.ctypes.data + -memory.ctypes.data % 16
    size = native.plan.arena_bytes
    cases = {(0, size): 1, (start, size - 1): 2, (start + 4, size): 3, (start, size): 0}
    for (address, given), status in cases.items():
        assert run(ctypes.c_void_p(address), ctypes.c_size_t(given)) == status
