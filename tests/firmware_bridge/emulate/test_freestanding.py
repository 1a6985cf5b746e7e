"""The few functions of a C library that the compiler without one is given, against Python's."""

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.firmware_bridge.emulate.programs import program
from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.emulate.run import run_image

# Jobs: function, where to, where from or which byte, how many.
STRING = """
#include <string.h>
static uint8_t memory[256];
static uint8_t job[4];

int main(void)
{
    while (vpr_read("jobs", job, 4) == 4) {
        int32_t answer = 0;
        vpr_read("memory", memory, sizeof memory);
        switch (job[0]) {
        case 0: memcpy(memory + job[1], memory + job[2], job[3]); break;
        case 1: memmove(memory + job[1], memory + job[2], job[3]); break;
        case 2: memset(memory + job[1], job[2], job[3]); break;
        default: answer = memcmp(memory + job[1], memory + job[2], job[3]); break;
        }
        vpr_write("memory.out", memory, sizeof memory);
        vpr_write("answers", &answer, sizeof answer);
    }
    return 0;
}
"""
MATH = """
#include <math.h>
static float x[4];

int main(void)
{
    while (vpr_read("x", x, 4) == 4) {
        const float y[5] = {tanhf(x[0]), expf(x[0]), logf(fabsf(x[0])), sqrtf(fabsf(x[0])),
                            floorf(x[0])};
        vpr_write("y", y, sizeof y);
    }
    return 0;
}
"""


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4"])
def test_memory_functions_do_what_the_standard_says(core: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(7)
    jobs = []
    for _ in range(400):
        function, count = int(generator.integers(4)), int(generator.integers(70))
        to, source = (int(value) for value in generator.integers(0, 256 - count, 2))
        if function == 0 and abs(to - source) < count:
            function = 1
        jobs.append((function, to, source, count))
    # Few values, so that what is compared is often equal.
    before = generator.integers(0, 2, (len(jobs), 256), dtype=np.uint8)
    files = {"jobs": bytes(byte for job in jobs for byte in job), "memory": before.tobytes()}
    run = run_image(program(STRING, core, "zig+unicorn", tmp_path), files)
    after = np.frombuffer(run.files["memory.out"], np.uint8).reshape(-1, 256)
    answers = np.frombuffer(run.files["answers"], np.int32)
    for (function, to, source, count), was, now, answer in zip(
        jobs, before, after, answers, strict=True
    ):
        expected = was.copy()
        if function == 2:
            expected[to : to + count] = source
        elif function < 2:
            expected[to : to + count] = was[source : source + count]
        np.testing.assert_array_equal(now, expected)
        if function == 3:
            a, b = was[to : to + count].tobytes(), was[source : source + count].tobytes()
            assert np.sign(answer) == (a > b) - (a < b)


def test_math_functions_are_right_to_the_last_bits(tmp_path: Path) -> None:
    generator = np.random.default_rng(8)
    x = np.concatenate(
        [generator.normal(0, scale, 200) for scale in (1e-4, 0.3, 1, 5, 20)] + [[0.625, -0.625]]
    ).astype(np.float32)
    run = run_image(program(MATH, "cortex-m4", "zig+unicorn", tmp_path), {"x": x.tobytes()})
    found = np.frombuffer(run.files["y"], np.float32).reshape(-1, 5).T
    wide = x.astype(np.float64)
    magnitude = np.abs(wide)
    expected = [np.tanh(wide), np.exp(wide), np.log(magnitude), np.sqrt(magnitude), np.floor(wide)]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            ours, theirs, rtol=2.5e-7, atol=1e-7 if theirs is expected[2] else 0
        )


def test_a_function_that_is_not_there_is_an_error_by_name(tmp_path: Path) -> None:
    text = '#include <math.h>\nint main(void) { return (int)cbrtf((float)vpr_read("x", 0, 0)); }'
    with pytest.raises(ModelError, match="cbrtf"):
        program(text, "cortex-m4", "zig+unicorn", tmp_path)


def test_the_image_starts_with_its_vectors(tmp_path: Path) -> None:
    from vpr_edge.firmware_bridge.emulate.elf import Elf

    image = program("int main(void) { return 0; }", "cortex-m33", "zig+unicorn", tmp_path)
    elf = Elf(image.path)
    board = image.core.board
    first = min(elf.segments, key=lambda segment: segment.address)
    assert first.address == board.vectors
    stack, reset = struct.unpack_from("<2I", first.data)
    assert stack == elf.symbols["vpr_stack_top"] <= board.ram + board.ram_bytes
    assert reset == elf.symbols["vpr_reset"] | 1
