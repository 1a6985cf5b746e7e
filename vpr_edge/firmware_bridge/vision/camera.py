"""From camera frame to int8 input, the twin of the C in `runtime/camera`, bit for bit.

It uses no OpenCV: the arithmetic is written out in the order in which the C does it, and equals
OpenCV's `cvtColor` and `resize`, so that a frame on the device becomes what
`vpr_edge.preprocessing` makes of it on the PC.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import DataError
from vpr_edge.preprocessing import Preprocessing

LONGEST_INPUT = 999
LARGEST_FACTOR = 48
_FLOAT_EXACT = 1 << 23
_LINEAR_ONE = np.float32(2048)


class PixelFormat(IntEnum):
    """What a camera delivers; the values are those of `enum vpr_camera_format`."""

    GREY8 = 0
    RGB565 = 1
    RGB888 = 2
    YUYV = 3

    @property
    def pixel_bytes(self) -> int:
        """Bytes a pixel."""
        return (1, 2, 3, 2)[self]

    @property
    def channels(self) -> int:
        """1 for grey, else 3."""
        return 1 if self is PixelFormat.GREY8 else 3


def camera_input(
    frame: NDArray[np.uint8], pixel_format: PixelFormat, preprocessing: Preprocessing
) -> NDArray[np.int8]:
    """What `vpr_camera_frame` writes.

    Args:
        frame: uint8 [H, W * bytes a pixel].
        pixel_format: of the frame.
        preprocessing: the model's declaration.

    Returns:
        int8 [height, width, 3] = pixel - 128.

    Raises:
        DataError: the size of the frame or of the input is outside what the C takes.
    """
    size = frame.shape[0], frame.shape[1] // pixel_format.pixel_bytes
    target = preprocessing.height, preprocessing.width
    fits = all(
        0 < t <= LONGEST_INPUT and 0 < s <= LARGEST_FACTOR * t and s * t <= _FLOAT_EXACT
        for s, t in zip(size, target, strict=True)
    )
    if not fits or (pixel_format is PixelFormat.YUYV and size[1] % 2):
        raise DataError(
            f"a camera frame of {size[1]}x{size[0]} cannot become an input of "
            f"{target[1]}x{target[0]}; choose an input side of at most {LONGEST_INPUT} pixels, a "
            f"frame at most {LARGEST_FACTOR} times as long, and an even width for YUYV."
        )
    pixels = resized(unpacked(frame, pixel_format), *target)
    return Preprocessing.to_int8(np.repeat(pixels, 3 // pixel_format.channels, axis=2))


def unpacked(frame: NDArray[np.uint8], pixel_format: PixelFormat) -> NDArray[np.uint8]:
    """Read a frame uint8 [H, W * bytes a pixel] as uint8 [H, W, 1] (grey) or [H, W, 3] (RGB).

    RGB565 is little endian, its high bits repeated in the low ones, so that white is 255. YUYV is
    ITU-R BT.601 with Y from 16 to 235 and the coefficients of OpenCV's `COLOR_YUV2RGB_YUYV`.
    """
    rows = frame.shape[0]
    match pixel_format:
        case PixelFormat.GREY8:
            return frame[:, :, None]
        case PixelFormat.RGB888:
            return frame.reshape(rows, -1, 3)
        case PixelFormat.RGB565:
            low, high = np.moveaxis(frame.reshape(rows, -1, 2).astype(np.int32), -1, 0)
            word = low | high << 8
            red, green, blue = word >> 11, word >> 5 & 63, word & 31
            parts = (red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2)
            return np.stack(parts, axis=-1).astype(np.uint8)
        case PixelFormat.YUYV:
            return _rgb_of_yuyv(frame.reshape(rows, -1, 4).astype(np.int32))


def _rgb_of_yuyv(pairs: NDArray[np.int32]) -> NDArray[np.uint8]:
    u, v = (np.repeat(pairs[..., i] - 128, 2, axis=1) for i in (1, 3))
    luma = pairs[..., ::2].reshape(len(pairs), -1) - 16
    y = 1220542 * np.maximum(luma, 0) + (1 << 19)
    parts = (y + 1673527 * v, y - 852492 * v - 409993 * u, y + 2116026 * u)
    return np.clip(np.stack(parts, axis=-1) >> 20, 0, 255).astype(np.uint8)


def resized(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Stretch uint8 [H, W, C] to [height, width, C] as `Preprocessing.fit` does."""
    rows, columns = pixels.shape[:2]
    if rows < height or columns < width:
        return _bilinear(pixels, height, width)
    if rows % height or columns % width:
        return _area_mean(pixels, height, width)
    return _box_mean(pixels, height, width)


def _box_mean(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    down, across = pixels.shape[0] // height, pixels.shape[1] // width
    boxes = pixels.reshape(height, down, width, across, -1)
    sums = boxes.sum(axis=(1, 3), dtype=np.int32)
    if (down, across) == (2, 2):
        return ((sums + 2) >> 2).astype(np.uint8)
    means = sums.astype(np.float32) * (np.float32(1) / np.float32(down * across))
    return np.rint(means).astype(np.uint8)


def _area_mean(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    values = np.moveaxis(pixels.astype(np.float32), 1, 0)
    along_rows = np.moveaxis(_weighted(values, width), 0, 1)
    return np.clip(np.rint(_weighted(along_rows, height)), 0, 255).astype(np.uint8)


def _weighted(values: NDArray[np.float32], parts: int) -> NDArray[np.float32]:
    """Means over the first axis, cut into `parts`, summed in order in single precision."""
    size = len(values)
    to = np.arange(parts)
    first, last = to * size // parts, -(-(to + 1) * size // parts) - 1
    sums = np.zeros((parts, *values.shape[1:]), np.float32)
    for step in range(int((last - first).max()) + 1):
        at = first + step
        common = np.minimum((at + 1) * parts, (to + 1) * size) - np.maximum(at * parts, to * size)
        weight = np.where(at <= last, common, 0).astype(np.float32) / np.float32(size)
        at = np.minimum(at, last)
        sums += values[at] * weight.reshape(-1, *[1] * (values.ndim - 1))
    return sums


def _bilinear(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    values = np.moveaxis(pixels.astype(np.int32), 1, 0)
    left, right, near, far = _between(len(values), width)
    mixed = np.moveaxis(values[left] * near + values[right] * far, 0, 1) >> 4
    above, below, near, far = _between(len(pixels), height)
    sums = (near * mixed[above] >> 16) + (far * mixed[below] >> 16)
    return ((sums + 2) >> 2).astype(np.uint8)


def _between(size: int, parts: int) -> tuple[NDArray[np.int32], ...]:
    """For each new position both neighbours' indices [parts], and weights * 2^11 [parts, 1, 1]."""
    to = np.arange(parts)
    at = ((2 * to + 1) * size - parts).astype(np.float32) / np.float32(2 * parts)
    start = np.floor(at)
    rest = at - start
    weights = (np.rint(w * _LINEAR_ONE).astype(np.int32) for w in (np.float32(1) - rest, rest))
    near, far = (w[:, None, None] for w in weights)
    first = start.astype(np.int32)
    return np.clip(first, 0, size - 1), np.clip(first + 1, 0, size - 1), near, far
