"""Instructions and stack: against known figures, and one emulator against the other."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.firmware_bridge.emulate.programs import MATRIX, program
from vpr_edge.firmware_bridge.emulate.cores import CORES
from vpr_edge.firmware_bridge.emulate.run import run_image
from vpr_edge.firmware_bridge.emulate.toolchain import Toolchain

# Two instructions a round, whatever compiler; the rest of each stretch is the same.
LOOPS = """
#define LOOP(n)                                                                            \\
    do {                                                                                   \\
        uint32_t left = (n);                                                               \\
        __asm__ volatile(".syntax unified\\n1: subs %0, #1\\nbne 1b" : "+l"(left)::"cc"); \\
    } while (0)

int main(void)
{
    vpr_mark(0);
    LOOP(1000);
    vpr_mark(1);
    LOOP(51000);
    vpr_mark(0);
    LOOP(2000);
    vpr_mark(2);
    return 0;
}
"""
# Twice around the buffer of marks, and more than a slice between two looks at the clock.
MANY = """
int main(void)
{
    for (int i = 0; i < 9000; ++i) {
        vpr_mark(i & 1);
        for (uint32_t left = (i & 1) ? 2000 : 500; left != 0; --left) {
            __asm__ volatile("" ::: "memory");
        }
    }
    vpr_mark(2);
    return 0;
}
"""
# Three independent pieces of work, with floats, divisions, tables of jumps and calls.
WORK = """
#include <string.h>
static uint8_t bytes[4096];
static float floats[64];

__attribute__((noinline)) static uint32_t step(uint32_t x)
{
    switch (x % 7) {
    case 0: return x / 3;
    case 1: return x * 5 + 1;
    case 2: return x ^ 0xABCDu;
    case 3: return x + 77;
    case 4: return x * x;
    default: return x + 1;
    }
}

int main(void)
{
    uint32_t x = 12345;
    vpr_mark(0);
    for (int i = 0; i < 20000; ++i) {
        x = step(x);
    }
    vpr_mark(1);
    for (int i = 0; i < 30; ++i) {
        memset(bytes, i, sizeof bytes / 2);
        memcpy(bytes + 2048, bytes + 3, 2000);
    }
    vpr_mark(2);
    for (int i = 0; i < 3000; ++i) {
        floats[i % 64] = floats[i % 64] * 0.5f + (float)i / 3.0f;
    }
    vpr_mark(3);
    vpr_write("x", &x, sizeof x);
    vpr_write("floats", floats, sizeof floats);
    return 0;
}
"""
# Each frame holds 256 bytes and what the call saves.
STACK = """
static int deep(int n);
static int (*volatile again)(int) = deep;

static int deep(int n)
{
    volatile uint8_t frame[256];
    frame[n & 255] = (uint8_t)n;
    return n == 0 ? 0 : again(n - 1) + frame[n & 255];
}

int main(void)
{
    uint8_t depth;
    again(100);
    while (vpr_read("depths", &depth, 1) != 0) {
        vpr_stack_begin();
        vpr_mark(0);
        again(depth);
        vpr_mark(1);
        vpr_stack_end();
    }
    return 0;
}
"""


@pytest.mark.parametrize("core, toolchain", MATRIX)
def test_a_counted_loop_counts_as_many_instructions(
    core: str, toolchain: str, tmp_path: Path
) -> None:
    run = run_image(program(LOOPS, core, toolchain, tmp_path))
    assert [interval.mark for interval in run.intervals] == [0, 1, 0]
    short, long, middle = (interval.instructions for interval in run.intervals)
    # SysTick is read to four instructions at either end; the native hook counts each. The compiler
    # takes one or two to load a loop's length.
    error = 2 if toolchain.endswith("unicorn") else 12
    assert abs(long - short - 2 * 50_000) <= error
    assert abs(middle - short - 2 * 1000) <= error
    assert 2000 - error <= short <= 2002 + error
    assert run.instructions() == {0: short + middle, 1: long}


@pytest.mark.parametrize("toolchain", ["gcc+qemu", "zig+unicorn"])
def test_many_marks_and_long_runs_lose_nothing(toolchain: str, tmp_path: Path) -> None:
    image = program(MANY, "cortex-m4", toolchain, tmp_path)
    run = run_image(image)
    assert [interval.mark for interval in run.intervals] == [0, 1] * 4500
    for odd in (0, 1):
        counts = [interval.instructions for interval in run.intervals[odd:-1:2]]
        assert max(counts) - min(counts) <= 12
    totals = run.instructions()
    assert totals[1] / totals[0] == pytest.approx(4, rel=0.02)
    assert run_image(image).intervals == run.intervals


@pytest.mark.parametrize("compiler", ["gcc", "zig"])
@pytest.mark.parametrize("core", [name for name, core in CORES.items() if core.unicorn_model])
def test_both_emulators_count_and_compute_the_same(
    core: str, compiler: str, tmp_path: Path
) -> None:
    image = program(WORK, core, f"{compiler}+qemu", tmp_path)
    under_qemu = run_image(image)
    under_unicorn = run_image(replace(image, toolchain=Toolchain(compiler, "unicorn")))
    assert under_qemu.files == under_unicorn.files
    assert under_qemu.stack_bytes == under_unicorn.stack_bytes
    total_qemu, total_unicorn = (
        sum(run.instructions().values()) for run in (under_qemu, under_unicorn)
    )
    assert total_qemu == pytest.approx(total_unicorn, rel=0.001)
    for a, b in zip(under_qemu.intervals, under_unicorn.intervals, strict=True):
        assert a.instructions == pytest.approx(b.instructions, abs=12)


@pytest.mark.parametrize("core, toolchain", MATRIX)
def test_the_stack_is_that_of_the_deepest_stretch_and_of_nothing_else(
    core: str, toolchain: str, tmp_path: Path
) -> None:
    image = program(STACK, core, toolchain, tmp_path, optimize="-O1")
    four, nine = (
        run_image(image, {"depths": bytes(depths)}).stack_bytes for depths in ([4, 0], [0, 9, 2])
    )
    frame, rest = divmod(nine - four, 5)
    assert rest == 0
    assert 256 + 4 <= frame <= 256 + 48
    # The marks, main's own frame and the calls outside of the stretches add nothing.
    assert 5 * frame - 48 <= four <= 5 * frame + 16
    # Without a stretch all of main counts.
    whole = run_image(image).stack_bytes
    assert 101 * frame <= whole <= 101 * frame + 128
