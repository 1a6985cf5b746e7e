"""Segmentation judged over a whole data set: one confusion matrix, then IoU a class."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vpr_edge.datasets.segmentation_set import CLASSES, IGNORE, SegmentationSet
from vpr_edge.errors import DataError

SIZE = (120, 160)
"""Height and width at which pictures are labelled and judged."""
Segment = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From a picture uint8 [H, W, 3] to class logits float32 [h, w, 11]."""


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
        counts += confusion(predicted_labels(segment(image), size), resized_labels(labels, size))
        if progress:
            progress(number, len(data.images))
    if not counts.any():
        raise DataError(f"no pixel of {data.name} has a label; choose a labelled data set.")
    iou = iou_of(counts)
    accuracy = float(np.trace(counts) / counts.sum())
    return SegmentationScores(
        data.name, data.terms, float(np.nanmean(iou)), tuple(iou.tolist()), accuracy
    )


def confusion(
    predicted: NDArray[np.uint8], labels: NDArray[np.uint8], classes: int = len(CLASSES)
) -> NDArray[np.int64]:
    """Count the pixels of each label (row) by what they were taken for (column).

    Args:
        predicted: [H, W], 0..classes-1.
        labels: [H, W], likewise, or `IGNORE` where nothing is counted.
        classes: how many there are.

    Returns:
        int64 [classes, classes]; matrices of several pictures add up.
    """
    judged = labels != IGNORE
    pairs = labels[judged].astype(np.int64) * classes + predicted[judged]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def iou_of(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersection over union of each class, float64 [classes]; nan for those that never occur."""
    both = np.diag(counts).astype(np.float64)
    either = counts.sum(axis=0) + counts.sum(axis=1) - both
    return np.divide(both, either, out=np.full(len(counts), np.nan), where=either > 0)


def predicted_labels(logits: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Bring logits [h, w, classes] bilinearly to (height, width), then take the likeliest class."""
    large = cv2.resize(np.asarray(logits, np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.argmax(large, axis=-1).astype(np.uint8)


def resized_labels(labels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Bring labels [H, W] to (height, width) by the nearest pixel."""
    return np.asarray(cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
