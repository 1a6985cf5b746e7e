"""Nano-VS-SLAM: KP2Dtiny's backbone with segmentation and place recognition beside keypoints.

Dedicated decoders (the authors' V2) have a trunk for each task; fused ones (V3) take score and
location from one layer, and segmentation and descriptor from one decoder whose last map is halved
between them.
"""

from dataclasses import replace

from vpr_edge.models.config import NetworkConfig, output_names
from vpr_edge.models.efficient_attention import efficient_attention
from vpr_edge.models.graph import Graph, GraphBuilder, Node
from vpr_edge.models.heads import Features, place_head
from vpr_edge.models.kp2dtiny import backbone, conv3, linear3, place_keypoints, upsample

CONVAP_GRID = 4
"""Cells a side of the ConvAP descriptor."""
ATTENTION_HEADS = 4


def build_nano_vs_slam(config: NetworkConfig) -> Graph:
    """The graph of a configuration of family "nano_vs_slam"."""
    g = GraphBuilder(config.height, config.width, norm=config.norm)
    coarse, fine = backbone(g, config)
    if "keypoints" in config.tasks:
        place_keypoints(g, coarse, config)
    if config.decoder == "fused":
        _fused_decoder(g, config, coarse, fine)
    else:
        _dedicated_decoders(g, config, coarse, fine)
    if "places" in config.tasks:
        x = coarse
        for number in (1, 2, 3):
            x = conv3(g, f"place{number}", x, config.channels[3])
        cell = (max(1, x.shape[1] // CONVAP_GRID), max(1, x.shape[2] // CONVAP_GRID))
        place_head(g, replace(config, place_window=cell), Features(x))
    return g.finish(output_names(config))


def _fused_decoder(g: GraphBuilder, config: NetworkConfig, coarse: Node, fine: Node) -> None:
    """One decoder for all dense outputs.

    Theirs ends in one layer whose channels the outputs share out, ours in a layer for each.
    """
    parts = {
        "keypoints": ("describe", "descriptor", config.descriptor_channels),
        "segmentation": ("segment", "segmentation", config.classes),
        "depth": ("range", "depth", 1),
    }
    wanted = [part for task, part in parts.items() if task in config.tasks]
    if wanted:
        features = _dense_features(g, config, coarse, fine, "segment")
        for hidden, output, channels in wanted:
            linear3(g, output, conv3(g, hidden, features, config.channels[4] // 2), channels)


def _dedicated_decoders(g: GraphBuilder, config: NetworkConfig, coarse: Node, fine: Node) -> None:
    if "keypoints" in config.tasks:
        x = conv3(g, "describe1", coarse, config.channels[3])
        x = upsample(g, "describe_up", linear3(g, "describe2", x, 4 * config.channels[2]), config)
        x = conv3(g, "describe3", g.concat("describe_join", x, fine), config.channels[3])
        linear3(g, "descriptor", x, config.descriptor_channels)
    for task, name, channels in (
        ("segmentation", "segment", config.classes),
        ("depth", "range", 1),
    ):
        if task in config.tasks:
            features = _dense_features(g, config, coarse, fine, name)
            linear3(g, task, conv3(g, name, features, config.channels[4]), channels)


def _dense_features(
    g: GraphBuilder, config: NetworkConfig, coarse: Node, fine: Node, name: str
) -> Node:
    """A small U: one halving below the coarse map, then up to the fine one."""
    width, wide = config.channels[4:6]
    x = conv3(g, f"{name}1", coarse, width)
    if config.attention:
        x = efficient_attention(g, f"{name}_attend1", x, ATTENTION_HEADS)
        x = g.pool(f"{name}_pool", x, (2, 2), "max")
        x = efficient_attention(g, f"{name}_attend2", x, ATTENTION_HEADS)
    else:
        x = g.pool(f"{name}_pool", conv3(g, f"{name}2", x, width), (2, 2), "max")
        x = conv3(g, f"{name}4", conv3(g, f"{name}3", x, width), width)
    x = upsample(g, f"{name}_up1", conv3(g, f"{name}5", x, wide), config)
    x = conv3(g, f"{name}6", g.concat(f"{name}_join1", x, coarse), width)
    x = upsample(g, f"{name}_up2", conv3(g, f"{name}7", x, wide), config)
    return g.concat(f"{name}_join2", x, fine)
