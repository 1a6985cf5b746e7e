"""Class labels from the int8 map, the twin of `vpr_segmentation.h`."""

import numpy as np
from numpy.typing import NDArray


def segmentation_labels(segmentation: NDArray[np.int8], factor: int = 1) -> NDArray[np.uint8]:
    """The class with the largest logit, the first of equals.

    Args:
        segmentation: int8 [h, w, classes], at most 256 classes.
        factor: every cell becomes a square of so many pixels a side.

    Returns:
        uint8 [h * factor, w * factor].
    """
    labels = np.argmax(segmentation, axis=-1).astype(np.uint8)
    return labels.repeat(factor, axis=0).repeat(factor, axis=1)
