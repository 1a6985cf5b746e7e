"""What a network is, in a few numbers: the configuration that every checkpoint carries."""

from dataclasses import dataclass, replace

from vpr_edge.errors import CheckpointError

TASKS = {
    "keypoints": ("score", "location", "descriptor"),
    "segmentation": ("segmentation",),
    "places": ("place",),
    "depth": ("depth",),
}
SEGMENTATION_CLASSES = 11


@dataclass(frozen=True)
class NetworkConfig:
    """A multi-task network.

    The family decides which graph is built and which of the sizes below it reads; the rest is
    common to all families.

    Attributes:
        name: the zoo's name.
        height, width: input size, pixels; multiples of 8.
        family: a key of `zoo.FAMILIES`.
        stem: channels after the first convolution ("nano", "mobilenet_vlad").
        stages: (channels, expansion, blocks) of the stages: at strides 4, 8 and 16 ("nano"), or
            MobileNetV2's seven ("mobilenet_vlad").
        channels: c1, c2, c3, c4, c5, d1 of KP2D ("kp2dtiny", without d1 where nothing is pooled;
            "nano_vs_slam").
        pools: how often the keypoints' grid is halved; a cell is 2**pools pixels wide
            ("kp2dtiny", "nano_vs_slam").
        attention: self-attention in the segmentation decoder ("nano": SAGAN's; "nano_vs_slam").
        upsampling: "shuffle" (depth to space) or "transposed" (a learned convolution before it,
            equal to a transposed convolution of stride 2) ("kp2dtiny", "nano_vs_slam").
        decoder_channels: width of the decoders at stride 8 ("nano").
        decoder: "fused": keypoints and segmentation share one trunk; "dedicated": a trunk each.
        detector: where keypoints come from ("nano"): "cells": the decoder gives each cell a point;
            "corners": a map of every pixel, from the first layer, gives each cell its peak.
        descriptor_channels: length of a keypoint's descriptor.
        classes: of the segmentation.
        head: of the places, a key of `heads.HEADS`: "convap" (1x1 convolution, average pooling to
            a grid; arXiv 2210.10239), "gem" (generalised mean; arXiv 1711.02512), "netvlad"
            (arXiv 1511.07247), "ghostvlad" (arXiv 1810.09951), "attention" or "pyramid" (a ConvAP
            grid beside one vector of the whole picture).
        place_channels: channels of the place descriptor, for each cell of the grid.
        place_window: rows and columns of the place map that one ConvAP cell averages.
        place_overview: values of the part that a "pyramid" head makes of the whole picture.
        place_hidden: channels of a hidden layer of a "pyramid" behind the averages; 0 for none.
        place_whole_grid: whether a "pyramid" brings its grid to length 1 as a whole instead of each
            cell, so that cells with little to see count little.
        place_balance: share of the whole picture in the similarity of a "pyramid"; the grid has
            the rest.
        place_clusters: clusters of NetVLAD.
        place_ghosts: further clusters that GhostVLAD drops.
        place_projection: length that a learned projection brings the descriptor to; 0 for none.
        pixel_unshuffle: side of the blocks that become channels before GeM; 1 for none.
        learned_power: whether GeM's power is learned, in float alone (int8 has 3).
        keypoint_reach: how far from the centre of its cell a keypoint may lie, in cells.
        norm: after convolutions: "batch" (BatchNorm) or "affine" (learned scales and shifts).
        tasks: which decoders are there, of "keypoints", "segmentation", "places", "depth" (of
            family "nano"; experimental).
    """

    name: str
    height: int = 120
    width: int = 160
    family: str = "nano"
    stem: int = 16
    stages: tuple[tuple[int, int, int], ...] = ((24, 3, 2), (48, 4, 4), (80, 4, 3))
    channels: tuple[int, ...] = ()
    pools: int = 2
    attention: bool = False
    upsampling: str = "shuffle"
    decoder_channels: int = 48
    decoder: str = "fused"
    detector: str = "cells"
    descriptor_channels: int = 64
    classes: int = SEGMENTATION_CLASSES
    head: str = "convap"
    place_channels: int = 32
    place_window: tuple[int, int] = (2, 2)
    place_overview: int = 0
    place_hidden: int = 0
    place_whole_grid: bool = False
    place_balance: float = 0.5
    place_clusters: int = 0
    place_ghosts: int = 0
    place_projection: int = 0
    pixel_unshuffle: int = 1
    learned_power: bool = False
    keypoint_reach: float = 1.0
    norm: str = "batch"
    tasks: tuple[str, ...] = ("keypoints", "segmentation", "places")


def resized(config: NetworkConfig, height: int, width: int) -> NetworkConfig:
    """The same network (and weights) for images of another size.

    Raises:
        CheckpointError: a side is no multiple of 8.
    """
    if height % 8 or width % 8:
        raise CheckpointError(
            f"{width}x{height} is no input size of {config.name}; choose sides that are multiples "
            "of 8 pixels."
        )
    return replace(config, height=height, width=width)


def output_names(config: NetworkConfig) -> tuple[str, ...]:
    """The outputs of the configured tasks, in the order of `TASKS`."""
    return tuple(name for task in TASKS if task in config.tasks for name in TASKS[task])
