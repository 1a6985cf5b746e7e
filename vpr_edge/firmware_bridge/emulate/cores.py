"""The Cortex-M cores that can be emulated, and the boards they sit on."""

from dataclasses import dataclass

from vpr_edge.errors import ToolMissingError

MIB = 1 << 20


@dataclass(frozen=True)
class Board:
    """A board as both emulators present it; the memory is far larger than a real chip's.

    Attributes:
        qemu_machine: QEMU's name of it.
        vectors: where the core looks for its vectors after reset.
        flash: address.
        flash_bytes: from there on.
        ram: address.
        ram_bytes: from there on.
        uart: address of a CMSDK UART; the next is 4 KiB further.
        clock_hz: of SysTick, in QEMU's virtual time.
    """

    qemu_machine: str
    vectors: int
    flash: int
    flash_bytes: int
    ram: int
    ram_bytes: int
    uart: int
    clock_hz: int


@dataclass(frozen=True)
class Core:
    """A Cortex-M core.

    Attributes:
        name: as on the command line.
        zig_flags: that make zig compile for it.
        gcc_flags: that make arm-none-eabi-gcc compile for it.
        board: where it runs.
        unicorn_model: name of unicorn's constant for it; None where unicorn has none.
    """

    name: str
    zig_flags: tuple[str, ...]
    gcc_flags: tuple[str, ...]
    board: Board
    unicorn_model: str | None


def _mps2(machine: str) -> Board:
    return Board(machine, 0, 0x400, 4 * MIB - 0x400, 0x2000_0000, 4 * MIB, 0x4000_4000, 25_000_000)


# The secure views of the memories: both boards start in the secure state.
_AN505 = Board(
    qemu_machine="mps2-an505",
    vectors=0x1000_0000,
    flash=0x1000_0400,
    flash_bytes=4 * MIB - 0x400,
    ram=0x3800_0000,
    ram_bytes=4 * MIB,
    uart=0x5020_0000,
    clock_hz=20_000_000,
)
_AN547 = Board(
    qemu_machine="mps3-an547",
    vectors=0x1000_0000,
    flash=0x1100_0000,
    flash_bytes=2 * MIB,
    ram=0x3100_0000,
    ram_bytes=4 * MIB,
    uart=0x5930_3000,
    clock_hz=32_000_000,
)


def _zig(cpu: str, abi: str = "eabihf") -> tuple[str, ...]:
    return ("-target", f"thumb-freestanding-{abi}", f"-mcpu={cpu}")


def _gcc(cpu: str, fpu: str | None = None) -> tuple[str, ...]:
    floats = ("-mfloat-abi=hard", f"-mfpu={fpu}") if fpu else ("-mfloat-abi=soft",)
    return (f"-mcpu={cpu}", "-mthumb", *floats)


CORES = {
    core.name: core
    for core in (
        # QEMU's only M0 board has 16 KiB of RAM, so there its code runs on an M3, which knows all
        # its instructions; start-up makes unaligned accesses fault as they do on an M0.
        Core(
            "cortex-m0",
            _zig("cortex_m0", "eabi"),
            _gcc("cortex-m0"),
            _mps2("mps2-an385"),
            "UC_CPU_ARM_CORTEX_M0",
        ),
        Core(
            "cortex-m3",
            _zig("cortex_m3", "eabi"),
            _gcc("cortex-m3"),
            _mps2("mps2-an385"),
            "UC_CPU_ARM_CORTEX_M3",
        ),
        Core(
            "cortex-m4",
            _zig("cortex_m4+vfp4d16sp"),
            _gcc("cortex-m4", "fpv4-sp-d16"),
            _mps2("mps2-an386"),
            "UC_CPU_ARM_CORTEX_M4",
        ),
        # Single precision, as on many M7 chips: unicorn's M7 knows no other.
        Core(
            "cortex-m7",
            _zig("cortex_m7+fp_armv8d16sp"),
            _gcc("cortex-m7", "fpv5-sp-d16"),
            _mps2("mps2-an500"),
            "UC_CPU_ARM_CORTEX_M7",
        ),
        Core(
            "cortex-m33",
            _zig("cortex_m33+dsp+fp_armv8d16sp"),
            _gcc("cortex-m33", "fpv5-sp-d16"),
            _AN505,
            "UC_CPU_ARM_CORTEX_M33",
        ),
        Core(
            "cortex-m55",
            _zig("cortex_m55+mve_fp+fp_armv8d16"),
            _gcc("cortex-m55", "auto"),
            _AN547,
            None,
        ),
    )
}


def core_named(name: str) -> Core:
    """The core of that name.

    Raises:
        ToolMissingError: there is none.
    """
    if name not in CORES:
        raise ToolMissingError(
            f"No microcontroller is called '{name}'; choose one of {', '.join(CORES)}."
        )
    return CORES[name]
