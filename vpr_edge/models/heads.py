"""Aggregation heads: from a map of local features to the output "place", by name in `HEADS`.

The consumer flattens "place", takes the root that the output declares (GeM) and normalises.
"""

from collections.abc import Callable
from dataclasses import dataclass

from vpr_edge.errors import CheckpointError
from vpr_edge.models.config import NetworkConfig
from vpr_edge.models.graph import GraphBuilder, Node


@dataclass(frozen=True)
class Features:
    """What a head may read.

    Attributes:
        coarse: the map that is aggregated.
        fine: a map of more pixels, for heads that aggregate at two scales.
        guide: the segmentation decoder's last hidden map, which tells attention where to look.
    """

    coarse: Node
    fine: Node | None = None
    guide: Node | None = None


def place_head(g: GraphBuilder, config: NetworkConfig, features: Features) -> Node:
    """The configured head with its learned projection, if any; the node "place".

    Raises:
        CheckpointError: the head does not exist, or cannot be projected.
    """
    if config.head not in HEADS:
        raise CheckpointError(
            f"no place head is named {config.head!r}; choose one of {', '.join(HEADS)}."
        )
    aggregate = HEADS[config.head]
    if not config.place_projection:
        return aggregate(g, config, features, "place")
    if config.head == "gem":
        raise CheckpointError(
            "GeM cannot be projected on the device, because its root is taken after the network; "
            "set place_projection to 0, or take another head."
        )
    pooled = aggregate(g, config, features, "place_pooled")
    # One window as large as the map: a fully connected layer over all of it.
    window = pooled.shape[1:]
    return g.conv("place", pooled, config.place_projection, window, window, "none", False)


def convap(g: GraphBuilder, config: NetworkConfig, features: Features, name: str) -> Node:
    """A 1x1 convolution averaged over the cells of a grid (arXiv 2210.10239)."""
    x = _linear(g, "place_project", features.coarse, config.place_channels)
    return g.pool(name, x, config.place_window)


def gem(g: GraphBuilder, config: NetworkConfig, features: Features, name: str) -> Node:
    """Generalised mean (arXiv 1711.02512) before its root: the mean of cubes.

    The cube is two products: TFLite Micro has no power, and the root of the pooled vector is taken
    after dequantisation. A learned power exists in float alone; quantising sets it to 3.
    """
    x = features.coarse
    if config.pixel_unshuffle > 1:
        x = g.space_to_depth("place_unshuffle", x, config.pixel_unshuffle)
    x = g.conv("place_project", x, config.place_channels, batch_norm=False)
    if config.learned_power:
        return g.gem(name, x)
    return g.mean(name, g.mul("place_cube", g.mul("place_square", x, x), x))


def netvlad(g: GraphBuilder, config: NetworkConfig, features: Features, name: str) -> Node:
    """NetVLAD (arXiv 1511.07247), and with ghost clusters GhostVLAD (arXiv 1810.09951).

    Residuals of unit vectors x to learned centroids c, weighted by the soft assignment a:
    sum a x - c sum a, each cluster's brought to length 1. The centroids are learned negated.
    """
    clusters, ghosts = config.place_clusters, config.place_ghosts
    if clusters < 1:
        raise CheckpointError(f"{config.head} needs clusters; set place_clusters to 1 or more.")
    x = features.coarse
    if x.shape[0] != config.place_channels:
        x = _linear(g, "place_project", x, config.place_channels)
    x = g.l2_normalize("place_local", x)
    a = g.softmax("place_assignment", _linear(g, "place_assign", x, clusters + ghosts))
    if ghosts:
        a = g.crop("place_assignment_kept", a, (clusters, *a.shape[1:]))
    sums = g.matmul(
        "place_sums", g.flatten("place_shares", a), g.flatten("place_vectors", x), (True, False)
    )
    mass = g.reshape("place_mass_row", g.sum("place_mass", a), (1, 1, clusters))
    centroids = g.scale("place_centroids", mass, config.place_channels)
    return g.l2_normalize(name, g.add("place_residuals", sums, centroids))


