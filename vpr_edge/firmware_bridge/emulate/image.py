"""C sources to a bare-metal image for an emulated core, and the sizes of its parts."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.emulate.cores import Core
from vpr_edge.firmware_bridge.emulate.elf import Elf
from vpr_edge.firmware_bridge.emulate.toolchain import Toolchain

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
    target = core.zig_flags if toolchain.compiler == "zig" else core.gcc_flags
    freestanding = _FREESTANDING if toolchain.compiler == "zig" else ()
    given = [
        *_CODE,
        optimize,
        *flags,
        *freestanding,
        *(f"-I{path}" for path in (*include, BARE_METAL)),
        *(f"-D{name}={value}" for name, value in (defines or {}).items()),
        "-include",
        "vpr_device.h",
    ]
    device = [*_DEVICE, *freestanding, f"-DVPR_UART_ADDRESS={core.board.uart:#x}u"]
    own = [*sorted(BARE_METAL.glob("*.c")), *sorted(BARE_METAL.glob("*.S"))]
    library = sorted((BARE_METAL / "freestanding").glob("*.c")) if freestanding else []
    work = [
        *((path, folder / f"{i}_{path.stem}.o", given) for i, path in enumerate(sources)),
        *((path, folder / f"harness_{i}_{path.stem}.o", given) for i, path in enumerate(harness)),
        *((path, folder / f"harness_{path.stem}{path.suffix[1]}.o", device) for path in own),
        # What stands in for a C library is part of the code, as a C library's functions are.
        *((path, folder / f"library_{path.stem}.o", device) for path in library),
    ]
    for source, output, switches in work:
        command = [*toolchain.command, *target, *switches, "-c", str(source), "-o", str(output)]
        _call(command, f"{source.name} does not compile for {core.name} with {toolchain.compiler}")
    script = folder / "image.ld"
    script.write_text(_linker_script(core, stack_bytes))
    path = folder / "image.elf"
    libraries = [] if freestanding else ["-nostartfiles", "-lm"]
    _call(
        [
            *toolchain.command,
            *target,
            *freestanding,
            "-O2",
            *(str(output) for _, output, _ in work),
            *libraries,
            "-Wl,--gc-sections",
            "-Wl,-e,vpr_reset",
            f"-Wl,-T,{script}",
            "-o",
            str(path),
        ],
        f"The image for {core.name} does not link with {toolchain.compiler}",
    )
    return Image(core, toolchain, path, _sizes(Elf(path)))


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


def _call(command: list[str], failure: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if "error" in line]
        lines += [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise ModelError(f"{failure}: {lines[0] if lines else 'the compiler says nothing'}.")
