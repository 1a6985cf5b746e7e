"""The named networks: small frozen configurations, and the graph each one describes."""

from dataclasses import dataclass, replace

from vpr_edge.errors import CheckpointError
from vpr_edge.models.graph import Graph, GraphBuilder, Node

TASKS = {
    "keypoints": ("score", "location", "descriptor"),
    "segmentation": ("segmentation",),
    "places": ("place",),
}
SEGMENTATION_CLASSES = 11


@dataclass(frozen=True)
class NetworkConfig:
    """A multi-task network on one inverted-residual backbone (MobileNetV2, arXiv 1801.04381).

    Attributes:
        name: the zoo's name.
        height, width: input size, pixels; multiples of 8.
        stem: channels after the first convolution (stride 2).
        stages: (channels, expansion, blocks) of the stages at strides 4, 8 and 16.
        decoder_channels: width of the decoders at stride 8.
        decoder: "fused": keypoints and segmentation share one trunk; "dedicated": a trunk each.
        descriptor_channels: length of a keypoint's descriptor.
        head: "convap" (1x1 convolution, average pooling to a grid; arXiv 2210.10239) or "gem"
            (generalised mean, p = 3; arXiv 1711.02512).
        place_channels: channels of the place descriptor, for each cell of the grid.
        place_window: rows and columns at stride 16 that one ConvAP cell averages.
        tasks: which decoders are there, of "keypoints", "segmentation", "places".
    """

    name: str
    height: int = 120
    width: int = 160
    stem: int = 16
    stages: tuple[tuple[int, int, int], ...] = ((24, 3, 2), (48, 4, 4), (80, 4, 3))
    decoder_channels: int = 48
    decoder: str = "fused"
    descriptor_channels: int = 64
    head: str = "convap"
    place_channels: int = 32
    place_window: tuple[int, int] = (2, 2)
    tasks: tuple[str, ...] = ("keypoints", "segmentation", "places")


ZOO = {
    config.name: config
    for config in (
        NetworkConfig("nano"),
        NetworkConfig("nano-gem", head="gem", place_channels=128),
        NetworkConfig("nano-dedicated", decoder="dedicated"),
        NetworkConfig(
            "small",
            stem=16,
            stages=((32, 3, 2), (64, 5, 4), (112, 5, 4)),
            decoder_channels=80,
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


def resized(config: NetworkConfig, height: int, width: int) -> NetworkConfig:
    """The same network (and weights) for images of another size."""
    return replace(config, height=height, width=width)


def output_names(config: NetworkConfig) -> tuple[str, ...]:
    """The outputs of the configured tasks, in the order of `TASKS`."""
    return tuple(name for task in TASKS if task in config.tasks for name in TASKS[task])


def build_graph(config: NetworkConfig) -> Graph:
    """The graph that a configuration describes."""
    g = GraphBuilder(config.height, config.width)
    x = g.conv("stem", g.image, config.stem, kernel=3, stride=2)
    levels = []
    for level, (channels, expansion, blocks) in enumerate(config.stages):
        for block in range(blocks):
            name = f"stage{level + 1}_block{block + 1}"
            # The very first block does not expand: at half resolution that tensor would be the
            # largest of the network by far.
            factor = 1 if (level, block) == (0, 0) else expansion
            x = _inverted_residual(g, name, x, channels, factor, 2 if block == 0 else 1)
        levels.append(x)
    fine, coarse = levels[-2], levels[-1]
    if "places" in config.tasks:
        _place_head(g, config, coarse)
    if {"keypoints", "segmentation"} & set(config.tasks):
        context = g.conv("context", coarse, config.decoder_channels)
        context = g.resize_nearest("context_up", context, fine.shape[1:])
        detail = g.conv("detail", fine, config.decoder_channels)
        features = g.concat("features", detail, context)
        if config.decoder == "fused":
            features = _separable(g, "trunk", features, 2 * config.decoder_channels)
        if "keypoints" in config.tasks:
            _keypoint_decoder(g, config, features)
        if "segmentation" in config.tasks:
            _segmentation_decoder(g, config, features)
    return g.finish(output_names(config))


def _inverted_residual(
    g: GraphBuilder, name: str, x: Node, channels: int, expansion: int, stride: int
) -> Node:
    wide = g.conv(f"{name}_expand", x, x.shape[0] * expansion) if expansion > 1 else x
    wide = g.depthwise(f"{name}_depthwise", wide, stride=stride)
    narrow = g.conv(f"{name}_project", wide, channels, activation="none")
    if stride == 1 and x.shape == narrow.shape:
        return g.add(f"{name}_add", x, narrow)
    return narrow


def _separable(g: GraphBuilder, name: str, x: Node, channels: int) -> Node:
    x = g.depthwise(f"{name}_depthwise", x)
    return g.conv(f"{name}_pointwise", x, channels)


def _place_head(g: GraphBuilder, config: NetworkConfig, coarse: Node) -> None:
    coarse = _separable(g, "place_mix", coarse, 2 * coarse.shape[0])
    if config.head == "convap":
        x = g.conv(
            "place_project", coarse, config.place_channels, activation="none", batch_norm=False
        )
        g.pool("place", x, config.place_window)
    else:
        # The cube as two products: TFLite Micro has no POW, and the root of the pooled vector is
        # taken after dequantisation (the declared transform of the output).
        x = g.conv("place_project", coarse, config.place_channels, batch_norm=False)
        cube = g.mul("place_cube", g.mul("place_square", x, x), x)
        g.mean("place", cube)


def _keypoint_decoder(g: GraphBuilder, config: NetworkConfig, features: Node) -> None:
    channels = config.decoder_channels
    where = _separable(g, "keypoint", features, channels)
    g.conv("score", where, 1, activation="none", batch_norm=False)
    g.conv("location", where, 2, activation="none", batch_norm=False)
    what = _separable(g, "describe", features, config.descriptor_channels)
    g.conv("descriptor", what, config.descriptor_channels, activation="none", batch_norm=False)


def _segmentation_decoder(g: GraphBuilder, config: NetworkConfig, features: Node) -> None:
    x = _separable(g, "segment", features, 2 * config.decoder_channels)
    logits = g.conv(
        "segment_logits", x, 4 * SEGMENTATION_CLASSES, activation="none", batch_norm=False
    )
    g.depth_to_space("segmentation", logits)
