"""KP2Dtiny (AICAS 2023, doi 10.1109/AICAS57966.2023.10168598): KP2D's keypoint network, narrowed.

Four blocks of two 3x3 convolutions with max pooling between them; score and location come from the
coarse map, the descriptor from the map before the last pooling, twice as fine. The smallest has two
blocks and no pooling: every pixel may be a keypoint. LeakyReLU is ReLU here, as in the authors' own
int8 networks.
"""

from vpr_edge.models.config import NetworkConfig, output_names
from vpr_edge.models.graph import Graph, GraphBuilder, Node


def build_kp2dtiny(config: NetworkConfig) -> Graph:
    """The graph of a configuration of family "kp2dtiny"; keypoints are its only task."""
    g = GraphBuilder(config.height, config.width, norm=config.norm)
    if not config.pools:
        return _build_unpooled(g, config)
    coarse, fine = backbone(g, config)
    place_keypoints(g, coarse, config)
    wide = 4 * config.channels[5]
    x = conv3(g, "describe1", coarse, config.channels[3])
    x = upsample(g, "describe_up", conv3(g, "describe2", x, wide), config)
    x = conv3(g, "describe3", g.concat("describe_join", x, fine), config.channels[4])
    linear3(g, "descriptor", x, config.descriptor_channels)
    return g.finish(output_names(config))


def _build_unpooled(g: GraphBuilder, config: NetworkConfig) -> Graph:
    x = g.image
    for number, width in enumerate(config.channels[:4]):
        x = conv3(g, f"conv{number // 2 + 1}{'ab'[number % 2]}", x, width)
    place_keypoints(g, x, config)
    x = conv3(g, "describe2", conv3(g, "describe1", x, config.channels[4]), config.channels[4])
    linear3(g, "descriptor", x, config.descriptor_channels)
    return g.finish(output_names(config))


def conv3(g: GraphBuilder, name: str, x: Node, channels: int) -> Node:
    """A 3x3 convolution with BatchNorm and ReLU."""
    return g.conv(name, x, channels, kernel=3)


def linear3(g: GraphBuilder, name: str, x: Node, channels: int) -> Node:
    """A 3x3 convolution with a bias and nothing after it."""
    return g.conv(name, x, channels, kernel=3, activation="none", batch_norm=False)


def backbone(g: GraphBuilder, config: NetworkConfig) -> tuple[Node, Node]:
    """The shared convolutions.

    Returns:
        The coarse map (1 / 2**pools of the picture) and the one before the last pooling.
    """
    c1, c2, c3, c4 = config.channels[:4]
    # Fewer poolings leave out the first ones: the last halving makes the descriptor's finer map.
    pooled = (config.pools >= 2, config.pools >= 3, config.pools >= 1)
    x = g.image
    for number, (first, second) in enumerate(((c1, c2), (c2, c3), (c3, c4)), start=1):
        x = conv3(g, f"conv{number}a", x, first)
        fine = x = conv3(g, f"conv{number}b", x, second)
        if pooled[number - 1]:
            x = g.pool(f"pool{number}", x, (2, 2), "max")
    return conv3(g, "conv4b", conv3(g, "conv4a", x, c4), c4), fine


def place_keypoints(g: GraphBuilder, coarse: Node, config: NetworkConfig) -> None:
    """The outputs "score" and "location": from one hidden layer ("fused") or one each."""
    width = config.channels[3]
    if config.decoder == "fused":
        score = location = conv3(g, "keypoint", coarse, width)
    else:
        score = conv3(g, "keypoint_score", coarse, width)
        location = conv3(g, "keypoint_location", coarse, width)
    linear3(g, "score", score, 1)
    linear3(g, "location", location, 2)


def upsample(g: GraphBuilder, name: str, x: Node, config: NetworkConfig) -> Node:
    """Twice the rows and columns, a quarter of the channels.

    A transposed 3x3 convolution of stride 2 is four convolutions, one for each place of an output
    pixel in its 2x2 block, none of which reaches further than 2x2 inputs: one 2x2 convolution, and
    depth to space.
    """
    if config.upsampling == "transposed":
        x = g.conv(f"{name}_phases", x, x.shape[0], kernel=2)
    return g.depth_to_space(name, x)
