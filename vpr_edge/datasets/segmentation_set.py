"""Pictures with a class for each pixel; CamVid's eleven classes are used throughout."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vpr_edge.datasets.images import Images
from vpr_edge.errors import DataError

CLASSES = (
    "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car",
    "Pedestrian", "Bicyclist",
)  # fmt: skip
IGNORE = 11
"""Label of pixels that belong to no class and are not judged."""
COLORS: NDArray[np.uint8] = np.array(
    [(128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (0, 0, 192), (128, 128, 0),
     (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192), (0, 0, 0)],
    np.uint8,
)  # fmt: skip
"""CamVid's colours, uint8 [12, 3]: one a class, black for `IGNORE`; `COLORS[labels]` paints."""


@dataclass(frozen=True, eq=False)
class Labels(Sequence[NDArray[np.uint8]]):
    """Label images uint8 [H, W], values 0..10 and 11 = ignore, read when asked for."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> "Labels": ...
    def __getitem__(self, index: int | slice) -> "NDArray[np.uint8] | Labels":
        """One label image, or some.

        Raises:
            DataError: the file is missing, truncated, or not an image of classes.
        """
        return Labels(self.paths[index]) if isinstance(index, slice) else _read(self.paths[index])

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self[i] for i in range(len(self)))


@dataclass(frozen=True, eq=False)
class SegmentationSet:
    """Pictures and their labels.

    Attributes:
        name: of the data set.
        images: the pictures.
        labels: as many, each of its picture's size.
        terms: part and number of pictures, to be printed beside every figure.
    """

    name: str
    images: Images
    labels: Labels
    terms: str


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as picture:
            labels = np.asarray(picture)
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"{path} is not a readable image ({error}); replace or remove the file."
        ) from error
    if labels.ndim != 2 or labels.dtype != np.uint8 or labels.max(initial=0) > IGNORE:
        raise DataError(
            f"{path} is not a label image; it must be a PNG of one channel with the values 0 to "
            f"{IGNORE - 1} for {CLASSES[0]} to {CLASSES[-1]} and {IGNORE} to ignore."
        )
    return labels
