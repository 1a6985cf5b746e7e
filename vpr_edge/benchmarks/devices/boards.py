"""Boards that people own: whether a model fits one, and how long a run is predicted to take.

Clock and memory are those of the makers' data sheets. Cycles an instruction are known for two
boards only, from submissions to MLPerf Tiny whose sources were rebuilt and counted under the
emulator; on all others a count of instructions is not turned into milliseconds.
"""

from dataclasses import dataclass

from vpr_edge.benchmarks.rows import Row

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True)
class CountedRun:
    """A model whose instructions were counted and whose cycles a board measured."""

    model: str
    instructions: float
    cycles: float


@dataclass(frozen=True)
class Calibration:
    """Cycles an instruction of one board.

    Attributes:
        cycles: an instruction.
        runs: what it was fitted to.
        allowance: relative error to allow for other code than what it was fitted to.
        source: of the cycles measured and of the instructions counted.
    """

    cycles: float
    runs: tuple[CountedRun, ...]
    allowance: float
    source: str

    @property
    def error(self) -> float:
        """Largest relative error on the runs it was fitted to."""
        return max(abs(run.instructions * self.cycles / run.cycles - 1) for run in self.runs)


@dataclass(frozen=True)
class Board:
    """A board as it is sold.

    Attributes:
        name: as its maker calls it.
        chip: the microcontroller.
        core: its core, as people call it.
        counted_on: emulated core whose instructions are its own or, for a Cortex-M85, nearest.
        clock_mhz: highest.
        sram_bytes: the largest piece in one address range without holes.
        flash_bytes: that code and weights can lie in and be read from.
        source: of these figures.
        calibration: cycles an instruction, or None where nobody has measured it.
    """

    name: str
    chip: str
    core: str
    counted_on: str
    clock_mhz: float
    sram_bytes: int
    flash_bytes: int
    source: str
    calibration: Calibration | None = None


# Rebuilt and counted: ic.tflite and vww.tflite as compiled by ONNC, with CMSIS-NN.
_IC, _VWW = 25.16e6, 14.46e6
_L4R5 = Calibration(
    1.43,
    # 120 MHz; medians 3.348 and 5.808 inferences a second.
    (CountedRun("ic", _IC, 35.84e6), CountedRun("vww", _VWW, 20.66e6)),
    # The same submitter's build for another system ran vww at 5.056 a second on the same board.
    0.15,
    "MLPerf Tiny v1.1, closed/Skymizer, NUCLEO_L4R5ZI-mbed_os, its sources rebuilt and counted",
)
_M467 = Calibration(
    1.36,
    # 200 MHz; medians 5.833 and 10.129 inferences a second.
    (CountedRun("ic", _IC, 34.29e6), CountedRun("vww", _VWW, 19.75e6)),
    0.15,
    "MLPerf Tiny v1.1, closed/Nuvoton, NUMAKER_M467HJ-zephyr, the same compiler's sources counted",
)

