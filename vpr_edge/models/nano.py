"""Our own family: inverted residuals (MobileNetV2, arXiv 1801.04381) and separable decoders."""

from vpr_edge.models.attention import self_attention
from vpr_edge.models.config import NetworkConfig, output_names
from vpr_edge.models.graph import Graph, GraphBuilder, Node
from vpr_edge.models.heads import Features, place_head

CELL = 8
"""Pixels from keypoint to keypoint."""


def build_nano(config: NetworkConfig) -> Graph:
    """The graph of a configuration of family "nano"."""
    g = GraphBuilder(config.height, config.width, norm=config.norm)
    stem = x = g.conv("stem", g.image, config.stem, kernel=3, stride=2)
    levels = []
    for level, (channels, expansion, blocks) in enumerate(config.stages):
        for block in range(blocks):
            name = f"stage{level + 1}_block{block + 1}"
            # The very first block does not expand: at half resolution that tensor would be the
            # largest of the network by far.
            factor = 1 if (level, block) == (0, 0) else expansion
            x = inverted_residual(g, name, x, channels, factor, 2 if block == 0 else 1)
        levels.append(x)
    fine, coarse = levels[-2], levels[-1]
    guide = None
    if {"keypoints", "segmentation", "depth"} & set(config.tasks):
        context = g.conv("context", coarse, config.decoder_channels)
        context = g.resize_nearest("context_up", context, fine.shape[1:])
        detail = g.conv("detail", fine, config.decoder_channels)
        features = g.concat("features", detail, context)
        if config.decoder == "fused":
            features = _separable(g, "trunk", features, 2 * config.decoder_channels)
        if "keypoints" in config.tasks:
            _keypoint_decoder(g, config, features, stem)
        if "segmentation" in config.tasks:
            guide = _segmentation_decoder(g, config, features)
        if "depth" in config.tasks:
            _depth_decoder(g, config, features)
    if "places" in config.tasks:
        mixed = _separable(g, "place_mix", coarse, 2 * coarse.shape[0])
        place_head(g, config, Features(mixed, fine, guide))
    return g.finish(output_names(config))


def inverted_residual(
    g: GraphBuilder,
    name: str,
    x: Node,
    channels: int,
    expansion: int,
    stride: int,
    activation: str = "relu",
) -> Node:
    """MobileNetV2's block: expand, filter each channel, project; added to x where shapes allow."""
    wide = x
    if expansion > 1:
        wide = g.conv(f"{name}_expand", x, x.shape[0] * expansion, activation=activation)
    wide = g.depthwise(f"{name}_depthwise", wide, stride=stride, activation=activation)
    narrow = g.conv(f"{name}_project", wide, channels, activation="none")
    if stride == 1 and x.shape == narrow.shape:
        return g.add(f"{name}_add", x, narrow)
    return narrow


def _separable(g: GraphBuilder, name: str, x: Node, channels: int) -> Node:
    x = g.depthwise(f"{name}_depthwise", x)
    return g.conv(f"{name}_pointwise", x, channels)


def _keypoint_decoder(g: GraphBuilder, config: NetworkConfig, features: Node, stem: Node) -> None:
    if config.detector == "corners":
        score, location = _corners(g, stem)
    else:
        score = location = _separable(g, "keypoint", features, config.decoder_channels)
    g.conv("score", score, 1, activation="none", batch_norm=False)
    g.conv("location", location, 2, activation="none", batch_norm=False)
    what = _separable(g, "describe", features, config.descriptor_channels)
    g.conv("descriptor", what, config.descriptor_channels, activation="none", batch_norm=False)


def _corners(g: GraphBuilder, stem: Node) -> tuple[Node, Node]:
    """The peak of every cell's corner map, and which pixel it is as probabilities.

    What tells one pixel from the next is gone from deep features; the first layer still has it (as
    XFeat's keypoint head, arXiv 2404.19174, which reads the picture itself). A convolution over the
    probabilities gives the pixel's coordinates.
    """
    x = g.depthwise("corner_depthwise", stem)
    phases = g.conv("corner_phases", x, 4, kernel=3, activation="none", batch_norm=False)
    corners = g.depth_to_space("corner_map", phases)
    peak = g.pool("corner_peak", corners, (CELL, CELL), "max")
    cells = g.space_to_depth("corner_cells", corners, CELL)
    return peak, g.softmax("corner_pixel", cells)


def _segmentation_decoder(g: GraphBuilder, config: NetworkConfig, features: Node) -> Node:
    x = _separable(g, "segment", features, 2 * config.decoder_channels)
    if config.attention:
        x = self_attention(g, "segment_attend", x)
    logits = g.conv("segment_logits", x, 4 * config.classes, activation="none", batch_norm=False)
    g.depth_to_space("segmentation", logits)
    return x


def _depth_decoder(g: GraphBuilder, config: NetworkConfig, features: Node) -> None:
    """The output "depth": the logarithm of metres, one channel at a quarter of the picture."""
    x = _separable(g, "range", features, config.decoder_channels)
    logarithms = g.conv("range_logarithms", x, 4, activation="none", batch_norm=False)
    g.depth_to_space("depth", logarithms)
