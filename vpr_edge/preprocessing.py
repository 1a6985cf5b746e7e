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

from vpr_edge.arithmetic.affine import INT8_MIN, Affine
from vpr_edge.errors import DataError

IMAGE = Affine(np.float32(1.0 / 255.0), INT8_MIN)
"""int8 parameters of pictures in [0, 1]."""


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the input tensor.

    Attributes:
        height: rows of the input, pixels.
        width: columns of the input, pixels.
        channels: "rgb"; grey images are repeated over the three channels. "grey": one channel, a
            picture's luma. "values": no picture, but an array of real values.
        resize: "area": box averaging where the image shrinks, bilinear where it grows; the
            picture is stretched to height x width, not cropped.
        scale: real value of one pixel step; 0 for "values".
        zero: the pixel that stands for 0: the tensor is `(pixel - zero) * scale`, float32.
    """

    height: int
    width: int
    channels: str = "rgb"
    resize: str = "area"
    scale: float = 1.0 / 255.0
    zero: int = 0

    def fit(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resize a uint8 image [H, W] or [H, W, 3] (RGB) to uint8 [height, width, channels].

        Raises:
            DataError: the network takes no pictures.
        """
        if self.channels == "values":
            raise DataError("the network takes arrays, not pictures; give .npy or .npz files.")
        if self.channels == "grey" and image.ndim == 3:
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.uint8)
        elif self.channels == "rgb" and image.ndim == 2:
            image = np.repeat(image[:, :, None], 3, axis=2)
        if image.shape[:2] != (self.height, self.width):
            shrinks = image.shape[0] >= self.height and image.shape[1] >= self.width
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            image = cv2.resize(image, (self.width, self.height), interpolation=how).astype(np.uint8)
        return np.ascontiguousarray(image[:, :, None] if image.ndim == 2 else image)

    def to_float(self, fitted: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [..., H, W, 3] to the float32 tensor [..., 3, H, W]."""
        values = np.moveaxis(fitted, -1, -3).astype(np.float32)
        return (values - np.float32(self.zero)) * np.float32(self.scale)

    def affine(self) -> Affine | None:
        """int8 parameters of the input; None where they are learned, as for what is no picture."""
        if self.channels == "values":
            return None
        return Affine(np.float32(self.scale), INT8_MIN + self.zero)

    @staticmethod
    def to_int8(fitted: NDArray[np.uint8]) -> NDArray[np.int8]:
        """uint8 [..., H, W, 3] to the int8 tensor of the same shape: `pixel - 128`."""
        return (fitted.astype(np.int16) - 128).astype(np.int8)

    def to_dict(self) -> dict[str, Any]:
        """The declaration as JSON-ready values; a zero that is 0 is left out."""
        return {name: value for name, value in asdict(self).items() if name != "zero" or value}


MOST_PIXELS = 100_000_000
"""Of a picture; more are refused from the header, before anything is decoded."""


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file as uint8 RGB [H, W, 3], upright as its EXIF orientation says.

    Grey pictures of 16 bits become `value * 255 / 65535`, rounded. CMYK, palettes and grey with
    alpha are converted by Pillow; alpha is dropped.

    Raises:
        DataError: the file is missing, truncated, not an image, of too many pixels, or of a kind
            whose values have no fixed range (32-bit or floating point).
    """
    if not path.is_file():
        raise DataError(f"{path} is not a file; check the path of the image.")
    # Pillow refuses truncated files, which OpenCV pads with grey without a word.
    from PIL import Image, ImageOps, UnidentifiedImageError

    if path.suffix.lower() in (".heic", ".heif"):
        raise DataError(f"{path} is a HEIC picture, which is not read here; convert it to JPEG.")
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise DataError(
                    f"{path} has {width}x{height} pixels, more than {MOST_PIXELS}; "
                    "make it smaller or remove it."
                )
            upright = ImageOps.exif_transpose(picture)
            # PNG's 16 bits are of mode "I" in older releases of Pillow.
            if upright.mode.startswith("I;16") or (upright.mode == "I" and picture.format == "PNG"):
                return _grey_of_16_bits(np.asarray(upright))
            if upright.mode in ("I", "F"):
                raise DataError(
                    f"{path} has values of 32 bits, whose range is not known; save it with 8 or "
                    "16 bits."
                )
            return np.array(upright.convert("RGB"))
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is not a readable image; replace or remove the file.") from error
    except Exception as error:  # Pillow's decoders raise whatever a damaged field leads them to.
        raise DataError(
            f"{path} is not a readable image ({str(error)[:120]}); replace or remove the file."
        ) from error


def _grey_of_16_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """[H, W] of 0..65535 to uint8 [H, W, 3]; 257 steps are one: 8 bits come back exactly."""
    grey = ((values.astype(np.int64) + 128) // 257).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)
