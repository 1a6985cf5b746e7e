"""Convolutional self-attention (SAGAN, arXiv 1805.08318) from operations of int8 TFLite."""

from vpr_edge.models.graph import GraphBuilder, Node


def self_attention(g: GraphBuilder, name: str, x: Node, reduction: int = 8) -> Node:
    """x plus what each of its pixels gathers from all others.

    Queries and keys are 1x1 convolutions to a fraction of the channels, values one to all of them;
    SAGAN's learned gain of the sum is part of the values' weights.

    Args:
        g: gets the nodes.
        name: of the result, and of the others' beginning.
        x: a map; the matrix of attention has its pixels squared.
        reduction: channels of x for each of the queries and keys.
    """
    channels = max(1, x.shape[0] // reduction)
    query, key, value = (
        g.flatten(
            f"{name}_{part}_row",
            g.conv(f"{name}_{part}", x, size, activation="none", batch_norm=False),
        )
        for part, size in (("query", channels), ("key", channels), ("value", x.shape[0]))
    )
    scores = g.matmul(f"{name}_scores", query, key, (False, True))
    gathered = g.matmul(f"{name}_gathered", g.softmax(f"{name}_shares", scores), value)
    return g.add(name, x, g.reshape(f"{name}_map", gathered, x.shape))
