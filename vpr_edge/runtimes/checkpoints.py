"""Checkpoints as runtimes: float in torch, int8 as TFLM computes it or as QAT does. Needs torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vpr_edge.export.onnx import output_transforms
from vpr_edge.models.checkpoint import Checkpoint, load_checkpoint
from vpr_edge.models.network import Network
from vpr_edge.quantize.integer import IntegerNetwork
from vpr_edge.quantize.model import Int8Model
from vpr_edge.quantize.passes import RoundedNetwork
from vpr_edge.runtimes.runtime import Declaration, Input, Maps, Runtime, dequantized


class TorchNetwork(Runtime):
    """A float checkpoint in torch, BatchNorm in inference mode."""

    name = "torch"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = load_checkpoint(path)
        self.network = Network.from_checkpoint(self.checkpoint)
        self.inputs = (_input(self.checkpoint, "float32"),)

    def feed(self, tensors: Sequence[NDArray[Any]]) -> None:
        """See `Runtime.feed`."""
        self.fed = torch.from_numpy(tensors[0])

    def invoke(self) -> None:
        """See `Runtime.invoke`."""
        with torch.inference_mode():
            self.values = self.network(self.fed)

    def maps(self) -> Maps:
        """See `Runtime.maps`."""
        return {name: value[0].permute(1, 2, 0).numpy() for name, value in self.values.items()}

    def _declare(self) -> Declaration:
        return _of_checkpoint(self.checkpoint)


class Int8Checkpoint(Runtime):
    """An int8 checkpoint: as TFLM computes it, or as QAT's forward pass does."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.checkpoint = load_checkpoint(path)
        self.model = Int8Model.from_checkpoint(self.checkpoint)
        self.network = (IntegerNetwork if name == "integer" else RoundedNetwork)(self.model)
        picture = self.checkpoint.preprocessing.channels != "values"
        self.inputs = (_input(self.checkpoint, "uint8" if picture else "int8"),)

    def feed(self, tensors: Sequence[NDArray[Any]]) -> None:
        """See `Runtime.feed`."""
        self.fed = tensors[0]

    def invoke(self) -> None:
        """See `Runtime.invoke`."""
        run = self.network.run if self.fed.dtype == np.uint8 else self.network.run_stored
        self.values = run(self.fed)

    def maps(self) -> Maps:
        """See `Runtime.maps`."""
        affines = self.model.activations
        return {
            name: dequantized(value[0], float(affines[name].scale), affines[name].zero_point)
            for name, value in self.values.items()
        }

    def _declare(self) -> Declaration:
        return _of_checkpoint(self.checkpoint, self.model.place_gain)


def _input(checkpoint: Checkpoint, dtype: str) -> Input:
    channels, height, width = checkpoint.graph.input.shape
    real = dtype == "float32"
    shape = (1, channels, height, width) if real else (1, height, width, channels)
    return Input(shape, np.dtype(dtype))


def _of_checkpoint(
    checkpoint: Checkpoint, place_gain: NDArray[np.float32] | None = None
) -> Declaration:
    specifications = output_transforms(checkpoint.graph, place_gain).items()
    transforms = {
        name: specification.get("transform", {}) for name, specification in specifications
    }
    return Declaration(checkpoint.preprocessing, transforms)
