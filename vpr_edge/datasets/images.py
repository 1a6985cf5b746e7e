"""A sequence of pictures, read when asked for, whether they lie in files or in an array."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import DataError
from vpr_edge.preprocessing import read_image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True, eq=False)
class Images(Sequence[NDArray[np.uint8]]):
    """Pictures as uint8 RGB [H, W, 3]; a slice gives `Images` again.

    Attributes:
        names: of the pictures, in order.
        source: one path a picture, or an array uint8 [N, H, W] (grey) or [N, H, W, 3] (RGB).
    """

    names: tuple[str, ...]
    source: tuple[Path, ...] | NDArray[np.uint8]

    @classmethod
    def from_files(cls, paths: Sequence[Path]) -> "Images":
        """Pictures in files, named by the files' stems."""
        return cls(tuple(path.stem for path in paths), tuple(paths))

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> "Images": ...
    def __getitem__(self, index: int | slice) -> "NDArray[np.uint8] | Images":
        """One picture, or some.

        Raises:
            DataError: the picture's file is missing, truncated or not an image.
        """
        if isinstance(index, slice):
            return Images(self.names[index], self.source[index])
        item = self.source[index]
        if isinstance(item, Path):
            return read_image(item)
        return np.repeat(item[:, :, None], 3, axis=2) if item.ndim == 2 else item

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self[i] for i in range(len(self)))


def natural(path: Path) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    """A key that sorts frame2 before frame10, folder by folder."""
    return tuple(
        tuple(
            (0, int(part), part) if part.isascii() and part.isdigit() else (1, 0, part)
            for part in re.split(r"([0-9]{1,18})", name)
            if part
        )
        for name in path.parts
    )


def find_images(folder: Path, recursive: bool = False) -> tuple[Path, ...]:
    """The image files of a folder in natural order (frame2 before frame10), hidden ones left out.

    Raises:
        DataError: the folder is missing or holds no images.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; check the path of the data set.")
    found = folder.rglob("*") if recursive else folder.iterdir()
    paths = tuple(
        sorted(
            (
                path
                for path in found
                if path.suffix.lower() in SUFFIXES
                # macOS leaves ._name.jpg beside every picture that it copies.
                and not any(part.startswith(".") for part in path.relative_to(folder).parts)
            ),
            key=natural,
        )
    )
    if not paths:
        kinds = ", ".join(sorted(SUFFIXES))
        raise DataError(f"{folder} holds no images ({kinds}); choose the folder that does.")
    return paths
