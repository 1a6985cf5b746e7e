"""Small C programs on emulated cores, for tests."""

from pathlib import Path
from typing import Any

import pytest

from vpr_edge.firmware_bridge.emulate.cores import CORES
from vpr_edge.firmware_bridge.emulate.image import Image, build_image
from vpr_edge.firmware_bridge.emulate.toolchain import TOOLCHAINS, Toolchain

# Cores with the toolchains that are offered for them.
MATRIX = [
    pytest.param(core.name, toolchain.name, id=f"{core.name}-{toolchain.name}")
    for core in CORES.values()
    for toolchain in TOOLCHAINS.values()
    if toolchain.serves(core)
]


def program(text: str, core: str, toolchain: str, folder: Path, **options: Any) -> Image:
    """Compile one C file to an image in a new folder; skips where the toolchain is not here."""
    chosen = Toolchain(*toolchain.split("+"))
    if not chosen.is_here:
        pytest.skip(f"{chosen.name} is not here: {chosen.fix}")
    target = folder / f"{core}-{toolchain}"
    target.mkdir()
    source = target / "program.c"
    source.write_text(text)
    return build_image(chosen, CORES[core], [source], target, **options)
