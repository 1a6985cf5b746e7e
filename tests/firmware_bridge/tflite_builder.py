"""Small TFLite models for the tests, written with the schema's object API."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import ArrayLike, NDArray

from vpr_edge.export.tflite_write import AlignedBuffer, pack

TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "bool": schema.TensorType.BOOL,
    "resource": schema.TensorType.RESOURCE,
}


class TfliteBuilder:
    """Collects tensors and operators; `save` writes the file."""

    def __init__(self) -> None:
        self.buffers: list[Any] = [schema.BufferT()]
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: dict[tuple[str, int], int] = {}
        self.further: list[Any] = []

    def tensor(
        self,
        shape: Sequence[int],
        dtype: str = "int8",
        scale: ArrayLike | None = None,
        zero_point: ArrayLike = 0,
        values: NDArray[Any] | None = None,
        axis: int = 0,
        variable: bool = False,
        name: str = "",
    ) -> int:
        """Index of a new tensor; `values` make it a constant, `scale` quantises it."""
        buffer = 0
        if values is not None:
            data = np.asarray(values).astype(dtype)
            assert data.shape == tuple(shape)
            buffer = len(self.buffers)
            self.buffers.append(AlignedBuffer(data=data.tobytes()))
        quantization = None
        if scale is not None:
            scales = np.atleast_1d(np.asarray(scale, np.float32))
            zero_points = np.broadcast_to(np.asarray(zero_point, np.int64), scales.shape)
            quantization = schema.QuantizationParametersT(
                scale=scales, zeroPoint=zero_points.copy(), quantizedDimension=axis
            )
        self.tensors.append(
            schema.TensorT(
                shape=np.array(shape, np.int32),
                type=TYPES[dtype],
                buffer=buffer,
                name=name or f"t{len(self.tensors)}",
                quantization=quantization,
                isVariable=variable,
                hasRank=True,
            )
        )
        return len(self.tensors) - 1

    def operator(
        self,
        code: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Any = None,
        version: int = 1,
        intermediates: Sequence[int] = (),
    ) -> None:
        """Append an operator; `options` is an object of the schema, -1 an absent input."""
        operator = schema.OperatorT(
            opcodeIndex=self.codes.setdefault((code, version), len(self.codes)),
            inputs=np.array(inputs, np.int32),
            outputs=np.array(outputs, np.int32),
        )
        if intermediates:
            operator.intermediates = np.array(intermediates, np.int32)
        if options is not None:
            name = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            operator.builtinOptions = options
        self.operators.append(operator)

    def further_subgraph(self) -> "TfliteBuilder":
        """A builder of one more subgraph of this file; `add_subgraph` appends it."""
        other = TfliteBuilder()
        other.buffers, other.codes = self.buffers, self.codes
        return other

    def add_subgraph(
        self, other: "TfliteBuilder", inputs: Sequence[int] = (), outputs: Sequence[int] = ()
    ) -> int:
        """Index of the subgraph in the file."""
        self.further.append(other._subgraph(inputs, outputs))
        return len(self.further)

    def _subgraph(self, inputs: Sequence[int], outputs: Sequence[int]) -> Any:
        return schema.SubGraphT(
            tensors=self.tensors,
            inputs=np.array(inputs, np.int32),
            outputs=np.array(outputs, np.int32),
            operators=self.operators,
            name="main",
        )

    def save(self, path: Path, inputs: Sequence[int], outputs: Sequence[int]) -> Path:
        """Write the model and return its path."""
        codes = [
            schema.OperatorCodeT(
                builtinCode=getattr(schema.BuiltinOperator, code),
                deprecatedBuiltinCode=min(getattr(schema.BuiltinOperator, code), 127),
                version=version,
            )
            for code, version in self.codes
        ]
        subgraphs = [self._subgraph(inputs, outputs), *self.further]
        model = schema.ModelT(
            version=3, operatorCodes=codes, subgraphs=subgraphs, buffers=self.buffers
        )
        path.write_bytes(pack(model))
        return path
