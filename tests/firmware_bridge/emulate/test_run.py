"""What a program can do with its device, and what happens when it fails."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.firmware_bridge.emulate.programs import MATRIX, program
from vpr_edge.errors import OutputError
from vpr_edge.firmware_bridge.emulate.record import EmulationError
from vpr_edge.firmware_bridge.emulate.run import run_image
from vpr_edge.firmware_bridge.emulate.toolchain import TOOLCHAINS

FILES = """
static uint8_t block[64];

int main(void)
{
    size_t count;
    if (vpr_read("missing", block, 4) != 0) {
        return 1;
    }
    while ((count = vpr_read("input.bin", block, sizeof block)) != 0) {
        for (size_t i = 0; i < count; ++i) {
            block[i] = (uint8_t)(block[i] ^ 0x55);
        }
        vpr_write("output.bin", block, count);
        vpr_write("second", block, 1);
    }
    for (int i = 0; i < 40; ++i) {
        vpr_uart_put((uint8_t)(vpr_uart_get() + 1));
    }
    vpr_exit(-3);
}
"""
DSP = """
#include <arm_acle.h>
static int32_t a[32], b[32];

int main(void)
{
    vpr_read("a", a, sizeof a);
    vpr_read("b", b, sizeof b);
    int32_t sum = 0;
    for (int i = 0; i < 32; ++i) {
        sum = __smlad(__sxtb16((uint32_t)a[i]), b[i], sum);
    }
    vpr_write("sum", &sum, sizeof sum);
    return 0;
}
"""
HELIUM = """
#include <arm_mve.h>
static int8_t a[128], b[128];

int main(void)
{
    vpr_read("a", a, sizeof a);
    vpr_read("b", b, sizeof b);
    int32_t sum = 0;
    for (int i = 0; i < 120; i += 16) {
        const mve_pred16_t lanes = vctp8q((uint32_t)(120 - i));
        sum = vmladavaq_p(sum, vld1q_z(a + i, lanes), vld1q_z(b + i, lanes), lanes);
    }
    vpr_write("sum", &sum, sizeof sum);
    return 0;
}
"""
FAULTS = """
static volatile uintptr_t address = 0xA0000000u;
static const uint32_t nothing = 0xDE01DE01u; /* UDF */

__attribute__((noinline)) static int deep(int n)
{
    volatile uint8_t frame[1000];
    frame[n & 511] = (uint8_t)n;
    return n == 0 ? 0 : deep(n + 1) + frame[n & 511];
}

