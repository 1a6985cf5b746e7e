"""The quantised network in numbers: what is flashed, and nothing else. Needs no torch.

The arithmetic is that of the TFLite int8 specification
(https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec):
activations int8 per tensor, real = scale * (q - zero_point); weights int8 per output channel with
zero point 0 in [-127, 127]; bias int32 at scale s_in * s_w.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpr_edge.arithmetic.affine import Affine
from vpr_edge.errors import CheckpointError
from vpr_edge.models.checkpoint import Checkpoint
from vpr_edge.models.config import NetworkConfig
from vpr_edge.models.graph import Graph, Node
from vpr_edge.preprocessing import Preprocessing

PLACE_GAIN = "place.gain"


@dataclass(frozen=True)
class Int8Layer:
    """A convolution, or learned constants.

    Attributes:
        weight: int8 [O, I, kh, kw] or [1, C, rows, columns].
        weight_scale: float32 [O] or [1].
        bias: int32 [O], or empty for constants.
    """

    weight: NDArray[np.int8]
    weight_scale: NDArray[np.float32]
    bias: NDArray[np.int32]


@dataclass(frozen=True)
class Int8Model:
    """A quantised network.

    Attributes:
        graph: the network.
        activations: parameters of every node's output tensor.
        layers: convolutions and learned constants by node name.
        preprocessing: image to input.
        provenance: JSON-ready record of where the numbers come from.
        place_gain: float32 [C], factors of the place vector's channels after the root, or None
            (see `quantize.gem`).
        config: the zoo's configuration that it was made from, or None.
    """

    graph: Graph
    activations: dict[str, Affine]
    layers: dict[str, Int8Layer]
    preprocessing: Preprocessing
    provenance: dict[str, Any] = field(default_factory=dict)
    place_gain: NDArray[np.float32] | None = None
    config: NetworkConfig | None = None

    def bias_scale(self, node: Node) -> NDArray[np.float32]:
        """Scale of a convolution's bias, float32 [O]: s_in * s_w."""
        return self.activations[node.inputs[0]].scale * self.layers[node.name].weight_scale

    def to_checkpoint(self) -> Checkpoint:
        """The model as a checkpoint of kind "int8"."""
        tensors: dict[str, NDArray[Any]] = {}
        for name, affine in self.activations.items():
            tensors[f"{name}.scale"] = np.asarray(affine.scale, np.float32)
            tensors[f"{name}.zero_point"] = np.asarray(affine.zero_point, np.int8)
        for name, layer in self.layers.items():
            tensors[f"{name}.weight"] = layer.weight
            tensors[f"{name}.weight_scale"] = layer.weight_scale
            tensors[f"{name}.bias"] = layer.bias
        if self.place_gain is not None:
            tensors[PLACE_GAIN] = self.place_gain
        return Checkpoint(
            "int8", self.config, tensors, self.preprocessing, self.provenance, self.graph
        )

    @staticmethod
    def from_checkpoint(checkpoint: Checkpoint) -> "Int8Model":
        """The model in a checkpoint of kind "int8".

        Raises:
            CheckpointError: the checkpoint is of another kind or lacks a tensor.
        """
        if checkpoint.kind != "int8":
            raise CheckpointError(
                f"this checkpoint is of kind {checkpoint.kind!r}, not int8; run `vpr-edge "
                "quantize` on it first."
            )
        t = checkpoint.tensors
        try:
            activations = {
                node.name: Affine(
                    np.float32(t[f"{node.name}.scale"]), int(t[f"{node.name}.zero_point"])
                )
                for node in checkpoint.graph.nodes
            }
            layers = {
                node.name: Int8Layer(
                    t[f"{node.name}.weight"],
                    t[f"{node.name}.weight_scale"],
                    t[f"{node.name}.bias"],
                )
                for node in checkpoint.graph.weighted()
            }
        except KeyError as error:
            raise CheckpointError(
                f"the int8 checkpoint lacks the tensor {error}; quantise it again."
            ) from error
        return Int8Model(
            checkpoint.graph,
            activations,
            layers,
            checkpoint.preprocessing,
            checkpoint.provenance,
            t.get(PLACE_GAIN),
            checkpoint.config,
        )
