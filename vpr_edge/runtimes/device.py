"""The device's whole way as a runtime: C camera, network, decoders and map, on this machine.

The runtime `c` runs the generated network between Python's resizing and Python's decoding. This
one hands the picture over as a camera does, RGB888 row by row, and takes back what a firmware has
at the end: an int8 place descriptor and what the map finds for it, keypoints in 1/64 pixel with
int8 descriptors, a class a cell.
"""

import ctypes
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.emit import template_environment
from vpr_edge.firmware_bridge.compile.host import FLAGS, NAME, build_library
from vpr_edge.firmware_bridge.compile.plan import Plan
from vpr_edge.firmware_bridge.compile.project import RUNTIME, write_project
from vpr_edge.firmware_bridge.packages.vision import write_vision
from vpr_edge.firmware_bridge.vision.decode_model import Decoding, decoding_of
from vpr_edge.metrics.keypoints import Keypoints
from vpr_edge.runtimes.generated_c import GeneratedC
from vpr_edge.tflite.read import TfliteTensor, read_tflite

STEPS = 64
"""Of a keypoint's position, in a pixel."""
TEMPLATES = "vpr_edge.firmware_bridge.vision"


class Match(ctypes.Structure):
    """`struct vpr_place_match`."""

    _fields_ = (("place", ctypes.c_int32), ("score", ctypes.c_int32))


class Found(ctypes.Structure):
    """`struct vpr_keypoint`."""

    _fields_ = (("x", ctypes.c_uint16), ("y", ctypes.c_uint16), ("score", ctypes.c_int8))


