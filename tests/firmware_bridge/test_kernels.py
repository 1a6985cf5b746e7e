"""Layers with weights on the host and on every kind of core equal TFLM, and write nowhere else.

One image a core holds them all. `VPR_EDGE_KERNEL_LAYERS` says how many layers, and
`VPR_EDGE_FIRST_KERNEL_LAYER` with which seed to begin.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.firmware_bridge.random_kernel_layers import kernel_layer
from vpr_edge.errors import ToolMissingError
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.golden import Vector, random_inputs
from vpr_edge.firmware_bridge.compile.host import FLAGS, NATIVE, WARNINGS, host_compiler
from vpr_edge.firmware_bridge.compile.project import RUNTIME, write_project
from vpr_edge.firmware_bridge.emulate.cores import CORES
from vpr_edge.firmware_bridge.emulate.image import build_image
from vpr_edge.firmware_bridge.emulate.run import run_image
from vpr_edge.firmware_bridge.emulate.toolchain import choose_toolchain
from vpr_edge.tflite.tflm import Tflm

LAYERS = int(os.environ.get("VPR_EDGE_KERNEL_LAYERS", "16"))
FIRST = int(os.environ.get("VPR_EDGE_FIRST_KERNEL_LAYER", "0"))
SANITIZERS = ("-std=c99", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
# Guards lie on both sides of each layer's arena, and what they hold differs from run to run.
MAIN = """
#include <stdint.h>
#include <string.h>
{headers}
enum {{ GUARD = 64 }};
static uint8_t memory[{largest} + 2 * GUARD] __attribute__((aligned(16)));

static int differs(long (*selftest)(void *, size_t), size_t size)
{{
    for (int filled = 0x11; filled < 0x100; filled += 0xC8) {{
        memset(memory, filled, size + 2 * GUARD);
        if (selftest(memory + GUARD, size) != 0) {{
            return 1;
        }}
        for (size_t i = 0; i < GUARD; ++i) {{
            if (memory[i] != filled || memory[GUARD + size + i] != filled) {{
                return 1;
            }}
        }}
    }}
    return 0;
}}

int main(void)
{{
{calls}    return 0;
}}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """The C of all layers with golden vectors by TFLM, and a program that returns the first that
    fails, counted from 1."""
    folder = tmp_path_factory.mktemp("kernels")
    sources, headers, calls, largest = [], "", "", 0
    for number in range(LAYERS):
        seed = FIRST + number
        path = kernel_layer(seed, folder / f"layer{seed}.tflite")
        plan, oracle = compile_model(path), Tflm(path)
        vectors = [Vector(i, oracle.run(*i)) for i in random_inputs(plan.program, 1, seed)]
        name = f"layer{seed}"
        sources += write_project(plan, name, folder, vectors)
        headers += f'#include "{name}_selftest.h"\n'
        calls += f"    if (differs({name}_selftest, {plan.arena_bytes})) {{\n"
        calls += f"        return {number + 1};\n    }}\n"
        largest = max(largest, plan.arena_bytes)
    main = folder / "main.c"
    main.write_text(MAIN.format(headers=headers, calls=calls, largest=largest))
    return folder, [*sources, main]


@pytest.mark.parametrize("toolchain", ["gcc+qemu", "zig+unicorn"])
@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4", "cortex-m33", "cortex-m55"])
def test_layers_on_a_core_equal_tflm(
    project: tuple[Path, list[Path]], tmp_path: Path, core: str, toolchain: str
) -> None:
    try:
        chosen = choose_toolchain(CORES[core], toolchain)
    except ToolMissingError as error:
        pytest.skip(str(error))
    folder, sources = project
    include = [folder, folder / RUNTIME]
    image = build_image(chosen, CORES[core], sources, tmp_path, include=include, flags=WARNINGS)
    assert run_image(image, timeout=240).status == 0


HOSTED = {
    "native": (*FLAGS, *NATIVE, *WARNINGS),
    "portable": (*FLAGS, *WARNINGS),
    "native-sanitized": (*SANITIZERS, *NATIVE),
    "portable-sanitized": SANITIZERS,
}


@pytest.mark.parametrize("flags", HOSTED.values(), ids=HOSTED)
def test_layers_on_the_host_equal_tflm(
    project: tuple[Path, list[Path]], tmp_path: Path, flags: tuple[str, ...]
) -> None:
    folder, sources = project
    program = tmp_path / "layers"
    command = [*host_compiler(), *flags, f"-I{folder}", f"-I{folder / RUNTIME}"]
    subprocess.run([*command, *map(str, sources), "-o", str(program), "-lm"], check=True)
    assert subprocess.run([str(program)]).returncode == 0
