"""What the output maps of an exported model need to be decoded on the device."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vpr_edge.arithmetic.affine import Affine
from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.vision.decode_keypoints import KeypointSettings
from vpr_edge.firmware_bridge.vision.decode_place import PlaceTransform
from vpr_edge.tflite.read import TfliteTensor, read_metadata, read_tflite

KEYPOINT_MAPS = ("score", "location", "descriptor")


@dataclass(frozen=True, eq=False)
class Decoding:
    """For each task the model has.

    Attributes:
        keypoints: None where a map of keypoints is missing.
        place: None where the model has no place descriptor.
    """

    keypoints: KeypointSettings | None
    place: PlaceTransform | None


def decoding_of(
    path: Path, nms_radius: float = 4.0, border: float = 4.0, threshold: float = 0.0
) -> Decoding:
    """Read an int8 TFLite file that vpr-edge exported.

    Args:
        path: the file.
        nms_radius: a keypoint silences weaker ones nearer than this, pixels.
        border: without keypoints along the edge, pixels.
        threshold: least probability of a keypoint.

    Raises:
        ModelError: the file is damaged or declares nothing, a map is not int8, or the maps do
            not fit the device's formats.
    """
    file = read_tflite(path)
    outputs = {tensor.name: tensor for tensor in file.outputs}
    keypoints = place = None
    if all(name in outputs for name in KEYPOINT_MAPS):
        score, location, descriptor = (_affine(path, outputs[name]) for name in KEYPOINT_MAPS)
        rows, columns = outputs["score"].shape[1:3]
        height = file.inputs[0].shape[1]
        keypoints = KeypointSettings.of_maps(
            (rows, columns),
            score,
            location,
            descriptor,
            height // rows,
            nms_radius,
            border,
            threshold,
            height // outputs["descriptor"].shape[1],
            _transform(path, "location").get("reach", 1.0),
        )
    if "place" in outputs:
        tensor = outputs["place"]
        place = PlaceTransform.of_output(
            tensor.shape[1:], _affine(path, tensor), _transform(path, "place")
        )
    return Decoding(keypoints, place)


def _transform(path: Path, output: str) -> dict[str, Any]:
    """What the file declares to follow an output."""
    declared: dict[str, Any] = read_metadata(path).get("outputs", {}).get(output, {})
    return declared.get("transform", {})


def _affine(path: Path, tensor: TfliteTensor) -> Affine:
    if tensor.dtype.name != "int8" or tensor.scale.size != 1 or len(tensor.shape) != 4:
        raise ModelError(
            f"the output {tensor.name!r} of {path} is not an int8 map; export the model with "
            "--target tflite-int8."
        )
    return Affine(tensor.scale[0], int(tensor.zero_point[0]))