class PlaceMap(ctypes.Structure):
    """`struct vpr_place_map`."""

    _fields_ = (
        ("count", ctypes.c_int32),
        ("length", ctypes.c_int32),
        ("stride", ctypes.c_int32),
        ("unit", ctypes.c_int32),
        ("descriptors", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
        ("ids", ctypes.c_void_p),
        ("labels", ctypes.c_void_p),
    )


class DeviceWay:
    """A firmware's way from a frame to its answers, compiled for this machine.

    Attributes:
        plan: of the network.
        decoding: of its outputs.
    """

    def __init__(self, path: Path) -> None:
        """Generate the C and compile it.

        Args:
            path: an int8 TFLite file that vpr-edge exported, with one input `image`.

        Raises:
            ModelError: the file cannot be compiled, or declares no such input or outputs.
            ToolMissingError: there is no C compiler.
        """
        self.plan: Plan = compile_model(path)
        self.decoding: Decoding = decoding_of(path)
        file = read_tflite(path)
        outputs = {tensor.name: tensor for tensor in file.outputs}
        if [tensor.name for tensor in file.inputs] != ["image"]:
            raise ModelError(
                f"{path} does not take one picture under the name 'image', so no camera can feed "
                "it; export a network of vpr-edge, or choose the runtime c."
            )
        self._folder = tempfile.TemporaryDirectory(prefix="vpr-edge-device-")
        folder = Path(self._folder.name)
        sources = write_project(self.plan, NAME, folder)
        write_vision(path, folder, NAME)
        (folder / "device_way.c").write_text(_source(self.decoding, file.inputs[0], outputs))
        more = [folder / "device_way.c", *folder.glob(f"{NAME}_decode.c")]
        library = build_library(
            [*sources, *more],
            folder,
            folder / "device_way.so",
            (*FLAGS, "-march=native", f"-I{folder / RUNTIME}"),
        )
        self._library = ctypes.CDLL(str(library))
        self._library.device_search.restype = ctypes.c_int32
        self._library.device_keypoints.restype = ctypes.c_int32
        self._channels = outputs["descriptor"].shape[-1] if self.decoding.keypoints else 0
        self._cells = outputs["segmentation"].shape[1:3] if "segmentation" in outputs else None

    def see(self, picture: NDArray[np.uint8]) -> None:
        """Take a picture uint8 [H, W, 3] as a camera's frame, and run the network on it.

        Raises:
            ModelError: the camera's conversion does not take a frame of that size.
        """
        frame = np.ascontiguousarray(picture)
        height, width = frame.shape[:2]
        if self._library.device_frame(frame.ctypes.data_as(ctypes.c_void_p), height, width):
            raise ModelError(
                f"the device's camera takes no frame of {width}x{height}; give one that is at most "
                "48 times as long as the network's input."
            )

    def place(self, unit: int) -> NDArray[np.int8]:
        """The descriptor of what was seen, int8 [D] in steps of 1 / `unit`.

        Raises:
            ModelError: the network describes no places.
        """
        if self.decoding.place is None:
            raise ModelError("the network has no output `place`; export one with that task.")
        found = np.empty(self.decoding.place.length, np.int8)
        self._library.device_place(unit, found.ctypes.data_as(ctypes.c_void_p))
        return found

    def search(
        self,
        descriptors: NDArray[np.int8],
        bias: NDArray[np.int32],
        unit: int,
        query: NDArray[np.int8],
        most: int,
    ) -> NDArray[np.int64]:
        """What the map's C finds for a query: rows int64 [k], best first.

        Args:
            descriptors: int8 [N, D], C-contiguous.
            bias: int32 [N].
            unit: of both.
            query: int8 [D].
            most: at most so many.
        """
        count, length = descriptors.shape
        places = PlaceMap(count, length, length, unit, descriptors.ctypes.data, bias.ctypes.data)
        best = (Match * most)()
        found = self._library.device_search(
            ctypes.byref(places), query.ctypes.data_as(ctypes.c_void_p), most, best
        )
        return np.array([best[at].place for at in range(found)], np.int64)

    def keypoints(self, snapped: bool, most: int) -> Keypoints:
        """Keypoints of what was seen, in pixels of the network's input.

        Raises:
            ModelError: the network has none.
        """
        if self.decoding.keypoints is None:
            raise ModelError("the network has no keypoints; export one with that task.")
        found = (Found * most)()
        descriptors = np.empty((most, self._channels), np.int8)
        count = self._library.device_keypoints(
            int(snapped), most, found, descriptors.ctypes.data_as(ctypes.c_void_p)
        )
        xy = np.array([(one.x, one.y) for one in found[:count]], np.float32).reshape(count, 2)
        score = np.array([one.score for one in found[:count]], np.float32)
        unit = descriptors[:count].astype(np.float32) / np.float32(127)
        return Keypoints(xy / np.float32(STEPS), score, unit)

    def labels(self) -> NDArray[np.uint8]:
        """A class a cell of what was seen, uint8 [h, w].

        Raises:
            ModelError: the network does not segment.
        """
        if self._cells is None:
            raise ModelError("the network has no output `segmentation`; export one with that task.")
        found = np.empty(self._cells, np.uint8)
        self._library.device_labels(found.ctypes.data_as(ctypes.c_void_p))
        return found


class DeviceRuntime(GeneratedC):
    """The runtime `device`: tensors as `c` takes them, and pictures by the device's whole way."""

    name = "device"

    def __init__(self, path: Path, way: DeviceWay, model: Any) -> None:
        """Take what was built of the file at `path`."""
        super().__init__(path, model)
        self.way = way


def _source(decoding: Decoding, image: TfliteTensor, outputs: dict[str, TfliteTensor]) -> str:
    segmentation: Sequence[int] = (
        outputs["segmentation"].shape[1:] if "segmentation" in outputs else ()
    )
    return (
        template_environment(TEMPLATES)
        .get_template("device_way.c.j2")
        .render(
            decoding=decoding,
            height=image.shape[1],
            width=image.shape[2],
            channels=outputs["descriptor"].shape[-1] if decoding.keypoints else 0,
            segmentation=tuple(segmentation),
        )
    )
