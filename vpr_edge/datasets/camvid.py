"""CamVid (Brostow et al. 2009) in SegNet's layout: `<part>/*.jpg` beside `<part>annot/*.png`."""

from pathlib import Path
from typing import Literal

from vpr_edge.datasets.images import Images, find_images
from vpr_edge.datasets.segmentation_set import Labels, SegmentationSet
from vpr_edge.errors import DataError


def load_camvid(folder: Path, part: Literal["train", "val", "test"] = "val") -> SegmentationSet:
    """List one part's pictures and labels; they are read when asked for.

    Raises:
        DataError: the part is missing or empty, or a picture has no labels.
    """
    paths = find_images(folder / part)
    labels = tuple(folder / f"{part}annot" / f"{path.stem}.png" for path in paths)
    for path, label in zip(paths, labels, strict=True):
        if not label.is_file():
            raise DataError(f"{path} has no labels: {label} is absent; copy the data set again.")
    return SegmentationSet(
        folder.resolve().name,
        Images.from_files(paths),
        Labels(labels),
        f"{part}, {len(paths)} images",
    )
