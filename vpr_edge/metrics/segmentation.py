"""Counting pixels: one confusion matrix over all pictures, then IoU a class."""

import cv2
import numpy as np
from numpy.typing import NDArray


def confusion(
    predicted: NDArray[np.uint8], labels: NDArray[np.uint8], classes: int, ignore: int
) -> NDArray[np.int64]:
    """Count the pixels of each label (row) by what they were taken for (column).

    Args:
        predicted: [H, W], 0..classes-1.
        labels: [H, W], likewise, or `ignore` where nothing is counted.
        classes: how many there are.
        ignore: the label of pixels that nobody judges.

    Returns:
        int64 [classes, classes]; matrices of several pictures add up.
    """
    judged = labels != ignore
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
