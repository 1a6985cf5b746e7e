"""Build the firmware for an emulated microcontroller and show it pictures.

    python emulate.py CORE NANO PLACES PICTURE...

CORE is cortex-m0, m3, m4, m7, m33 or m55; NANO and PLACES are the folders that README.md makes.
"""

import io
import struct
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from vpr_edge.benchmarks.devices.serial.messages import (
    ABOUT,
    FRAME,
    About,
    Place,
    frame_message,
    message,
    read_reply,
)
from vpr_edge.errors import VprEdgeError
from vpr_edge.firmware_bridge.emulate.cores import core_named
from vpr_edge.firmware_bridge.emulate.image import Image, build_image
from vpr_edge.firmware_bridge.emulate.run import Run, run_image
from vpr_edge.firmware_bridge.emulate.toolchain import choose_toolchain
from vpr_edge.preprocessing import Preprocessing, read_image

HERE = Path(__file__).parent
RGB888 = 2


def sources(nano: Path, places: Path) -> list[Path]:
    """All C of the firmware but the board's."""
    own = [HERE / "firmware.c", HERE / "message.c", places / "places.c"]
    return [*own, *sorted((nano / "src").glob("*.c"))]


def include(nano: Path, places: Path) -> list[Path]:
    """Where its headers are."""
    return [HERE, nano / "src", nano / "src/vpr_runtime", places]


def build(core: str, nano: Path, places: Path, folder: Path, toolchain: str | None = None) -> Image:
    """Compile it for a core, with the named toolchain or the best that is here."""
    chosen = choose_toolchain(core_named(core), toolchain)
    return build_image(
        chosen,
        core_named(core),
        sources(nano, places),
        folder,
        harness=[HERE / "board_emulated.c"],
        include=include(nano, places),
        flags=("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"),
    )


def converse(image: Image, messages: Iterable[bytes], timeout: float = 120) -> Run:
    """Send messages, one after the other, and run the firmware until it has answered them all."""
    text = b"".join(messages)
    return run_image(image, uart=struct.pack("<I", len(text)) + text, timeout=timeout)


def main(core: str, nano: str, places: str, *pictures: str) -> None:
    """Print the place that each picture shows."""
    # Every byte is an event to the emulated UART, so the frames are small.
    camera = Preprocessing(60, 80)
    messages = [message(ABOUT)]
    for picture in pictures:
        frame = camera.fit(read_image(Path(picture)))
        messages.append(frame_message(frame.reshape(len(frame), -1), RGB888, frame.shape[1]))
    with tempfile.TemporaryDirectory() as folder:
        image = build(core, Path(nano), Path(places), Path(folder))
        run = converse(image, messages)
    answers = io.BytesIO(run.uart)
    about = About.parse(read_reply(answers.read, ABOUT))
    for picture in pictures:
        place = Place.parse(read_reply(answers.read, FRAME))
        print(f"{picture}: place {place.id}, similarity {place.score / about.unit**2:.3f}")
    sizes = image.sizes
    print(
        f"{core} with {image.toolchain.name}: flash {sizes.code + sizes.rodata:,} B of code and "
        f"constants, {sizes.weights:,} B of weights; RAM {sizes.data + sizes.bss:,} B and "
        f"{run.stack_bytes:,} B of stack"
    )


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit("Give a core, the folders of the network and of the places, and pictures.")
    try:
        main(*sys.argv[1:])
    except VprEdgeError as error:
        sys.exit(str(error))