int main(void)
{
    uint8_t kind = 0;
    vpr_read("kind", &kind, 1);
    switch (kind) {
    case 0: return (int)*(volatile uint32_t *)address;
    case 1: *(volatile uint32_t *)address = 1; return 0;
    case 2: ((void (*)(void))((uintptr_t)&nothing | 1u))(); return 0;
    case 3: return deep(1);
    case 4: for (;;) { __asm__ volatile(""); }
    case 5: return vpr_uart_get() + vpr_uart_get();
    default: return 0;
    }
}
"""


@pytest.mark.parametrize("core, toolchain", MATRIX)
def test_files_the_uart_and_the_status_go_through(
    core: str, toolchain: str, tmp_path: Path
) -> None:
    image = program(FILES, core, toolchain, tmp_path)
    given = bytes(range(150))
    run = run_image(image, {"input.bin": given}, uart=bytes(range(40, 80)))
    assert run.status == -3
    assert run.uart == bytes(range(41, 81))
    expected = bytes(byte ^ 0x55 for byte in given)
    assert run.files == {"output.bin": expected, "second": expected[0::64]}


def _int8s(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, count).astype(np.int8)


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m7", "cortex-m33"])
def test_dsp_instructions_run(core: str, toolchain: str, tmp_path: Path) -> None:
    a = _int8s(128, 1)
    b = np.random.default_rng(2).integers(-3000, 3000, 64).astype(np.int16)
    image = program(DSP, core, toolchain, tmp_path)
    run = run_image(image, {"a": a.tobytes(), "b": b.tobytes()})
    even = a.reshape(-1, 4)[:, ::2].reshape(-1).astype(np.int32)
    assert np.frombuffer(run.files["sum"], np.int32)[0] == even @ b.astype(np.int32)


@pytest.mark.parametrize("toolchain", ["gcc+qemu", "zig+qemu"])
def test_helium_instructions_run(toolchain: str, tmp_path: Path) -> None:
    a, b = _int8s(128, 3), _int8s(128, 4)
    image = program(HELIUM, "cortex-m55", toolchain, tmp_path)
    run = run_image(image, {"a": a.tobytes(), "b": b.tobytes()})
    dot = a[:120].astype(np.int32) @ b[:120].astype(np.int32)
    assert np.frombuffer(run.files["sum"], np.int32)[0] == dot


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_a_fault_is_one_sentence_that_names_where(toolchain: str, tmp_path: Path) -> None:
    image = program(FAULTS, "cortex-m4", toolchain, tmp_path, optimize="-O1")
    for kind, what in {
        0: r"access.*, at pc 0x0000",
        1: r"access.*, at pc 0x0000",
        2: r"(undefined|invalid) instruction.*, at pc 0x0000",
        3: r"overflowed its stack",
    }.items():
        with pytest.raises(EmulationError, match=rf"^image\.elf on cortex-m4 .*{what}.*\.$"):
            run_image(image, {"kind": bytes([kind])})
    for kind, what in {4: r"did not end within 0\.5 s", 5: r"UART"}.items():
        with pytest.raises(EmulationError, match=what):
            run_image(image, {"kind": bytes([kind])}, uart=b"1", timeout=0.5)


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m33", "cortex-m55"])
def test_a_stack_that_overflows_is_found_on_every_board(core: str, tmp_path: Path) -> None:
    image = program(FAULTS, core, "gcc+qemu", tmp_path, optimize="-O1")
    with pytest.raises(EmulationError, match="overflowed its stack"):
        run_image(image, {"kind": b"\3"})


def test_an_m0_does_not_load_unaligned_words(tmp_path: Path) -> None:
    text = """
    static volatile uintptr_t one = 1;
    static volatile uint32_t words[2];
    int main(void) { return (int)*(volatile uint32_t *)((uintptr_t)words + one); }
    """
    with pytest.raises(EmulationError, match="access"):
        run_image(program(text, "cortex-m0", "gcc+qemu", tmp_path))
    assert run_image(program(text, "cortex-m4", "gcc+qemu", tmp_path)).status == 0


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "", "vpr.report", "a b"])
def test_a_file_keeps_to_the_programs_folder(name: str, tmp_path: Path) -> None:
    image = program("int main(void) { return 0; }", "cortex-m4", "gcc+qemu", tmp_path)
    with pytest.raises(OutputError, match="cannot name a file"):
        run_image(image, {name: b"x"})


@pytest.mark.skipif(os.name != "posix", reason="signals of this kind are POSIX's")
@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_ctrl_c_ends_the_run_and_leaves_no_process(toolchain: str, tmp_path: Path) -> None:
    image = program(FAULTS, "cortex-m4", toolchain, tmp_path, optimize="-O1")
    script = f"""
from pathlib import Path
from vpr_edge.firmware_bridge.emulate.cores import CORES
from vpr_edge.firmware_bridge.emulate.image import Image
from vpr_edge.firmware_bridge.emulate.run import run_image
from vpr_edge.firmware_bridge.emulate.toolchain import TOOLCHAINS
image = Image(CORES["cortex-m4"], TOOLCHAINS[{toolchain!r}], Path({str(image.path)!r}), None)
print("go", flush=True)
run_image(image, {{"kind": b"\\4"}}, timeout=300)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as python:
        assert python.stdout is not None
        assert python.stdout.readline() == "go\n"
        process, children = psutil.Process(python.pid), list[psutil.Process]()
        while toolchain.endswith("qemu") and not children:
            assert python.poll() is None
            children = process.children(recursive=True)
        python.send_signal(signal.SIGINT)
        _, said = python.communicate(timeout=60)
    assert "KeyboardInterrupt" in said
    # It was killed; what is left to do is the system's.
    deadline = time.monotonic() + 60
    while any(_lives(child) for child in children):
        assert time.monotonic() < deadline


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
