"""MobileNetVLAD (CoRL 2018, arXiv 1809.01019): a narrow MobileNetV2 under NetVLAD; places only.

The trunk is MobileNetV2 (arXiv 1801.04381) at width 0.35 up to its last bottleneck, at stride 32.
The authors end with a dense layer of 14.7 million weights that brings the 3,584 values of the VLAD
vector to the 4,096 of their teacher; here `place_projection` may bring it to fewer.
"""

from vpr_edge.models.config import NetworkConfig, output_names
from vpr_edge.models.graph import Graph, GraphBuilder
from vpr_edge.models.heads import Features, place_head
from vpr_edge.models.nano import inverted_residual

STRIDES = (1, 2, 2, 2, 1, 2, 1)
"""Of the first block of each stage (arXiv 1801.04381, table 2)."""


def build_mobilenet_vlad(config: NetworkConfig) -> Graph:
    """The graph of a configuration of family "mobilenet_vlad"."""
    g = GraphBuilder(config.height, config.width, norm=config.norm)
    x = g.conv("stem", g.image, config.stem, kernel=3, stride=2, activation="relu6")
    for stage, (channels, expansion, blocks) in enumerate(config.stages):
        for block in range(blocks):
            name = f"stage{stage + 1}_block{block + 1}"
            stride = STRIDES[stage] if block == 0 else 1
            x = inverted_residual(g, name, x, channels, expansion, stride, "relu6")
    place_head(g, config, Features(x))
    return g.finish(output_names(config))
