"""Segmentation judged over a whole data set: one confusion matrix, then IoU a class."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpr_edge.datasets.segmentation_set import CLASSES, IGNORE, SegmentationSet
from vpr_edge.errors import DataError
from vpr_edge.metrics.segmentation import confusion, iou_of, predicted_labels, resized_labels

SIZE = (120, 160)
"""Height and width at which pictures are labelled and judged."""
Segment = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""From a picture uint8 [H, W, 3] to class logits float32 [h, w, 11], or to labels uint8 [h, w]."""


@dataclass(frozen=True)
class SegmentationScores:
    """Figures over a data set.

    Attributes:
        data: name of the data set.
        terms: part and number of pictures.
        miou: mean of `iou` over the classes that occur in the labels or the predictions.
        iou: intersection over union, one a class of `CLASSES`; nan where it occurs in neither.
        accuracy: fraction of the judged pixels that are right.
    """

    data: str
    terms: str
    miou: float
    iou: tuple[float, ...]
    accuracy: float


def evaluate_segmentation(
    segment: Segment,
    data: SegmentationSet,
    size: tuple[int, int] = SIZE,
    progress: Callable[[int, int], None] | None = None,
) -> SegmentationScores:
    """Segment every picture and judge all pixels of the set together.

    Args:
        segment: what is to be judged; it fits the picture to its own input.
        data: pictures and labels.
        size: (height, width) to which labels (nearest) and logits (bilinear) are brought.
        progress: called with the pictures done and the pictures in total.

    Raises:
        DataError: no pixel of the set has a label.
    """
    counts = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    for number, (image, labels) in enumerate(zip(data.images, data.labels, strict=True), start=1):
        given = segment(image)
        found = (
            resized_labels(given, size)
            if given.dtype == np.uint8
            else predicted_labels(given, size)
        )
        counts += confusion(found, resized_labels(labels, size), len(CLASSES), IGNORE)
        if progress:
            progress(number, len(data.images))
    if not counts.any():
        raise DataError(f"no pixel of {data.name} has a label; choose a labelled data set.")
    iou = iou_of(counts)
    accuracy = float(np.trace(counts) / counts.sum())
    return SegmentationScores(
        data.name, data.terms, float(np.nanmean(iou)), tuple(iou.tolist()), accuracy
    )
