"""What a compiled image is made of."""

import subprocess
from pathlib import Path

import pytest

from tests.firmware_bridge.emulate.programs import program
from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.emulate.cores import CORES
from vpr_edge.firmware_bridge.emulate.image import Sizes, build_image
from vpr_edge.firmware_bridge.emulate.run import run_image
from vpr_edge.firmware_bridge.emulate.toolchain import TOOLCHAINS

MODEL = """
#include "model.h"
static const int16_t table[50] = {1, 2, 3};
static int32_t counter = 5;
static volatile uint8_t memory[1000];

int model_run(int i)
{
    memory[i] = (uint8_t)(model_weights[i] + table[i]);
    counter += memory[i];
    return counter;
}
"""
WEIGHTS = '#include "model.h"\nconst int8_t model_weights[3000] = {7, 8};\n'
HEADER = "#include <stdint.h>\nextern const int8_t model_weights[3000];\nint model_run(int i);\n"
# All of this is the harness's and must not count.
MAIN = """
#include "model.h"
static const int32_t golden[2000] = {1};
static int32_t first = 30;
static uint8_t arena[5000];

int main(void)
{
    for (int i = 0; i < 50; ++i) {
        arena[i * 100] = 1;
        first += golden[i * 40] + model_run(i) * 0;
    }
    return first + model_run(EXTRA);
}
"""


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_sizes_are_the_models_and_not_the_harness(toolchain: str, tmp_path: Path) -> None:
    chosen = TOOLCHAINS[toolchain]
    if not chosen.is_here:
        pytest.skip(f"{toolchain} is not here: {chosen.fix}")
    source, include, folder = tmp_path / "a b", tmp_path / "include", tmp_path / "harness"
    for made in (source, include, folder):
        made.mkdir()
    (include / "model.h").write_text(HEADER)
    texts = {"model.c": MODEL, "model_weights.c": WEIGHTS, "main.c": MAIN}
    for name, text in texts.items():
        (source / name).write_text(text)
    image = build_image(
        chosen,
        CORES["cortex-m4"],
        [source / "model.c", source / "model_weights.c"],
        folder,
        harness=[source / "main.c"],
        include=[include],
        defines={"EXTRA": "0"},
    )
    sizes = image.sizes
    assert sizes.weights == 3000
    assert sizes.rodata == 100
    assert sizes.data == 4
    assert sizes.bss == 1000
    assert 20 <= sizes.code <= 300
    # 5, and the 7 + 1, 8 + 2, 0 + 3 of its first calls, then 8 again; 31 of the harness.
    assert run_image(image).status == 31 + 5 + 8 + 10 + 3 + 8


def test_sizes_agree_with_the_binutils(tmp_path: Path) -> None:
    text = "const int t[9] = {1}; volatile int v = 3; int main(void) { return t[v % 9]; }"
    image = program(text, "cortex-m4", "gcc+qemu", tmp_path)
    lines = subprocess.run(
        ["arm-none-eabi-size", "-A", str(image.path)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    theirs = {line.split()[0]: int(line.split()[1]) for line in lines if line.startswith(".")}
    names = (".text", ".rodata", ".weights", ".data", ".bss")
    assert image.sizes == Sizes(*(theirs.get(name, 0) for name in names))


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_an_error_of_the_compiler_is_one_sentence(toolchain: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^program\.c does not compile for cortex-m3.*nowhere"):
        program("int main(void) { return nowhere; }", "cortex-m3", toolchain, tmp_path)


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_what_does_not_fit_in_memory_is_one_sentence(toolchain: str, tmp_path: Path) -> None:
    text = "static volatile uint8_t big[16 << 20]; int main(void) { return big[5] = 0; }"
    with pytest.raises(ModelError, match=r"^The image does not link.*RAM.*\.$"):
        program(text, "cortex-m4", toolchain, tmp_path)
