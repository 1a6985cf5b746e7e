"""Builds a TFLite flatbuffer with the schema's object API: tensors, operators, metadata.

Format: the TFLite schema version 3 (schema.fbs), as `ai-edge-litert` ships it.
"""

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from vpr_edge.export.qdq_graph import QdqGraph, Tensor
from vpr_edge.tflite.read import FILE_IDENTIFIER

BUFFER_ALIGNMENT = 16
SIGNATURE = "serving_default"
_TYPES = {
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.int16): schema.TensorType.INT16,
    np.dtype(np.int32): schema.TensorType.INT32,
}


class AlignedBuffer(schema.BufferT):
    """A buffer whose bytes start at a multiple of 16 of the file, as the schema asks.

    The generated Python code knows nothing of `force_align`.
    """

    def Pack(self, builder: flatbuffers.Builder) -> int:
        builder.StartVector(1, len(self.data), BUFFER_ALIGNMENT)
        builder.head -= len(self.data)
        builder.Bytes[builder.head : builder.head + len(self.data)] = self.data
        data = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


def pack(model: Any) -> bytes:
    """The bytes of a schema `ModelT`; its buffers should be `AlignedBuffer`s."""
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


def nhwc(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(N, C, H, W) to (N, H, W, C); other ranks as they are."""
    return (shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape


class TfliteWriter:
    """Collects tensors and operators, then packs them into the bytes of a TFLite file."""

    def __init__(self) -> None:
        self.buffers = [schema.BufferT()]  # the schema reserves buffer 0 as "no data"
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.operator_codes: dict[tuple[int, int], int] = {}
        self.index_of: dict[str, int] = {}

    def activation(self, tensor: Tensor) -> int:
        """Index of an int8 activation, made NHWC; the same name gives the same index."""
        if tensor.name not in self.index_of:
            shape = nhwc(tensor.shape)
            self.index_of[tensor.name] = self._tensor(tensor.name, shape, np.dtype(np.int8), 0)
            self._quantize(self.index_of[tensor.name], tensor, axis=0)
        return self.index_of[tensor.name]

    def constant(
        self, name: str, values: NDArray[Any], parameters: Tensor | None = None, axis: int = 0
    ) -> int:
        """Index of a new constant tensor.

        Args:
            name: for readers of the file.
            values: int8 or int32, in TFLite's order.
            parameters: whose scale and zero point the tensor carries; None for plain integers.
            axis: axis of `values` that a scale per channel belongs to.
        """
        index = self._tensor(name, values.shape, values.dtype, self._buffer(values.tobytes()))
        if parameters is not None:
            self._quantize(index, parameters, axis)
        return index

    def declared(
        self, tensor: Tensor, dtype: type[np.generic] = np.int8, variable: bool = False
    ) -> int:
        """Index of a new tensor in its own order of axes.

        Args:
            tensor: name, shape and parameters.
            dtype: of its integers.
            variable: whether it keeps its values from run to run, as an LSTM's state does.
        """
        index = self._tensor(tensor.name, tensor.shape, np.dtype(dtype), 0)
        self._quantize(index, tensor, axis=0)
        self.tensors[index].isVariable = variable
        return index

    def operator(
        self, code: str, version: int, inputs: list[int], output: int, options: Any = None
    ) -> None:
        """Append an operator: builtin name, version, tensor indices and the schema's options."""
        key = (getattr(schema.BuiltinOperator, code), version)
        operator = schema.OperatorT(
            opcodeIndex=self.operator_codes.setdefault(key, len(self.operator_codes)),
            inputs=np.array(inputs, np.int32),
            outputs=np.array([output], np.int32),
        )
        if options is not None:
            name = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            operator.builtinOptions = options
        self.operators.append(operator)

    def finish(self, graph: QdqGraph, metadata_name: str, description: str) -> bytes:
        """The whole file: one subgraph, one signature, the graph's metadata as a named buffer."""
        inputs = [self.activation(tensor) for _, tensor in graph.inputs]
        outputs = [self.activation(tensor) for _, tensor in graph.outputs]
        metadata = []
        if graph.metadata is not None:
            buffer = self._buffer(graph.metadata.encode())
            metadata.append(schema.MetadataT(name=metadata_name, buffer=buffer))
        codes = [
            # Readers from before 128 operators look only at the deprecated field.
            schema.OperatorCodeT(
                builtinCode=code, deprecatedBuiltinCode=min(code, 127), version=version
            )
            for code, version in self.operator_codes
        ]
        signature = schema.SignatureDefT(
            inputs=[
                schema.TensorMapT(name=name, tensorIndex=index)
                for (name, _), index in zip(graph.inputs, inputs, strict=True)
            ],
            outputs=[
                schema.TensorMapT(name=name, tensorIndex=index)
                for (name, _), index in zip(graph.outputs, outputs, strict=True)
            ],
            signatureKey=SIGNATURE,
        )
        subgraph = schema.SubGraphT(
            tensors=self.tensors,
            inputs=np.array(inputs, np.int32),
            outputs=np.array(outputs, np.int32),
            operators=self.operators,
            name="main",
        )
        model = schema.ModelT(
            version=3,
            operatorCodes=codes,
            subgraphs=[subgraph],
            description=description,
            buffers=self.buffers,
            metadata=metadata,
            signatureDefs=[signature],
        )
        return pack(model)

    def _buffer(self, data: bytes) -> int:
        self.buffers.append(AlignedBuffer(data=data))
        return len(self.buffers) - 1

    def _tensor(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], buffer: int) -> int:
        self.tensors.append(
            schema.TensorT(
                name=name,
                shape=np.array(shape, np.int32),
                type=_TYPES[dtype],
                buffer=buffer,
                hasRank=True,
            )
        )
        return len(self.tensors) - 1

    def _quantize(self, index: int, parameters: Tensor, axis: int) -> None:
        scale = parameters.scale.astype(np.float32)
        self.tensors[index].quantization = schema.QuantizationParametersT(
            scale=scale,
            zeroPoint=np.full(scale.size, parameters.zero_point, np.int64),
            quantizedDimension=axis,
        )
