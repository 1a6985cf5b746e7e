"""Efficient self-attention with its feed-forward layer (SegFormer, arXiv 2105.15203) for int8.

Queries are taken everywhere, keys and values from a grid twice as coarse, each by heads of their
own, so that no tensor needs splitting. LayerNorm over channels, (x - mean) / deviation, is an exact
product of what int8 TFLite has: the mean leaves by a 1x1 convolution, and division by the
deviation is, up to the square root of the channels, bringing each pixel's vector to length 1. Its
gain and shift are part of the convolution that follows. GELU is ReLU here.
"""

from vpr_edge.models.graph import GraphBuilder, Node

REDUCTION = 2
"""Keys and values stand for blocks of so many pixels a side."""
EXPANSION = 2
"""Channels of the feed-forward layer for each of the input's."""


def efficient_attention(g: GraphBuilder, name: str, x: Node, heads: int) -> Node:
    """Each pixel a mixture of all blocks' values; no skip connection, as Nano-VS-SLAM has it.

    Args:
        g: gets the nodes.
        name: of the result, and of the others' beginning.
        x: a map whose channels the heads divide; the matrix of each head has its pixels times a
            quarter of them.
        heads: how many mixtures are made, each of its share of the channels.
    """
    channels = x.shape[0]
    x = g.l2_normalize(f"{name}_unit1", _linear(g, f"{name}_centre1", x, channels))
    # Blocks at an odd edge are left out.
    rows, columns = (size - size % REDUCTION for size in x.shape[1:])
    whole = (channels, rows, columns)
    blocks = x if x.shape == whole else g.crop(f"{name}_whole", x, whole)
    mixed = [_head(g, f"{name}_head{number}", x, blocks, channels // heads)
             for number in range(1, heads + 1)]  # fmt: skip
    y = g.reshape(f"{name}_map", g.concat(f"{name}_heads", *mixed), x.shape)
    # The mean leaves with this projection, which has no activation after it.
    y = g.l2_normalize(f"{name}_unit2", _linear(g, f"{name}_project", y, channels))
    y = _linear(g, f"{name}_widen", y, EXPANSION * channels)
    y = g.depthwise(f"{name}_filter", y, activation="none")
    y = g.conv(f"{name}_mix", y, EXPANSION * channels, batch_norm=False)
    return _linear(g, name, y, channels)


def _head(g: GraphBuilder, name: str, x: Node, blocks: Node, channels: int) -> Node:
    query = _linear(g, f"{name}_query", x, channels)
    key, value = (
        g.flatten(
            f"{name}_{part}_row",
            g.conv(f"{name}_{part}", blocks, channels, REDUCTION, REDUCTION, "none", False),
        )
        for part in ("key", "value")
    )
    row = g.flatten(f"{name}_query_row", query)
    shares = g.softmax(f"{name}_shares", g.matmul(f"{name}_scores", row, key, (False, True)))
    return g.matmul(name, shares, value)


def _linear(g: GraphBuilder, name: str, x: Node, channels: int) -> Node:
    return g.conv(name, x, channels, activation="none", batch_norm=False)
