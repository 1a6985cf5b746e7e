"""C sources to a bare-metal image for an emulated core, and the sizes of its parts."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from string import Template

from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.emulate.cores import Core
from vpr_edge.firmware_bridge.emulate.elf import Elf
from vpr_edge.firmware_bridge.emulate.toolchain import Toolchain
from vpr_edge.processes import run as run_program

BARE_METAL = Path(__file__).parent / "bare_metal"
STACK_BYTES = 256 << 10
_COMMON = ("-std=c99", "-ffunction-sections", "-fdata-sections", "-fno-common")
# No contraction: a float island gives the same bits with and without fused multiply-add.
_CODE = (*_COMMON, "-ffp-contract=off")
_FREESTANDING = ("-ffreestanding", "-fno-sanitize=all", f"-I{BARE_METAL / 'freestanding'}")
# The device's own functions must not become calls of themselves.
_DEVICE = (*_COMMON, "-O2", "-fno-builtin")


@dataclass(frozen=True)
class Sizes:
    """Bytes of an image, without what the device itself and the harness add.

    Attributes:
        code: in flash: machine code, with the compiler's support library.
        rodata: in flash: constants other than weights.
        weights: in flash: constants of files named `*_weights.c`.
        data: in flash and RAM: variables with a first value.
        bss: in RAM: variables that start at zero.
    """

    code: int
    rodata: int
    weights: int
    data: int
    bss: int


@dataclass(frozen=True)
class Image:
    """An executable for a core.

    Attributes:
        core: that it was compiled for.
        toolchain: that compiled it, and whose emulator runs it.
        path: of the ELF file.
        sizes: of its parts.
    """

    core: Core
    toolchain: Toolchain
    path: Path
    sizes: Sizes


def build_image(
    toolchain: Toolchain,
    core: Core,
    sources: Sequence[Path],
    folder: Path,
    *,
    harness: Sequence[Path] = (),
    include: Sequence[Path] = (),
    defines: Mapping[str, str] | None = None,
    optimize: str = "-O3",
    flags: Sequence[str] = (),
    stack_bytes: int = STACK_BYTES,
) -> Image:
    """Compile and link.

    Every source sees `vpr_device.h` without including it, so a hook in generated code may be
    defined as `vpr_mark`.

    Args:
        toolchain: the compiler.
        core: to compile for.
        sources: C files that are measured.
        folder: an existing one, for `image.elf` and what leads to it.
        harness: C files that feed and check them, `main` among them; not part of the sizes.
        include: folders for `#include`.
        defines: macros.
        optimize: the compiler's switch, for sources and harness.
        flags: more of the compiler's switches, for sources and harness.
        stack_bytes: of the stack.

    Raises:
        ModelError: a source does not compile, or the image does not fit in the emulated memory.
    """
    zig = toolchain.compiler == "zig"
    compiler = _Compiler(
        (
            *toolchain.command,
            *(core.zig_flags if zig else core.gcc_flags),
            *(_FREESTANDING if zig else ()),
        ),
        folder,
        f"for {core.name} with {toolchain.compiler}",
    )
    given = [
        *(*_CODE, optimize, *flags),
        *(f"-I{path.resolve()}" for path in (*include, BARE_METAL)),
        *(f"-D{name}={value}" for name, value in (defines or {}).items()),
        *("-include", "vpr_device.h"),
    ]
    device = [*_DEVICE, f"-DVPR_UART_ADDRESS={core.board.uart:#x}u"]
    own = sorted((*BARE_METAL.glob("*.c"), *BARE_METAL.glob("*.S")))
    # What stands in for a C library is part of the code, as a C library's functions are.
    library = sorted((BARE_METAL / "freestanding").glob("*.c")) if zig else []
    compiler.compile(
        [
            *((source, "code", given) for source in sources),
            *((source, "harness", given) for source in harness),
            *((source, "harness", device) for source in own),
            *((source, "code", device) for source in library),
        ]
    )
    (folder / "image.ld").write_text(_linker_script(core, stack_bytes))
    path = compiler.link("image.elf", [] if zig else ["-nostartfiles", "-lm"])
    return Image(core, toolchain, path, _sizes(Elf(path)))


class _Compiler:
    """Compiles into two folders, by whose names the linker script tells the parts apart."""

    def __init__(self, command: tuple[str, ...], folder: Path, about: str) -> None:
        self.command, self.folder, self.about = command, folder, about
        self.objects: list[str] = []

    def compile(self, work: Sequence[tuple[Path, str, list[str]]]) -> None:
        """Compile files, as many at a time as there are processors.

        Args:
            work: of each file its path, its part ("code" or "harness") and the switches for it.
        """
        for part in ("code", "harness"):
            (self.folder / part).mkdir(exist_ok=True)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            # Two files may have the same name, so each gets its number.
            self.objects += pool.map(self._compile, *zip(*work, strict=True), range(len(work)))

    def _compile(self, source: Path, part: str, switches: list[str], number: int) -> str:
        output = f"{part}/{number}_{source.stem}.o"
        arguments = [*switches, "-c", str(source.resolve()), "-o", output]
        self._call(arguments, f"{source.name} does not compile")
        return output

    def link(self, name: str, libraries: list[str]) -> Path:
        """Make the executable; returns its path."""
        script = ["-O2", "-Wl,--gc-sections", "-Wl,-e,vpr_reset", "-Wl,-T,image.ld"]
        arguments = [*script, *self.objects, *libraries, "-o", name]
        self._call(arguments, "The image does not link")
        return self.folder / name

    def _call(self, arguments: list[str], failure: str) -> None:
        done = run_program(
            [*self.command, *arguments], cwd=self.folder, text=True, errors="replace"
        )
        if done.returncode:
            raise ModelError(f"{failure} {self.about}; {_complaint(done.stderr)}.")


def _complaint(said: str) -> str:
    """The line of a compiler's or linker's messages that says most."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # gcc's own last word is only that the linker failed.
    lines = [line for line in lines if not line.startswith("collect2:")] or ["no message"]
    return next((line for line in lines if "error: " in line), lines[-1])


def _sizes(elf: Elf) -> Sizes:
    return Sizes(
        code=elf.size(".text"),
        rodata=elf.size(".rodata"),
        weights=elf.size(".weights"),
        data=elf.size(".data"),
        bss=elf.size(".bss"),
    )


def _linker_script(core: Core, stack_bytes: int) -> str:
    board = core.board
    return Template((BARE_METAL / "image.ld").read_text()).substitute(
        vectors=board.vectors,
        flash_origin=board.flash,
        flash_size=board.flash_bytes,
        ram_origin=board.ram,
        ram_size=board.ram_bytes,
        stack_size=-(-stack_bytes // 8) * 8,
    )
