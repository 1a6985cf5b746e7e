"""Models of one layer with any tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.firmware_bridge.tflite_builder import TfliteBuilder


@dataclass(frozen=True)
class T:
    """A tensor of the layer; `values` make it a constant, `scale` quantises it."""

    shape: Sequence[int]
    dtype: str = "int8"
    scale: Any = None
    zero_point: Any = 0
    values: Any = None
    axis: int = 0
    variable: bool = False


def constant(values: Any, dtype: str = "int32", **more: Any) -> T:
    """A constant of the values' shape."""
    array = np.asarray(values)
    return T(array.shape, dtype, values=array, **more)


def one_layer(
    path: Path,
    code: str,
    inputs: Sequence[T | None],
    outputs: T | Sequence[T],
    options: Any = None,
    version: int = 1,
) -> Path:
    """Write the model; inputs that are no constants are the model's."""
    builder = TfliteBuilder()

    def add(tensor: T) -> int:
        return builder.tensor(
            tensor.shape,
            tensor.dtype,
            tensor.scale,
            tensor.zero_point,
            None if tensor.values is None else np.asarray(tensor.values),
            tensor.axis,
            tensor.variable,
        )

    read = [-1 if tensor is None else add(tensor) for tensor in inputs]
    written = [add(t) for t in ([outputs] if isinstance(outputs, T) else outputs)]
    builder.operator(code, read, written, options, version)
    given = [
        index
        for index, tensor in zip(read, inputs, strict=True)
        if tensor is not None and tensor.values is None and not tensor.variable
    ]
    return builder.save(path, given, written)