BOARDS = (
    Board("NUCLEO-L4R5ZI", "STM32L4R5ZI", "Cortex-M4", "cortex-m4", 120, 640 * KIB, 2 * MIB,
          "ST DS12023", _L4R5),
    Board("NuMaker-M467", "M467HJHAE", "Cortex-M4", "cortex-m4", 200, 512 * KIB, 1 * MIB,
          "Nuvoton M460 series data sheet", _M467),
    Board("NUCLEO-F446RE", "STM32F446RE", "Cortex-M4", "cortex-m4", 180, 128 * KIB, 512 * KIB,
          "ST DS10693"),
    Board("Arduino Nano 33 BLE", "nRF52840", "Cortex-M4", "cortex-m4", 64, 256 * KIB, 1 * MIB,
          "Nordic nRF52840 product specification"),
    Board("NUCLEO-H743ZI2", "STM32H743ZI", "Cortex-M7", "cortex-m7", 480, 512 * KIB, 2 * MIB,
          "ST DS12110 (AXI SRAM)"),
    Board("Arduino Portenta H7", "STM32H747XI", "Cortex-M7", "cortex-m7", 480, 512 * KIB, 2 * MIB,
          "ST DS12930 (AXI SRAM, internal flash)"),
    Board("Teensy 4.1", "MIMXRT1062", "Cortex-M7", "cortex-m7", 600, 512 * KIB, 7936 * KIB,
          "PJRC's page of Teensy 4.1 (RAM2)"),
    Board("NUCLEO-U575ZI-Q", "STM32U575ZI", "Cortex-M33", "cortex-m33", 160, 768 * KIB, 2 * MIB,
          "ST DS13737 (SRAM1 to SRAM3)"),
    Board("Raspberry Pi Pico 2", "RP2350", "Cortex-M33", "cortex-m33", 150, 520 * KIB, 4 * MIB,
          "Raspberry Pi Pico 2 data sheet"),
    Board("Raspberry Pi Pico", "RP2040", "Cortex-M0+", "cortex-m0", 133, 264 * KIB, 2 * MIB,
          "Raspberry Pi Pico data sheet"),
    Board("EK-RA8D1", "R7FA8D1BHECBD", "Cortex-M85", "cortex-m55", 480, 896 * KIB, 2 * MIB,
          "Renesas RA8D1 data sheet (SRAM without TCM)"),
    Board("NUCLEO-N657X0-Q", "STM32N657X0", "Cortex-M55", "cortex-m55", 600, 4200 * KIB, 64 * MIB,
          "ST DS14791, UM3417 (external flash)"),
)  # fmt: skip


@dataclass(frozen=True)
class Need:
    """What a compiled model takes of a chip, bytes; the application's own comes on top."""

    arena: float
    stack: float
    static_ram: float
    code: float
    weights: float

    @property
    def ram(self) -> float:
        """Arena, stack and static variables."""
        return self.arena + self.stack + self.static_ram

    @property
    def flash(self) -> float:
        """Code and weights."""
        return self.code + self.weights


@dataclass(frozen=True)
class Verdict:
    """Whether a model fits a board, and why."""

    fits: bool
    why: str


def verdict(board: Board, need: Need) -> Verdict:
    """Compare what a model takes with what a board has."""
    ram = f"{_kib(need.ram)} of {_kib(board.sram_bytes)} KiB SRAM"
    flash = f"{_kib(need.flash)} of {_kib(board.flash_bytes)} KiB flash"
    over = [
        text
        for text, wanted, there in (
            (ram, need.ram, board.sram_bytes),
            (flash, need.flash, board.flash_bytes),
        )
        if wanted > there
    ]
    if over:
        return Verdict(False, "needs " + " and ".join(over))
    return Verdict(True, f"{ram}, {flash}")


def predicted_rows(artefact: str, device: str, instructions: float) -> list[Row]:
    """`predicted_ms` for each calibrated board with this core.

    Args:
        artefact: of the rows.
        device: where they were counted, such as "cortex-m4/gcc+qemu".
        instructions: of one run.
    """
    return [
        Row(
            artefact,
            board.name,
            _terms(board.calibration, board.clock_mhz, device),
            "predicted_ms",
            predicted_ms(board.calibration, board.clock_mhz, instructions),
            "ms",
            "predicted",
        )
        for board in BOARDS
        if board.calibration and board.counted_on == device.split("/")[0]
    ]


def predicted_ms(calibration: Calibration, clock_mhz: float, instructions: float) -> float:
    """Milliseconds of so many instructions at that clock."""
    return instructions * calibration.cycles / (clock_mhz * 1e3)


def _terms(found: Calibration, clock_mhz: float, device: str) -> str:
    """Clock, cycles an instruction, error and source."""
    return (
        f"predicted from instructions on {device}: {clock_mhz:g} MHz, {found.cycles:g} "
        f"cycles an instruction; {100 * found.error:.1f} % off on the {len(found.runs)} models it "
        f"was fitted to, allow {100 * found.allowance:.0f} % for other code ({found.source})"
    )


def _kib(count: float) -> str:
    return f"{count / KIB:,.0f}"
