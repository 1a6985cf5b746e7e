"""Pairs of pictures related by a homography: from HPatches' layout, or made from photographs.

Homographies map pixel centres (x, y) of the first picture to those of the second; pixel (0, 0) has
its centre at (0, 0), as OpenCV's warps take them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vpr_edge.datasets.images import SUFFIXES
from vpr_edge.errors import DataError
from vpr_edge.preprocessing import Preprocessing, read_image


@dataclass(frozen=True, eq=False)
class HomographyPair:
    """Two views of one plane.

    Attributes:
        name: of the pair.
        image_a, image_b: uint8 [H, W, 3].
        homography: float64 [3, 3], from `image_a` to `image_b`.
    """

    name: str
    image_a: NDArray[np.uint8]
    image_b: NDArray[np.uint8]
    homography: NDArray[np.float64]

    def resized(self, size: tuple[int, int]) -> "HomographyPair":
        """Both views stretched to `size` = (height, width), and the homography with them."""
        fit = Preprocessing(*size).fit
        to_a, to_b = (_scaling(view.shape, size) for view in (self.image_a, self.image_b))
        homography = to_b @ self.homography @ np.linalg.inv(to_a)
        return HomographyPair(self.name, fit(self.image_a), fit(self.image_b), homography)


def read_homography_pairs(folder: Path) -> Iterator[HomographyPair]:
    """Pairs (1, k) of each sequence of an HPatches-like folder (Balntas et al. 2017), in order.

    A sequence is a folder with pictures `1.png`, `2.png` ... (or .ppm, .jpg) and text files
    `H_1_2`, `H_1_3` ... of nine numbers; `folder` holds sequences or is one.

    Raises:
        DataError: there is no sequence, or a picture or homography is missing or damaged.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; check the path of the data set.")
    sequences = sorted({path.parent for path in (*folder.glob("H_1_*"), *folder.glob("*/H_1_*"))})
    if not sequences:
        raise DataError(
            f"{folder} holds no sequence with pictures 1, 2 ... and H_1_2, H_1_3 ...; choose the "
            "folder that does."
        )
    for sequence in sequences:
        first = read_image(_picture(sequence, "1"))
        for path in sorted(sequence.glob("H_1_*"), key=lambda path: (len(path.name), path.name)):
            number = path.name.removeprefix("H_1_")
            second = read_image(_picture(sequence, number))
            yield HomographyPair(f"{sequence.name} 1-{number}", first, second, _matrix(path))


def synthetic_homography_pairs(
    images: Iterable[NDArray[np.uint8]],
    seed: int,
    size: tuple[int, int] = (240, 320),
    brightness: float = 0.0,
) -> Iterator[HomographyPair]:
    """One pair a photograph, the second view warped by a random homography.

    The homography turns, scales and shifts, and moves the corners each by its own amount. Beyond
    the photograph's edge the second view mirrors it: a black border would draw keypoints.

    Args:
        images: uint8 [H, W, 3]; upright ones are laid on their side.
        seed: the same seed gives the same pairs.
        size: (height, width) of both views.
        brightness: gain and offset of the second view change by up to this fraction (of 1, 255).
    """
    rng = np.random.default_rng(seed)
    fit = Preprocessing(*size).fit
    for number, image in enumerate(images):
        lies = (image.shape[1] >= image.shape[0]) == (size[1] >= size[0])
        view = fit(image if lies else np.rot90(image))
        homography = random_homography(rng, size)
        warped = cv2.warpPerspective(
            view, homography, size[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        gain, offset = 1 + rng.uniform(-brightness, brightness), rng.uniform(-1, 1) * brightness
        shone = np.clip(np.rint(warped * gain + 255 * offset), 0, 255).astype(np.uint8)
        yield HomographyPair(f"synthetic {number}", view, shone, homography)


def random_homography(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float64]:
    """A homography about as strong as HPatches' views, float64 [3, 3], within `size` = (h, w).

    Turn up to 25 degrees, scale 0.8 to 1.25, shift up to 10 % and each corner by up to 12 % of the
    sides.
    """
    height, width = size
    extent = np.array([width, height], np.float64)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (extent - 1)
    middle = (extent - 1) / 2
    angle = np.deg2rad(rng.uniform(-25, 25))
    scale = np.exp(rng.uniform(-1, 1) * np.log(1.25))
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = (corners - middle + rng.uniform(-0.12, 0.12, (4, 2)) * extent) @ turn.T
    moved += middle + rng.uniform(-0.1, 0.1, 2) * extent
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32))
    return np.asarray(matrix, np.float64)


def _scaling(shape: tuple[int, ...], size: tuple[int, int]) -> NDArray[np.float64]:
    x, y = size[1] / shape[1], size[0] / shape[0]
    # Pixel edges scale, and centres lie half a pixel from them.
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def _picture(sequence: Path, number: str) -> Path:
    found = [p for p in sequence.glob(f"{number}.*") if p.suffix.lower() in SUFFIXES]
    if not found:
        raise DataError(f"{sequence} has no picture {number}; copy the sequence again.")
    return min(found)


def _matrix(path: Path) -> NDArray[np.float64]:
    try:
        matrix = np.array(path.read_text().split(), np.float64).reshape(3, 3)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} does not hold nine numbers; copy the file again.") from error
    if not (np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) > 1e-12):
        raise DataError(f"{path} holds no homography that can be inverted; copy it again.")
    return matrix
