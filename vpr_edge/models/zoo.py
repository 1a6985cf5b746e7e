"""The networks by name, and the graph that a configuration describes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

from vpr_edge.errors import CheckpointError
from vpr_edge.models.config import (
    SEGMENTATION_CLASSES,
    TASKS,
    NetworkConfig,
    output_names,
    resized,
)
from vpr_edge.models.graph import Graph
from vpr_edge.models.heads import part_gain
from vpr_edge.models.kp2dtiny import build_kp2dtiny
from vpr_edge.models.mobilenet_vlad import build_mobilenet_vlad
from vpr_edge.models.nano import build_nano
from vpr_edge.models.nano_vs_slam import build_nano_vs_slam

__all__ = [
    "FAMILIES",
    "SEGMENTATION_CLASSES",
    "TASKS",
    "ZOO",
    "NetworkConfig",
    "build_graph",
    "network_config",
    "output_names",
    "resized",
]


@dataclass(frozen=True)
class Family:
    """Networks of one architecture.

    Attributes:
        build: from a configuration to its graph.
        about: what they are, in a few words.
    """

    build: Callable[[NetworkConfig], Graph]
    about: str


FAMILIES = {
    "nano": Family(build_nano, "inverted residuals, ours"),
    "kp2dtiny": Family(build_kp2dtiny, "KP2Dtiny (AICAS 2023)"),
    "nano_vs_slam": Family(build_nano_vs_slam, "Nano-VS-SLAM, multi-task KP2Dtiny"),
    "mobilenet_vlad": Family(build_mobilenet_vlad, "MobileNetVLAD (CoRL 2018)"),
}

_S = NetworkConfig(
    "nano-vs-slam-s",
    family="nano_vs_slam",
    channels=(16, 32, 32, 64, 64, 128),
    decoder="dedicated",
    descriptor_channels=32,
    head="netvlad",
    place_channels=64,
    place_clusters=64,
)
_N = replace(
    _S,
    name="nano-vs-slam-n",
    channels=(16, 24, 24, 48, 48, 96),
    place_channels=48,
    place_clusters=32,
)


def _variants(config: NetworkConfig) -> tuple[NetworkConfig, ...]:
    """With and without attention, dedicated and fused, and each in its form for the device."""
    attentive = replace(config, name=f"{config.name}-a", attention=True)
    found = [
        replace(one, name=f"{one.name}{suffix}", decoder=decoder, place_clusters=clusters)
        for one in (config, attentive)
        # The authors leave the fused networks at 64 clusters, small or not.
        for suffix, decoder, clusters in (
            ("", "dedicated", config.place_clusters),
            ("-fused", "fused", 64),
        )
    ]
    return tuple(
        replace(one, name=f"{one.name}{suffix}", upsampling=upsampling)
        for one in found
        for suffix, upsampling in (("", "shuffle"), ("-mcu", "transposed"))
    )


# MobileNetV2's table at width 0.35, channels to the nearest multiple of 8 as its authors round.
MOBILENET_V2_035 = (
    (8, 1, 1), (8, 6, 2), (16, 6, 3), (24, 6, 4), (32, 6, 3), (56, 6, 3), (112, 6, 1)
)  # fmt: skip

_NANO = NetworkConfig("nano", detector="corners")

ZOO = {
    config.name: config
    for config in (
        _NANO,
        replace(_NANO, name="nano-gem", head="gem", place_channels=128),
        replace(_NANO, name="nano-netvlad", head="netvlad", place_channels=64, place_clusters=16),
        replace(
            _NANO,
            name="nano-ghostvlad",
            head="ghostvlad",
            place_channels=64,
            place_clusters=16,
            place_ghosts=2,
        ),
        replace(
            _NANO, name="nano-attention", head="attention", place_channels=64, place_clusters=4
        ),
        replace(
            _NANO,
            name="nano-pyramid",
            head="pyramid",
            place_channels=28,
            place_overview=80,
            place_whole_grid=True,
            place_balance=0.15,
        ),
        replace(_NANO, name="nano-affine", norm="affine"),
        replace(_NANO, name="nano-dedicated", decoder="dedicated"),
        replace(_NANO, name="nano-depth", tasks=(*_NANO.tasks, "depth")),
        replace(
            _NANO,
            name="small",
            stem=16,
            stages=((32, 3, 2), (64, 5, 4), (112, 5, 4)),
            decoder_channels=80,
        ),
        # For the smallest chips: places and keypoints alone.
        replace(
            _NANO,
            name="micro",
            height=96,
            width=128,
            stem=8,
            stages=((12, 3, 2), (24, 4, 2), (48, 3, 3)),
            decoder_channels=24,
            descriptor_channels=32,
            head="pyramid",
            place_channels=20,
            place_overview=120,
            place_hidden=96,
            tasks=("keypoints", "places"),
        ),
        NetworkConfig(
            "kp2dtiny-s",
            family="kp2dtiny",
            channels=(16, 32, 32, 64, 64, 32),
            decoder="dedicated",
            descriptor_channels=32,
            tasks=("keypoints",),
        ),
        NetworkConfig(
            "kp2dtiny-nano",
            height=88,
            width=88,
            family="kp2dtiny",
            channels=(4, 8, 16, 16, 16),
            pools=0,
            descriptor_channels=16,
            tasks=("keypoints",),
        ),
        *_variants(_N),
        *_variants(_S),
        replace(
            _S,
            name="nano-vs-slam-s-a-fused-convap",
            attention=True,
            decoder="fused",
            head="convap",
        ),
        NetworkConfig(
            "mobilenetvlad-0.35",
            family="mobilenet_vlad",
            stem=16,
            stages=MOBILENET_V2_035,
            head="netvlad",
            place_channels=112,
            place_clusters=32,
            tasks=("places",),
        ),
    )
}


def network_config(name: str) -> NetworkConfig:
    """The configuration of a zoo name.

    Raises:
        CheckpointError: no network of that name.
    """
    if name not in ZOO:
        raise CheckpointError(f"no network is named {name!r}; choose one of {', '.join(ZOO)}.")
    return ZOO[name]


def build_graph(config: NetworkConfig) -> Graph:
    """The graph that a configuration describes.

    Raises:
        CheckpointError: no family of that name.
    """
    if config.family not in FAMILIES:
        raise CheckpointError(
            f"no family of networks is named {str(config.family)[:40]!r}; choose one of "
            f"{', '.join(FAMILIES)}."
        )
    graph = FAMILIES[config.family].build(config)
    gain = None
    if "places" in config.tasks:
        gain = part_gain(config, prod(graph["place"].shape))
    return replace(
        graph,
        name=config.name,
        keypoint_reach=config.keypoint_reach,
        place_gain=None if gain is None else tuple(gain),
    )
