"""From a photograph to the network's input: declared once, used by every stage.

The declaration travels in the checkpoint and in every artefact exported from it. Pixels are fed as
`value = pixel * scale`, so that with scale 1/255 the int8 input is exactly `pixel - 128` and no
precision is lost between camera and network.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import DataError


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the input tensor.

    Attributes:
        height: rows of the input, pixels.
        width: columns of the input, pixels.
        channels: "rgb"; grey images are repeated over the three channels.
        resize: "area": box averaging where the image shrinks, bilinear where it grows; the
            picture is stretched to height x width, not cropped.
        scale: real value of one pixel step; the tensor is `pixel * scale`, float32 in [0, 1].
    """

    height: int
    width: int
    channels: str = "rgb"
    resize: str = "area"
    scale: float = 1.0 / 255.0

    def fit(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resize a uint8 image [H, W] or [H, W, 3] (RGB) to uint8 [height, width, 3]."""
        if image.ndim == 2:
            image = np.repeat(image[:, :, None], 3, axis=2)
        if image.shape[:2] != (self.height, self.width):
            shrinks = image.shape[0] >= self.height and image.shape[1] >= self.width
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            image = cv2.resize(image, (self.width, self.height), interpolation=how).astype(np.uint8)
        return np.ascontiguousarray(image)

    def to_float(self, fitted: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [..., H, W, 3] to the float32 tensor [..., 3, H, W]."""
        return np.moveaxis(fitted, -1, -3).astype(np.float32) * np.float32(self.scale)

    @staticmethod
    def to_int8(fitted: NDArray[np.uint8]) -> NDArray[np.int8]:
        """uint8 [..., H, W, 3] to the int8 tensor of the same shape: `pixel - 128`."""
        return (fitted.astype(np.int16) - 128).astype(np.int8)

    def to_dict(self) -> dict[str, Any]:
        """The declaration as JSON-ready values."""
        return asdict(self)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file as uint8 RGB [H, W, 3].

    Raises:
        DataError: the file is missing, truncated or not an image.
    """
    if not path.is_file():
        raise DataError(f"{path} is not a file; check the path of the image.")
    # Pillow refuses truncated files, which OpenCV pads with grey without a word.
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return np.array(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{path} is not a readable image ({error}); replace or remove the file."
        ) from error
