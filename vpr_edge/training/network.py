"""The network that a recipe starts from, and the checkpoint that it ends with."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from vpr_edge.errors import CheckpointError
from vpr_edge.models.checkpoint import Checkpoint, find_checkpoint, load_checkpoint
from vpr_edge.models.network import Network
from vpr_edge.models.part import boundary, part_behind
from vpr_edge.models.zoo import NetworkConfig, build_graph, network_config
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.quantize.calibrate import calibrate
from vpr_edge.quantize.fake import FakeQuantNetwork, to_int8_model
from vpr_edge.training.batches import Data
from vpr_edge.training.grow import take_over
from vpr_edge.training.recipe import Recipe


def recipe_config(recipe: Recipe) -> NetworkConfig:
    """The network that a recipe trains: `become`, that of its starting checkpoint, or of the zoo.

    What it becomes keeps the checkpoint's input size, classes and reach of keypoints.

    Raises:
        CheckpointError: no such network or checkpoint.
    """
    if not recipe.init:
        return network_config(recipe.become or recipe.network)
    given = load_checkpoint(find_checkpoint(recipe.init)).zoo_config()
    if not recipe.become:
        return given
    return replace(
        network_config(recipe.become),
        height=given.height,
        width=given.width,
        classes=given.classes,
        keypoint_reach=given.keypoint_reach,
    )


def starting_network(recipe: Recipe, config: NetworkConfig) -> Network:
    """The float network at the start of a run: of a checkpoint, grown from one, or random.

    Raises:
        CheckpointError: the checkpoint is missing, not float, or shares nothing with `become`.
    """
    if not recipe.init:
        return Network(build_graph(config))
    checkpoint = load_checkpoint(find_checkpoint(recipe.init))
    given = Network.from_checkpoint(checkpoint)
    if not recipe.become:
        return given
    network = Network(build_graph(config))
    if not take_over(network, given):
        raise CheckpointError(
            f"{recipe.init} has no weights that fit the network {recipe.become!r}; choose another "
            "init or become."
        )
    return network


def trained_part(network: Network, frozen: frozenset[str]) -> Network:
    """The layers behind the last frozen map as a network of their own, with the same weights.

    Raises:
        CheckpointError: trained layers read several frozen maps.
    """
    part = Network(part_behind(network.graph, boundary(network.graph, frozen)))
    part.load_state_dict({k: network.state_dict()[k] for k in part.state_dict()})
    return part


def quantized_network(network: Network, data: Data, symmetric: bool) -> FakeQuantNetwork:
    """The fake-quantised form of a network, its ranges set on pictures of every place source."""
    return calibrate(FakeQuantNetwork(network, symmetric), calibration_images(data))


def calibration_images(data: Data, count: int = 128) -> list[Tensor]:
    """Pictures of every place source, as batches of float images, to set the first ranges."""
    share = count // len(data.places)
    return [
        torch.from_numpy(data.fit.to_float(s.images[:: max(1, len(s.images) // share)][:share]))
        for s in data.places
    ]


def finished_checkpoint(
    config: NetworkConfig, network: nn.Module, fit: Preprocessing, provenance: dict[str, Any]
) -> Checkpoint:
    """What a run leaves: a float checkpoint, or the int8 one of a fake-quantised network."""
    if isinstance(network, FakeQuantNetwork):
        return to_int8_model(network, config, fit, provenance).to_checkpoint()
    tensors = {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}
    return Checkpoint("float", config, tensors, fit, provenance)
