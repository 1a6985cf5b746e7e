"""What goes with our own networks: from camera frame to input, from output maps to answers."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vpr_edge.firmware_bridge import project
from vpr_edge.firmware_bridge.decode_keypoints import KeypointSettings
from vpr_edge.firmware_bridge.decode_place import PlaceTransform
from vpr_edge.firmware_bridge.decode_source import write_decode
from vpr_edge.firmware_bridge.node import Tensor
from vpr_edge.firmware_bridge.program import Program
from vpr_edge.quantize.model import Affine

INCLUDE = re.compile(r'#include "(vpr_\w+\.h)"')
KEYPOINT_MAPS = ("score", "location", "descriptor")


def write_vision(program: Program, name: str, about: Mapping[str, Any], folder: Path) -> None:
    """Write the headers for camera frames and output maps, and the model's tables for them.

    The headers go to `folder`/vpr_runtime; `name`_decode.h and .c to `folder`.

    Args:
        program: with outputs named as our networks name them; those that it lacks are left out.
        name: of the model in C.
        about: its metadata, with "preprocessing" and "outputs".
        folder: of the C.

    Raises:
        ModelError: an output has a form that the decoders do not take.
    """
    found = {path.name: path for path in (Path(project.__file__).parent / "runtime").rglob("*.h")}
    queue = [file for file, path in found.items() if path.parent.name in ("camera", "decode")]
    written: set[str] = set()
    while queue:
        file = queue.pop()
        if file not in written:
            written.add(file)
            text = found[file].read_text()
            (folder / project.RUNTIME / file).write_text(text)
            queue += INCLUDE.findall(text)
    outputs = {tensor.name: tensor for tensor in program.outputs}
    rows = int(about["preprocessing"]["height"])
    keypoints = place = None
    if all(map_name in outputs for map_name in KEYPOINT_MAPS):
        score, location, descriptor = (outputs[map_name] for map_name in KEYPOINT_MAPS)
        size = (score.shape[1], score.shape[2])
        affines = _affine(score), _affine(location), _affine(descriptor)
        keypoints = KeypointSettings.of_maps(size, *affines, rows // size[0])
    if "place" in outputs:
        tensor = outputs["place"]
        transform = about.get("outputs", {}).get("place", {}).get("transform", {})
        place = PlaceTransform.of_output(tensor.shape[1:], _affine(tensor), transform)
    if keypoints or place:
        for path in write_decode(folder, name, keypoints, place):
            text = path.read_text()
            path.write_text(INCLUDE.sub(rf'#include "{project.RUNTIME}/\1"', text))


def _affine(tensor: Tensor) -> Affine:
    return Affine(tensor.scale[0], int(tensor.zero_point[0]))
