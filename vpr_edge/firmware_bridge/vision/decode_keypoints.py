"""Keypoints from the int8 maps, the twin of `vpr_keypoints.h`, `vpr_snapped_keypoints.h` and
`vpr_keypoint_descriptor.h`.

It decodes as `vpr_edge.benchmarks.tasks.keypoint_sources.decode_keypoints` does, in integers:
positions are rounded to 1/64 pixel, scores stay int8 (sigmoid keeps their order), descriptors
become int8.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vpr_edge.arithmetic.affine import Affine
from vpr_edge.arithmetic.portable import logistic, tanh
from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.vision.corners import STEPS, corner_strength, snapped
from vpr_edge.firmware_bridge.vision.decode_unit import unit_int8

UNIT = 127
"""Steps in the length 1 of a keypoint's descriptor."""
_LARGEST_SIDE = 1024
_LARGEST_CELL_BITS = 5
_DESCRIPTOR_BITS = 7


@dataclass(frozen=True, eq=False)
class KeypointSettings:
    """What `struct vpr_keypoint_settings` holds, and what descriptors need.

    Attributes:
        rows: of the maps `score` and `location`.
        columns: of the same.
        log2_cell: a cell is 2^log2_cell pixels wide.
        log2_fine: the same of the map `descriptor`, whose cells may be smaller.
        threshold: least int8 score; 128 where no score is probable enough.
        border: without keypoints along the edge, 1/64 pixel.
        radius: a keypoint silences weaker ones nearer than this, 1/64 pixel.
        offset: int16 [256], by location + 128 the distance from the cell's centre, 1/64 pixel.
        probability: uint8 [256], by score + 128 its sigmoid times 255, at least 1.
        descriptor_zero_point: of the map `descriptor`.
    """

    rows: int
    columns: int
    log2_cell: int
    log2_fine: int
    threshold: int
    border: int
    radius: int
    offset: NDArray[np.int16]
    probability: NDArray[np.uint8]
    descriptor_zero_point: int

    @classmethod
    def of_maps(
        cls,
        size: tuple[int, int],
        score: Affine,
        location: Affine,
        descriptor: Affine,
        cell: int = 8,
        nms_radius: float = 4.0,
        border: float = 4.0,
        threshold: float = 0.0,
        fine: int | None = None,
        reach: float = 1.0,
    ) -> "KeypointSettings":
        """Turn the float decoder's settings into integers.

        Args:
            size: rows and columns of the maps `score` and `location`.
            score: quantisation of `score`.
            location: of `location`.
            descriptor: of `descriptor`.
            cell: pixels a cell.
            nms_radius: pixels.
            border: pixels.
            threshold: least probability.
            fine: pixels a cell of the map `descriptor`; as `cell` by default.
            reach: farthest from the cell's centre, in cells.

        Raises:
            ModelError: a cell is no power of two up to 32, that of the descriptors is larger than
                that of the scores, or the picture exceeds 1024 pixels.
        """
        log2_cell = cell.bit_length() - 1
        if cell != 1 << log2_cell or log2_cell > _LARGEST_CELL_BITS:
            raise ModelError(
                f"keypoint cells of {cell} pixels cannot be decoded on the device; use a network "
                "whose score map has 1/1, 1/2, 1/4, 1/8, 1/16 or 1/32 of the input's size."
            )
        fine = cell if fine is None else fine
        log2_fine = fine.bit_length() - 1
        if not 0 <= log2_fine <= log2_cell or fine != 1 << log2_fine:
            raise ModelError(
                f"a map `descriptor` with cells of {fine} pixels beside scores with cells of "
                f"{cell} cannot be decoded on the device; use a network whose descriptors are as "
                "fine as its scores, or finer by a power of two."
            )
        if max(size) * cell > _LARGEST_SIDE:
            raise ModelError(
                f"a keypoint map of {size[0]}x{size[1]} cells of {cell} pixels cannot be decoded "
                f"on the device; choose an input of at most {_LARGEST_SIDE} pixels a side."
            )
        probability = logistic(_reals(score))
        offset = np.rint(tanh(_reals(location)) * (reach * cell * STEPS)).astype(np.int16)
        return cls(
            size[0],
            size[1],
            log2_cell,
            log2_fine,
            int(np.count_nonzero(probability < threshold)) - 128,
            round(border * STEPS),
            round(nms_radius * STEPS),
            offset,
            np.maximum(np.rint(probability * 255), 1).astype(np.uint8),
            descriptor.zero_point,
        )

    def positions(self, location: NDArray[np.int8]) -> NDArray[np.int32]:
        """Of every cell's candidate int32 [rows * columns, 2]: x, y in 1/64 pixel."""
        row, column = np.mgrid[: self.rows, : self.columns]
        half = (STEPS // 2) << self.log2_cell
        centre = (2 * np.stack([column, row], axis=-1) + 1) * half - STEPS // 2
        index = location.reshape(self.rows, self.columns, 2).astype(np.int32) + 128
        return (centre + self.offset[index]).reshape(-1, 2).astype(np.int32)

    def inside(self, xy: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which of the positions [N, 2] the border lets pass: [N]."""
        size = np.array([self.columns, self.rows]) << self.log2_cell
        far = (size - 1) * STEPS - self.border
        return np.asarray(((xy >= self.border) & (xy <= far)).all(axis=1))


@dataclass(frozen=True, eq=False)
class DeviceKeypoints:
    """Keypoints as the device gives them, strongest first, equally strong in the cells' order.

    Attributes:
        xy: uint16 [N, 2], 1/64 pixel; (0, 0) is the centre of the first pixel.
        score: int8 [N], as the map has it.
    """

    xy: NDArray[np.uint16]
    score: NDArray[np.int8]


def find_keypoints(
    settings: KeypointSettings, score: NDArray[np.int8], location: NDArray[np.int8], most: int
) -> DeviceKeypoints:
    """What `vpr_keypoints_s8` finds.

    Args:
        settings: of the maps.
        score: int8 [rows, columns, 1].
        location: int8 [rows, columns, 2].
        most: at most so many.
    """
    xy, score = _candidates(settings, score, location)
    return _strongest(settings, xy, score, score.astype(np.int64), most)


def find_snapped_keypoints(
    settings: KeypointSettings,
    score: NDArray[np.int8],
    location: NDArray[np.int8],
    grey: NDArray[np.uint8],
    most: int,
) -> DeviceKeypoints:
    """What `vpr_snapped_keypoints_s8` finds: keypoints at the corners nearest to the network's.

    How strong one is says its probability times the strength of its corner, plus 1: where the
    picture is flat the probable ones still come first.

    Args:
        settings: of the maps.
        score: int8 [rows, columns, 1].
        location: int8 [rows, columns, 2].
        grey: uint8 [rows * cell, columns * cell], the network's input as a grey picture.
        most: at most so many.
    """
    xy, score = _candidates(settings, score, location)
    xy, corner = snapped(corner_strength(grey), xy)
    strength = settings.probability[score.astype(np.int32) + 128] * (corner.astype(np.int64) + 1)
    inside = settings.inside(xy)
    return _strongest(settings, xy[inside], score[inside], strength[inside], most)


def _candidates(
    settings: KeypointSettings, score: NDArray[np.int8], location: NDArray[np.int8]
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Positions and scores of the cells that border and threshold let pass."""
    xy, score = settings.positions(location), score.reshape(-1)
    chosen = settings.inside(xy) & (score >= settings.threshold)
    return xy[chosen], score[chosen]


def _strongest(
    settings: KeypointSettings,
    xy: NDArray[np.int32],
    score: NDArray[np.int8],
    strength: NDArray[np.int64],
    most: int,
) -> DeviceKeypoints:
    kept: list[int] = []
    for index in np.argsort(-strength, kind="stable"):
        if len(kept) == most:
            break
        squared = np.square((xy[kept] - xy[index]).astype(np.int64)).sum(axis=1)
        if (squared >= settings.radius**2).all():
            kept.append(int(index))
    return DeviceKeypoints(xy[kept].astype(np.uint16), score[kept])


def keypoint_descriptors(
    settings: KeypointSettings, descriptor: NDArray[np.int8], xy: NDArray[np.uint16]
) -> NDArray[np.int8]:
    """What `vpr_keypoint_descriptor_s8` writes, for all keypoints: int8 [N, C], 127 steps in 1.

    Args:
        settings: of the maps.
        descriptor: int8 [f * rows, f * columns, C] with f = 2^(log2_cell - log2_fine).
        xy: uint16 [N, 2], 1/64 pixel.
    """
    bits = settings.log2_fine + 6
    whole = 1 << bits
    last = np.array([descriptor.shape[1], descriptor.shape[0]]) - 1
    at = np.clip(xy.astype(np.int32) + (STEPS - whole) // 2, 0, last << bits)
    (x0, y0), (fx, fy) = (at >> bits).T, (at & (whole - 1)).T[..., None]
    x1, y1 = np.minimum(x0 + 1, last[0]), np.minimum(y0 + 1, last[1])
    values = descriptor.astype(np.int32) - settings.descriptor_zero_point
    upper = values[y0, x0] * ((whole - fx) * (whole - fy)) + values[y0, x1] * (fx * (whole - fy))
    lower = values[y1, x0] * ((whole - fx) * fy) + values[y1, x1] * (fx * fy)
    # Seven fractional bits stay.
    away = 2 * bits - _DESCRIPTOR_BITS
    return unit_int8((upper + lower + (1 << (away - 1))) >> away, UNIT)


def _reals(affine: Affine) -> NDArray[np.float64]:
    """The 256 real values of an int8 tensor, rounded to float32 as dequantisation gives them."""
    q = np.arange(-128, 128, dtype=np.float32)
    return ((q - np.float32(affine.zero_point)) * np.float32(affine.scale)).astype(np.float64)