def attention(g: GraphBuilder, config: NetworkConfig, features: Features, name: str) -> Node:
    """Attention at two scales, guided by the segmentation (after SegVPR, Paolicelli et al. 2022).

    At each scale `place_clusters` attention maps, made of the local features and of what the
    segmentation sees there, weight the sum of the local features; each sum is brought to length 1.
    """
    levels = [level for level in (features.coarse, features.fine) if level is not None]
    parts = []
    for number, level in enumerate(levels, start=1):
        maps = max(1, config.place_clusters)
        logits = _linear(g, f"place_look{number}", level, maps)
        if features.guide is not None:
            seen = _linear(g, f"place_guide{number}", features.guide, maps)
            seen = _fitted(g, f"place_guide{number}_fitted", seen, level)
            logits = g.add(f"place_guided{number}", logits, seen)
        where = g.flatten(f"place_where{number}", g.logistic(f"place_attend{number}", logits))
        x = _linear(g, f"place_project{number}", level, config.place_channels)
        what = g.flatten(f"place_what{number}", x)
        total = g.matmul(f"place_total{number}", where, what, (True, False))
        last = name if len(levels) == 1 else f"place_unit{number}"
        parts.append(g.l2_normalize(last, total))
    return parts[0] if len(parts) == 1 else g.concat(name, *parts)


def pyramid(g: GraphBuilder, config: NetworkConfig, features: Features, name: str) -> Node:
    """Vectors of the cells of a grid and one of the whole map beside one another.

    After the spatial pyramid (Lazebnik, Schmid and Ponce, CVPR 2006): cells know where things are,
    the whole does not. Each region's average goes through a hidden layer, if any, and a projection,
    and is brought to length 1. The consumer weighs the levels (`part_gain`), so that neither their
    lengths nor what eight bits make of them depend on the picture.
    """
    if config.place_overview < 1:
        raise CheckpointError("a pyramid needs place_overview; set it to 1 or more.")
    x = features.coarse
    levels = {
        "cells": (config.place_channels, config.place_window),
        "overview": (config.place_overview, x.shape[1:]),
    }
    parts = []
    for level, (channels, window) in levels.items():
        seen = g.pool(f"place_{level}_averages", x, window)
        if config.place_hidden:
            # BatchNorm has no statistics where a batch of one has one average a channel.
            own = level != "overview"
            seen = g.conv(f"place_{level}_hidden", seen, config.place_hidden, batch_norm=own)
        seen = _linear(g, f"place_{level}", seen, channels)
        if config.place_whole_grid and level == "cells":
            # One length for the whole grid: a cell counts by its own.
            seen = g.vector("place_cells_vector", seen)
            parts.append(g.l2_normalize("place_cells_unit", seen))
            continue
        unit = g.l2_normalize(f"place_{level}_unit", seen)
        parts.append(g.vector(f"place_{level}_vector", unit))
    return g.concat(name, *parts)


HEADS: dict[str, Callable[[GraphBuilder, NetworkConfig, Features, str], Node]] = {
    "convap": convap,
    "gem": gem,
    "netvlad": netvlad,
    "ghostvlad": netvlad,
    "attention": attention,
    "pyramid": pyramid,
}


def part_gain(config: NetworkConfig, length: int) -> list[float] | None:
    """The factor of each value of a descriptor of parts; None where it has but one part.

    With them the similarity of two descriptors is the weighted mean of their levels': the overview
    counts `place_balance`, the mean over the cells the rest.

    Args:
        config: of the network.
        length: values of the descriptor.
    """
    if config.head != "pyramid":
        return None
    grid = length - config.place_overview
    share = config.place_balance
    cells = 1 if config.place_whole_grid else grid // config.place_channels
    return [((1 - share) / cells) ** 0.5] * grid + [share**0.5] * config.place_overview


def _linear(g: GraphBuilder, name: str, x: Node, channels: int) -> Node:
    return g.conv(name, x, channels, activation="none", batch_norm=False)


def _fitted(g: GraphBuilder, name: str, x: Node, level: Node) -> Node:
    """x brought to the pixels of a level: averaged where it has twice as many, else repeated."""
    if x.shape[1:] == level.shape[1:]:
        return x
    if tuple(size // 2 for size in x.shape[1:]) == level.shape[1:]:
        return g.pool(name, x, (2, 2))
    return g.resize_nearest(name, x, level.shape[1:])
