"""What goes with our own networks: from camera frame to input, from output maps to answers."""

import re
from pathlib import Path

from vpr_edge.firmware_bridge.compile import project
from vpr_edge.firmware_bridge.compile.emit import RUNTIME_HEADERS
from vpr_edge.firmware_bridge.vision.decode_model import decoding_of
from vpr_edge.firmware_bridge.vision.decode_source import write_decode

INCLUDE = re.compile(r'#include "(vpr_\w+\.h)"')


def write_vision(tflite_path: Path, folder: Path, name: str) -> None:
    """Write the headers for camera frames and output maps, and the model's tables for them.

    The headers go to `folder`/vpr_runtime; `name`_decode.h and .c to `folder`.

    Args:
        tflite_path: a model that declares its preprocessing.
        folder: of the C.
        name: of the model in C.

    Raises:
        ModelError: an output has a form that the decoders do not take.
    """
    found = {path.name: path for path in RUNTIME_HEADERS.rglob("*.h")}
    queue = [file for file, path in found.items() if path.parent.name in ("camera", "decode")]
    written: set[str] = set()
    while queue:
        file = queue.pop()
        if file not in written:
            written.add(file)
            text = found[file].read_text()
            (folder / project.RUNTIME / file).write_text(text)
            queue += INCLUDE.findall(text)
    decoding = decoding_of(tflite_path)
    if decoding.keypoints or decoding.place:
        for path in write_decode(folder, name, decoding.keypoints, decoding.place):
            text = path.read_text()
            path.write_text(INCLUDE.sub(rf'#include "{project.RUNTIME}/\1"', text))
