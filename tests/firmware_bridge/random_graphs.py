"""Random small int8 models over all operators: branches that part and join, views, float islands.

Every seed is a model that TFLM runs without undefined behaviour, so that a difference is a fault.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.firmware_bridge import random_further_layers as further
from tests.firmware_bridge import random_moving_layers as moving
from tests.firmware_bridge import random_pointwise_layers as pointwise
from tests.firmware_bridge import random_weighted_layers as weighted
from tests.firmware_bridge.graph_writer import GraphWriter, Shape, Value

MOST_LAYERS = 14
# Each with how often it is tried beside the others.
LAYERS: dict[Callable[[GraphWriter, Value], bool], int] = {
    weighted.convolution: 12,
    weighted.depthwise: 9,
    weighted.padded: 4,
    weighted.activated: 4,
    weighted.row: 6,
    weighted.transpose_convolution: 2,
    weighted.fully_connected: 3,
    weighted.pool: 4,
    weighted.batch_matmul: 2,
    weighted.lstm: 1,
    moving.reshape: 4,
    moving.squeeze: 1,
    moving.expand_dims: 1,
    moving.transpose: 2,
    moving.concatenate: 5,
    moving.pack: 1,
    moving.split: 3,
    moving.cut: 2,
    moving.strided_cut: 2,
    moving.pad: 5,
    moving.gather: 1,
    moving.blocks: 3,
    moving.resize: 3,
    pointwise.binary: 8,
    pointwise.activation: 6,
    pointwise.sigmoid: 1,
    pointwise.prelu: 1,
    pointwise.function: 2,
    pointwise.softmax: 1,
    pointwise.normalize: 1,
    pointwise.reduction: 2,
    pointwise.convert: 4,
}

# Seeds from here on draw from these as well; those below are the graphs that they ever were.
FURTHER_SEEDS = 1_000_000
FURTHER: dict[Callable[[GraphWriter, Value], bool], int] = {
    further.convolution: 14,
    further.depthwise: 8,
    further.fully_connected: 6,
    further.weights_of_run_time: 2,
    further.pool: 4,
    further.binary: 5,
    further.activation: 5,
    further.matrices: 2,
    further.reduction: 3,
    further.select: 3,
    further.difference: 2,
    further.extreme: 2,
    further.argument: 1,
    further.cast: 1,
    further.sums: 2,
    further.spread: 4,
    further.gather_nd: 1,
    further.batches: 3,
    further.filter_over_time: 1,
    further.stream: 2,
    further.widen: 5,
}


@dataclass(frozen=True)
class RandomGraph:
    """A model.

    Attributes:
        path: of the file.
        ulps: by output in how many last places it may differ from TFLM's.
    """

    path: Path
    ulps: tuple[int, ...]


def random_graph(seed: int, folder: Path) -> RandomGraph:
    """Write the model that belongs to a seed."""
    writer = GraphWriter(np.random.default_rng(seed))
    is_further = seed >= FURTHER_SEEDS
    for index in range(writer.choice((1, 1, 2, 3))):
        shape: Shape = (1, writer.integer(2, 12), writer.integer(2, 12), writer.integer(1, 12))
        if index and writer.chance(0.3):
            shape = shape[writer.integer(0, 3) :]
        if is_further:
            shape = (writer.choice((1, 1, 2, 3)), *shape[1:])
            writer.given(shape, writer.choice(("int8", "int8", "int16", "float32")))
            continue
        dtype = writer.choice(("int8",) * 6 + ("float32", "int16", "uint8")) if index else "int8"
        writer.given(shape, dtype)
    inputs = list(writer.values)
    if writer.chance(0.1):
        writer.values.append(writer.constant(inputs[0]))
    chosen = LAYERS | FURTHER if is_further else LAYERS
    layers, weights = list(chosen), np.array(list(chosen.values()))
    wanted = writer.integer(1, MOST_LAYERS)
    while len(writer.builder.operators) < wanted:
        # Mostly chains; an older tensor begins a branch or joins one.
        older = writer.chance(0.35)
        source = writer.choice(writer.values) if older else writer.values[-1]
        layers[writer.rng.choice(len(layers), p=weights / weights.sum())](writer, source)
    outputs = _outputs(writer)
    path = writer.builder.save(
        folder / f"{seed}.tflite",
        [value.index for value in inputs],
        [value.index for value in outputs],
    )
    return RandomGraph(path, tuple(value.ulps for value in outputs))


def _outputs(writer: GraphWriter) -> list[Value]:
    """Most of what nobody reads, and a little of what somebody reads."""
    found = [
        value
        for value in writer.computed
        if writer.chance(0.1 if value.index in writer.read else 0.85)
    ]
    return found or [writer.computed[-1]]
