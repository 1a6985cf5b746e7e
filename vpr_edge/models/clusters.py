"""NetVLAD's clusters from data, where training should begin (arXiv 1511.07247, section 3.1).

Centroids are those of k-means over the local features of pictures; soft assignment starts so sharp
that the nearest cluster has on average `contrast` times the weight of the second. The paper's
hundred leaves clusters all but empty, and int8 has no steps for what is then brought to length 1.
"""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import CheckpointError, DataError
from vpr_edge.models.checkpoint import Checkpoint
from vpr_edge.models.whitening import float_maps

CONTRAST = 4.0
FEATURES = "place_local"
MOST_FEATURES = 50_000


def with_clusters(
    checkpoint: Checkpoint,
    images: NDArray[np.uint8],
    seed: int = 0,
    contrast: float = CONTRAST,
) -> Checkpoint:
    """A float checkpoint whose NetVLAD or GhostVLAD head has clusters of these pictures.

    The smallest clusters become the ghosts.

    Args:
        checkpoint: of kind "float"; its other layers stay as they are.
        images: uint8 [N, H, W, 3], fitted to the input.
        seed: of k-means.
        contrast: see above.

    Raises:
        CheckpointError: the head has no clusters.
        DataError: the pictures have fewer features than the head has clusters.
    """
    config = checkpoint.zoo_config()
    if config.head not in ("netvlad", "ghostvlad"):
        raise CheckpointError(
            f"{config.name} has the place head {config.head!r}, which has no clusters; take one "
            "with netvlad or ghostvlad."
        )
    maps = float_maps(checkpoint, images, FEATURES)
    features = np.moveaxis(maps, 1, -1).reshape(-1, maps.shape[1])
    kept, count = config.place_clusters, config.place_clusters + config.place_ghosts
    if len(features) < 2 * count:
        raise DataError(
            f"{len(images)} pictures have {len(features)} local features, too few for {count} "
            "clusters; give more pictures."
        )
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(features))[:MOST_FEATURES]
    centroids, gap = _clusters(np.ascontiguousarray(features[chosen]), count, seed)
    sharpness = np.log(contrast) / max(gap, 1e-6)
    tensors = checkpoint.tensors | {
        "layers.place_assign.weight": (2 * sharpness * centroids)[:, :, None, None],
        "layers.place_assign.bias": -sharpness * np.square(centroids).sum(axis=1),
        "layers.place_centroids.weight": -centroids[:kept].T[None, :, None],
    }
    tensors = {name: np.asarray(values, np.float32, order="C") for name, values in tensors.items()}
    return replace(checkpoint, tensors=tensors)


def _clusters(
    features: NDArray[np.float32], count: int, seed: int
) -> tuple[NDArray[np.float32], float]:
    """Centroids [count, C], of the largest cluster first, and how much further the second lies."""
    cv2.setRNGSeed(seed)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 1e-4)
    _, labels, found = cv2.kmeans(features, count, None, criteria, 3, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    order = np.argsort(-np.bincount(labels.ravel(), minlength=count), kind="stable")
    centroids = np.asarray(found, np.float32)[order]
    # Features have length 1, so that only the order and the gaps of these distances matter.
    squared = np.square(centroids).sum(axis=1) - 2 * features @ centroids.T
    nearest = np.sort(squared, axis=1)[:, : min(2, count)]
    return centroids, float((nearest[:, -1] - nearest[:, 0]).mean())
