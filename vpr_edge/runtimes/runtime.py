"""What every runtime offers: tensors in, dequantised maps out, and what the artefact declares."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import ModelError
from vpr_edge.preprocessing import Preprocessing

Maps = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Input:
    """One input tensor as the runtime takes it, batch included."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Declaration(NamedTuple):
    """What an artefact says of itself: picture to input, and by output what follows the map."""

    preprocessing: Preprocessing
    transforms: dict[str, Any]


class Runtime(ABC):
    """An artefact, ready to run.

    Any artefact runs on tensors (`feed`, `invoke`); to run on pictures it must declare its
    preprocessing.

    Attributes:
        path: the artefact.
        name: of the runtime.
        inputs: its input tensors.
    """

    path: Path
    name: str
    inputs: tuple[Input, ...]

    @cached_property
    def declaration(self) -> Declaration:
        """What the artefact declares.

        Raises:
            ModelError: it declares nothing, or nothing that can be read.
        """
        return self._declare()

    @property
    def preprocessing(self) -> Preprocessing:
        """Picture to input."""
        return self.declaration.preprocessing

    @property
    def transforms(self) -> dict[str, Any]:
        """By output, what follows dequantisation."""
        return self.declaration.transforms

    def run(self, fitted: NDArray[np.uint8]) -> Maps:
        """Outputs float32 [h, w, C] by name for one picture uint8 [H, W, 3] of the input's size."""
        tensor: NDArray[Any] = fitted
        if self.inputs[0].dtype == np.float32:
            tensor = self.preprocessing.to_float(fitted)
        elif self.inputs[0].dtype == np.int8:
            tensor = self.preprocessing.to_int8(fitted)
        self.feed([tensor[None]])
        self.invoke()
        return self.maps()

    @abstractmethod
    def feed(self, tensors: Sequence[NDArray[Any]]) -> None:
        """Hand over one tensor for each of `inputs`."""

    @abstractmethod
    def invoke(self) -> None:
        """Run the network once on what was fed."""

    @abstractmethod
    def maps(self) -> Maps:
        """The outputs of the last run."""

    @abstractmethod
    def _declare(self) -> Declaration: ...


def read_declaration(path: Path, metadata: Mapping[str, Any]) -> Declaration:
    """What the metadata `vpr_edge` of an ONNX or TFLite file declares.

    Raises:
        ModelError: something is missing.
    """
    try:
        transforms = {name: spec.get("transform", {}) for name, spec in metadata["outputs"].items()}
        return Declaration(Preprocessing(**metadata["preprocessing"]), transforms)
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{path} does not declare its preprocessing (metadata `vpr_edge`); export it with "
            "vpr-edge to run it on pictures."
        ) from error


def affine_of(scale: NDArray[Any], zero_point: NDArray[Any]) -> tuple[float, int]:
    """The only scale and zero point of a tensor; (0, 0) where it is not quantised."""
    return (float(scale[0]), int(zero_point[0])) if scale.size else (0.0, 0)


def dequantized(value: NDArray[Any], scale: float, zero_point: int) -> NDArray[np.float32]:
    """The real values that stored integers stand for; float values (scale 0) as they are."""
    if not scale:
        return value.astype(np.float32)
    return (value.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
