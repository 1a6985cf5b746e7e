"""Folders of photographs without ground truth."""

from pathlib import Path
from typing import Literal

from vpr_edge.datasets.images import Images, find_images
from vpr_edge.errors import DataError


def load_photographs(folder: Path, split: Literal["train", "val", "test"] | None = None) -> Images:
    """The photographs below a folder, sorted by path.

    Args:
        folder: searched recursively.
        split: only files whose names begin with `<split>_`, as BSDS500's do here.

    Raises:
        DataError: the folder is missing, or holds no images (of that split).
    """
    paths = find_images(folder, recursive=True)
    if split is not None:
        paths = tuple(path for path in paths if path.name.startswith(f"{split}_"))
        if not paths:
            raise DataError(
                f"{folder} holds no images named {split}_*; choose another split or folder."
            )
    return Images.from_files(paths)
