"""Boards: predictions against what was published for the boards, and verdicts."""

from dataclasses import replace

import pytest

from vpr_edge.benchmarks.devices.boards import BOARDS, Need, predicted_rows, verdict
from vpr_edge.firmware_bridge.emulate.cores import CORES

BY_NAME = {board.name: board for board in BOARDS}
# As counted on a Cortex-M4 (README).
NANO = Need(arena=122_528, stack=212, static_ram=0, code=27_248, weights=312_592)


@pytest.mark.parametrize(
    ("board", "instructions", "inferences_a_second"),
    [
        # MLPerf Tiny v1.1, medians of the performance runs.
        ("NUCLEO-L4R5ZI", 25.16e6, 3.348),
        ("NUCLEO-L4R5ZI", 14.46e6, 5.808),
        ("NuMaker-M467", 25.16e6, 5.833),
        ("NuMaker-M467", 14.46e6, 10.129),
    ],
)
def test_predictions_agree_with_published_runs_within_the_stated_error(
    board: str, instructions: float, inferences_a_second: float
) -> None:
    rows = predicted_rows("model", "cortex-m4/gcc+qemu", instructions)
    (row,) = [row for row in rows if row.device == board]
    calibration = BY_NAME[board].calibration
    assert calibration is not None
    error = abs(row.value * inferences_a_second / 1e3 - 1)
    assert error <= calibration.error + 5e-4
    assert calibration.error < 0.005


def test_a_prediction_says_its_terms_and_that_it_is_one() -> None:
    for row in predicted_rows("model", "cortex-m4/zig+unicorn", 1e6):
        assert (row.metric, row.unit, row.method) == ("predicted_ms", "ms", "predicted")
        for term in ("MHz", "cycles an instruction", "% off", "MLPerf Tiny", "zig+unicorn"):
            assert term in row.data


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m7", "cortex-m33", "cortex-m55"])
def test_no_milliseconds_are_predicted_for_uncalibrated_cores(core: str) -> None:
    assert predicted_rows("model", f"{core}/gcc+qemu", 1e6) == []


def test_every_board_is_judged_by_a_core_that_can_be_emulated() -> None:
    assert {board.counted_on for board in BOARDS} <= set(CORES)
    assert len(BY_NAME) == len(BOARDS) >= 12


def test_nano_fits_a_board_of_128_kib_and_nothing_less() -> None:
    board = BY_NAME["NUCLEO-F446RE"]
    assert board.sram_bytes == 128 * 1024
    assert verdict(board, NANO).fits
    less = verdict(replace(board, sram_bytes=int(NANO.arena)), NANO)
    assert not less.fits
    assert "SRAM" in less.why and "flash" not in less.why


def test_a_verdict_names_each_memory_that_is_short() -> None:
    found = verdict(replace(BOARDS[0], sram_bytes=1024, flash_bytes=2048), NANO)
    assert found.why == "needs 120 of 1 KiB SRAM and 332 of 2 KiB flash"
