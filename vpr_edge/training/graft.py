"""A newly trained place head on an int8 network: all other layers keep their integers.

Where a float network differs from the one that an int8 network was made of in its place head alone,
quantising it whole would move keypoints and segmentation too. So the head is calibrated on the maps
that the int8 network itself computes, and joined to it.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vpr_edge.errors import CheckpointError
from vpr_edge.models.checkpoint import Checkpoint
from vpr_edge.models.network import Network
from vpr_edge.models.part import boundary, part_behind
from vpr_edge.quantize.calibrate import calibrate
from vpr_edge.quantize.fake import FakeQuantNetwork, to_int8_model
from vpr_edge.quantize.integer import IntegerNetwork
from vpr_edge.quantize.model import Int8Model
from vpr_edge.training.freeze import frozen_layers

ALIKE = 0.95
"""Least mean cosine of the float and the int8 network's maps where they are said to be one."""
CHUNK = 16


def grafted(
    model: Int8Model,
    checkpoint: Checkpoint,
    pictures: NDArray[np.uint8],
    provenance: dict[str, Any],
) -> Int8Model:
    """The int8 network with the place head of a float checkpoint.

    Args:
        model: the int8 network whose layers are kept.
        checkpoint: of kind "float"; the head's layers are taken from it.
        pictures: uint8 [N, H, W, 3] of the input's size, to set the head's ranges.
        provenance: JSON-ready record.

    Raises:
        CheckpointError: the two differ in more than the head.
    """
    graph = checkpoint.graph
    name = boundary(graph, frozen_layers(graph, (), ("places",)))
    network = Network.from_checkpoint(checkpoint)
    part = Network(part_behind(graph, name)).eval()
    part.load_state_dict({key: network.state_dict()[key] for key in part.state_dict()})
    kept = {node.name: node for node in graph.nodes} | {name: graph[name]}
    kept = {k: node for k, node in kept.items() if k == name or k not in _names(part)}
    theirs = {node.name: node for node in model.graph.nodes}
    if any(theirs.get(key) != node for key, node in kept.items()):
        raise CheckpointError(
            f"the int8 network {model.graph.name} has other layers than the checkpoint outside "
            "the place head; quantise the whole checkpoint."
        )
    affine = model.activations[name]
    stored = IntegerNetwork(model).run(pictures, (name,))[name].astype(np.float32)
    maps = torch.from_numpy((stored - affine.zero_point) * float(affine.scale)).permute(0, 3, 1, 2)
    with torch.no_grad():
        real = torch.from_numpy(checkpoint.preprocessing.to_float(pictures))
        known = network(real, (name,))[name]
        alike = torch.cosine_similarity(maps.flatten(1), known.flatten(1)).mean()
    if alike < ALIKE:
        raise CheckpointError(
            f"the int8 network computes another map {name!r} than the checkpoint (mean cosine "
            f"{float(alike):.2f}); quantise the whole checkpoint."
        )
    fake = FakeQuantNetwork(part)
    fake.fixed[name] = affine
    calibrate(fake, maps.split(CHUNK))
    head = to_int8_model(fake, checkpoint.config, checkpoint.preprocessing, provenance)
    own = {node.name for node in graph.nodes}
    return replace(
        head,
        graph=graph,
        config=checkpoint.config,
        activations={k: v for k, v in model.activations.items() if k in own} | head.activations,
        layers={k: v for k, v in model.layers.items() if k in own} | head.layers,
    )


def _names(part: Network) -> set[str]:
    return {node.name for node in part.graph.nodes}
