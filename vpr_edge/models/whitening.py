"""PCA whitening of place descriptors, folded into the network as its last layer.

Jégou and Chum, Negative evidences and co-occurrences in image retrieval (ECCV 2012): descriptors
are centred, rotated to their principal directions, cut to the strongest and brought to equal
variance. That is one fully connected layer, which a device runs and QAT trains on.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import CheckpointError, DataError
from vpr_edge.models.checkpoint import Checkpoint
from vpr_edge.models.zoo import build_graph

IMAGES_AT_ONCE = 16


def fit_whitening(
    vectors: NDArray[np.float32], length: int, strength: float = 1.0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The projection to the strongest principal directions.

    Args:
        vectors: float [N, D].
        length: directions that are kept.
        strength: each direction is divided by its standard deviation to this power: 1 whitens, 0
            only cuts.

    Returns:
        Matrix float32 [length, D] and bias float32 [length]: whitened = matrix @ vector + bias.

    Raises:
        DataError: there are too few vectors, or they vary in too few directions.
    """
    values = vectors.astype(np.float64)
    mean = values.mean(axis=0)
    _, strengths, directions = np.linalg.svd(values - mean, full_matrices=False)
    deviations = strengths / np.sqrt(max(len(values) - 1, 1))
    kept = int((deviations > 1e-7 * deviations[:1]).sum())
    if not 1 <= length <= kept:
        raise DataError(
            f"{len(values)} descriptors of {values.shape[1]} values vary in {kept} directions, so "
            f"they cannot be whitened to {length}; give more pictures, or a length up to {kept}."
        )
    matrix = directions[:length] / deviations[:length, None] ** strength
    return matrix.astype(np.float32), (-matrix @ mean).astype(np.float32)


def whitened(
    checkpoint: Checkpoint, images: NDArray[np.uint8], length: int, strength: float = 1.0
) -> Checkpoint:
    """A float checkpoint with a projection, fitted to pictures, after its place head.

    Args:
        checkpoint: of kind "float", with a place head other than GeM and no projection.
        images: uint8 [N, H, W, 3], fitted to the input; more than `length`.
        length: of the new descriptor.
        strength: see `fit_whitening`.

    Raises:
        CheckpointError: the checkpoint has no place head that can be projected.
        DataError: too few or too similar pictures.
    """
    config = checkpoint.zoo_config()
    if "places" not in config.tasks or config.place_projection:
        raise CheckpointError(
            f"{config.name} has no place descriptor without projection; give a network that has."
        )
    projected = replace(config, place_projection=length)
    # Refuses heads that take none.
    graph = build_graph(projected)
    maps = float_maps(checkpoint, images, "place")
    matrix, bias = fit_whitening(maps.reshape(len(maps), -1), length, strength)
    tensors = checkpoint.tensors | {
        "layers.place.weight": matrix.reshape(graph.weight_shape(graph["place"])),
        "layers.place.bias": bias,
    }
    about = {"images": len(images), "length": length, "strength": strength}
    provenance = checkpoint.provenance | {"whitening": about}
    return replace(
        checkpoint, config=projected, tensors=tensors, provenance=provenance, described=None
    )


def float_maps(checkpoint: Checkpoint, images: NDArray[np.uint8], name: str) -> NDArray[np.float32]:
    """The map of one node for every picture, [N, C, h, w]."""
    # Here, because reading checkpoints needs no torch.
    import torch

    from vpr_edge.models.network import Network

    network = Network.from_checkpoint(checkpoint)
    found = []
    with torch.no_grad():
        for start in range(0, len(images), IMAGES_AT_ONCE):
            pixels = checkpoint.preprocessing.to_float(images[start : start + IMAGES_AT_ONCE])
            found.append(network(torch.from_numpy(pixels), (name,))[name].numpy())
    return np.concatenate(found)
