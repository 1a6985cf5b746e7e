"""Run an image on the emulated core that it was compiled for."""

import re
from collections.abc import Mapping

from vpr_edge.errors import OutputError
from vpr_edge.firmware_bridge.emulate import with_qemu, with_unicorn
from vpr_edge.firmware_bridge.emulate.image import Image
from vpr_edge.firmware_bridge.emulate.record import Run

_FILE_NAME = re.compile(r"(?!vpr\.)[A-Za-z0-9_][A-Za-z0-9_.-]*")


def run_image(
    image: Image,
    files: Mapping[str, bytes] | None = None,
    uart: bytes = b"",
    timeout: float = 60.0,
) -> Run:
    """Run a program to its end, with the emulator of the toolchain that the image names.

    Args:
        image: from `build_image`.
        files: that the program may read with `vpr_read`, by name.
        uart: bytes that it receives with `vpr_uart_get`.
        timeout: seconds.

    Returns:
        What it wrote and sent, its status, its stack and the instructions between its marks.

    Raises:
        EmulationError: it faulted, or did not end in time.
        OutputError: a file's name is no plain name, or starts with "vpr.".
        ToolMissingError: the emulator is not here.
    """
    files = files or {}
    for name in files:
        if not _FILE_NAME.fullmatch(name):
            raise OutputError(
                f"'{name}' cannot name a file of an emulated program; use letters, digits, '.', "
                "'-' and '_', and do not start with 'vpr.'."
            )
    emulator = with_qemu if image.toolchain.emulator == "qemu" else with_unicorn
    return emulator.run(image, files, uart, timeout)
