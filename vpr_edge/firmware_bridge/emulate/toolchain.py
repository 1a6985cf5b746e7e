"""Which compiler and which emulator serve a core.

Images of either compiler run under either emulator. Two pairs are offered: "zig+unicorn", which is
two Python packages, and "gcc+qemu", which is Debian's `gcc-arm-none-eabi`,
`libnewlib-arm-none-eabi` and `qemu-system-arm`. Only QEMU knows Helium.
"""

import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec

from vpr_edge.errors import ToolMissingError
from vpr_edge.extras import install_extra
from vpr_edge.firmware_bridge.emulate.cores import Core

GCC = "arm-none-eabi-gcc"
QEMU = "qemu-system-arm"
_PIP = install_extra("mcu")
_APT = f"apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi {QEMU}"


@dataclass(frozen=True)
class Toolchain:
    """A compiler and an emulator.

    Attributes:
        compiler: "zig" or "gcc".
        emulator: "unicorn" or "qemu".
    """

    compiler: str
    emulator: str

    @property
    def name(self) -> str:
        """As on the command line."""
        return f"{self.compiler}+{self.emulator}"

    @property
    def command(self) -> tuple[str, ...]:
        """That starts the compiler."""
        return (sys.executable, "-m", "ziglang", "cc") if self.compiler == "zig" else (GCC,)

    def serves(self, core: Core) -> bool:
        """Whether it can run code for a core."""
        return self.emulator == "qemu" or core.unicorn_model is not None

    @property
    def is_here(self) -> bool:
        """Whether both of its parts are installed."""
        compiler = find_spec("ziglang") if self.compiler == "zig" else shutil.which(GCC)
        emulator = find_spec("unicorn") if self.emulator == "unicorn" else shutil.which(QEMU)
        return compiler is not None and emulator is not None

    @property
    def fix(self) -> str:
        """How to install it."""
        return _PIP if self == ZIG_UNICORN else f"on Debian: {_APT}"


GCC_QEMU = Toolchain("gcc", "qemu")
ZIG_UNICORN = Toolchain("zig", "unicorn")
# Debian's is preferred: QEMU is the faster emulator, and gcc mostly makes the faster code.
TOOLCHAINS = {toolchain.name: toolchain for toolchain in (GCC_QEMU, ZIG_UNICORN)}


def toolchains() -> tuple[Toolchain, ...]:
    """Those that are installed, the preferred one first."""
    return tuple(toolchain for toolchain in TOOLCHAINS.values() if toolchain.is_here)


def choose_toolchain(core: Core, name: str | None = None) -> Toolchain:
    """The named toolchain, or the preferred one of those that are here and serve the core.

    Raises:
        ToolMissingError: there is none of that name, or it is not here, or cannot serve the core.
    """
    if name is not None and name not in TOOLCHAINS:
        raise ToolMissingError(
            f"No toolchain is called '{name}'; choose one of {', '.join(TOOLCHAINS)}."
        )
    wanted = [TOOLCHAINS[name]] if name else list(TOOLCHAINS.values())
    able = [toolchain for toolchain in wanted if toolchain.serves(core)]
    if not able:
        raise ToolMissingError(
            f"{name} cannot run {core.name} code, for unicorn has no such core; choose "
            f"{GCC_QEMU.name} ({GCC_QEMU.fix})."
        )
    here = [toolchain for toolchain in able if toolchain.is_here]
    if not here:
        fixes = ", or ".join(toolchain.fix for toolchain in reversed(able))
        raise ToolMissingError(f"No toolchain for {core.name} is installed; {fixes}.")
    return here[0]
