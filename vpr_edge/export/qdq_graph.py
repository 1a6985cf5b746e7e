"""A quantised network as plain data: int8 tensors and the operations between them, in NCHW order.

This is what the QDQ ONNX says once the QuantizeLinear/DequantizeLinear pairs are folded into the
tensors they describe. It stands between the reader (`qdq_import`) and the writers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import ModelError


@dataclass(frozen=True, eq=False)
class Tensor:
    """An int8 activation; `real = scale (integer - zero_point)`.

    Attributes:
        name: unique among activations.
        shape: in ONNX order, (1, channels, rows, columns) for maps.
        scale: float32 [1]; for constants also [channels].
        zero_point: one for all channels.
    """

    name: str
    shape: tuple[int, ...]
    scale: NDArray[np.float32]
    zero_point: int

    def same_parameters(self, other: "Tensor") -> bool:
        """Whether both have bit-equal scales and equal zero points."""
        return self.zero_point == other.zero_point and np.array_equal(self.scale, other.scale)


@dataclass(frozen=True, eq=False)
class Constant(Tensor):
    """Integers known when the file is written: int8 weights, int32 biases.

    Attributes:
        values: the integers, int8 or int32, in ONNX order.
        axis: axis of `values` that a scale per channel belongs to.
    """

    values: NDArray[Any]
    axis: int


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation on int8 tensors with the activation that follows it.

    Attributes:
        kind: the ONNX operator type, or "Requantize" for a change of scale alone, or
            "MatrixProduct" for a MatMul of two maps of one row, as matrices [columns, channels].
        name: the ONNX node's name.
        inputs: quantised inputs by ONNX position; None where there is none or it is in `constants`.
        output: the only output.
        attributes: the ONNX attributes that are present.
        constants: inputs that are not quantised (axes, sizes), by ONNX position.
        activation: "none", "relu" or "relu6".
    """

    kind: str
    name: str
    inputs: tuple[Tensor | None, ...]
    output: Tensor
    attributes: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[int, NDArray[Any]] = field(default_factory=dict)
    activation: str = "none"

    def activations(self) -> tuple[Tensor, ...]:
        """The inputs that are computed, not constant."""
        return tuple(t for t in self.inputs if t is not None and not isinstance(t, Constant))


@dataclass(frozen=True)
class QdqGraph:
    """A quantised network: operations in order of execution.

    Attributes:
        operations: each reads what an earlier one or the input wrote.
        inputs, outputs: (ONNX name, tensor) pairs in ONNX order.
        metadata: the text under the ONNX metadata key `vpr_edge` (JSON), or None.
        source: the file, for messages.
    """

    operations: tuple[Operation, ...]
    inputs: tuple[tuple[str, Tensor], ...]
    outputs: tuple[tuple[str, Tensor], ...]
    metadata: str | None
    source: Path


def not_covered(kind: str, name: str, output: str, why: str) -> ModelError:
    """The error for a node that the native TFLite writer does not translate."""
    return ModelError(
        f"The native TFLite writer does not cover the {kind} node '{name}' (output tensor "
        f"'{output}'): {why}; `--converter onnx2tf` (extra [tensorflow]) covers more, by "
        "recalibrating the float ONNX."
    )


def uncovered(op: Operation, why: str) -> ModelError:
    """`not_covered` for an operation of the graph."""
    return not_covered(op.kind, op.name, op.output.name, why)
