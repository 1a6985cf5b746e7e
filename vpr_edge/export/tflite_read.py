"""Reads what a TFLite file declares: tensors with their parameters, operators, metadata."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from vpr_edge.errors import ModelError
from vpr_edge.export.qdq_import import METADATA_KEY
from vpr_edge.export.tflite_write import FILE_IDENTIFIER

_DTYPES: dict[int, type[np.generic]] = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.FLOAT64: np.float64,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.UINT8: np.uint8,
    schema.TensorType.INT16: np.int16,
    schema.TensorType.UINT16: np.uint16,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.UINT32: np.uint32,
    schema.TensorType.INT64: np.int64,
    schema.TensorType.UINT64: np.uint64,
    schema.TensorType.BOOL: np.bool_,
}
_TYPES = {code: name for name, code in vars(schema.TensorType).items() if isinstance(code, int)}
_CODES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}


@dataclass(frozen=True, eq=False)
class TfliteTensor:
    """One tensor of a TFLite file.

    Attributes:
        name: as stored.
        shape: in the file's order, NHWC for maps.
        dtype: of the stored integers or floats.
        scale: float32, empty where the tensor is not quantised.
        zero_point: int64, as many as scales.
        axis: the axis that a scale per channel belongs to.
        values: the data of a constant; None for an activation.
        signature: the shape with -1 where the file calls a dimension dynamic.
        variable: whether the tensor keeps its value from run to run (an LSTM's state).
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int
    values: NDArray[Any] | None
    signature: tuple[int, ...] = ()
    variable: bool = False


@dataclass(frozen=True, eq=False)
class TfliteOperator:
    """One operator: builtin name, version, indices of the tensors it reads (-1 is none), writes.

    `options` is the schema's object of builtin options; None where the file has none.
    """

    code: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any = None


@dataclass(frozen=True, eq=False)
class TfliteFile:
    """The first subgraph of a TFLite file and the file's metadata buffers by name."""

    tensors: tuple[TfliteTensor, ...]
    operators: tuple[TfliteOperator, ...]
    inputs: tuple[TfliteTensor, ...]
    outputs: tuple[TfliteTensor, ...]
    metadata: dict[str, bytes]


def read_tflite(path: Path) -> TfliteFile:
    """Read a TFLite file.

    Raises:
        ModelError: the file is missing, not TFLite, cut short or corrupt.
    """
    if not path.is_file():
        raise ModelError(f"{path} is not a file; check the path of the TFLite model.")
    data = path.read_bytes()
    if data[4:8] != FILE_IDENTIFIER:
        raise ModelError(f"{path} is not a TFLite model; give a .tflite file.")
    try:
        return _parse(schema.ModelT.InitFromPackedBuf(bytearray(data)))
    except (
        struct.error,
        AttributeError,
        IndexError,
        KeyError,
        OverflowError,
        TypeError,
        UnicodeDecodeError,
        ValueError,
    ) as error:
        raise ModelError(f"{path} is cut short or corrupt; write or copy it again.") from error


def read_metadata(tflite_path: Path) -> dict[str, Any]:
    """The JSON object that `write_tflite` carried over from the ONNX file.

    Raises:
        ModelError: the file is corrupt, or carries no such metadata.
    """
    text = read_tflite(tflite_path).metadata.get(METADATA_KEY)
    if text is None:
        raise ModelError(
            f"{tflite_path} carries no '{METADATA_KEY}' metadata; export it with `vpr-edge export`."
        )
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ModelError(
            f"The '{METADATA_KEY}' metadata of {tflite_path} is not JSON; export the model again."
        ) from error
    return dict(value)


def op_list(tflite_path: Path) -> tuple[str, ...]:
    """The operators in order of execution, such as "CONV_2D v3".

    Raises:
        ModelError: the file is corrupt.
    """
    return tuple(f"{op.code} v{op.version}" for op in read_tflite(tflite_path).operators)


def _parse(model: Any) -> TfliteFile:
    if len(model.subgraphs) != 1:
        raise ValueError("control flow between subgraphs")
    subgraph = model.subgraphs[0]
    if min(*_integers(subgraph.inputs), *_integers(subgraph.outputs), 0, 0) < 0:
        raise IndexError("a negative tensor index")
    tensors = tuple(_tensor(tensor, model.buffers) for tensor in subgraph.tensors)
    operators = []
    for operator in subgraph.operators if subgraph.operators is not None else ():
        code = model.operatorCodes[operator.opcodeIndex]
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        name = code.customCode.decode() if code.customCode else _CODES[number]
        operators.append(
            TfliteOperator(
                name,
                code.version,
                _integers(operator.inputs),
                _integers(operator.outputs),
                operator.builtinOptions,
            )
        )
    return TfliteFile(
        tensors=tensors,
        operators=tuple(operators),
        inputs=tuple(tensors[index] for index in _integers(subgraph.inputs)),
        outputs=tuple(tensors[index] for index in _integers(subgraph.outputs)),
        metadata={
            entry.name.decode(): bytes(model.buffers[entry.buffer].data)
            for entry in model.metadata or ()
        },
    )


def _integers(values: NDArray[np.int32] | None) -> tuple[int, ...]:
    return tuple(int(value) for value in values) if values is not None else ()


def _tensor(tensor: Any, buffers: list[Any]) -> TfliteTensor:
    name = (tensor.name or b"").decode()
    if tensor.type in _TYPES and tensor.type not in _DTYPES:
        raise ModelError(
            f"The tensor '{name}' is of type {_TYPES[tensor.type]}, which is not read here; "
            "convert the model to full int8."
        )
    shape, dtype = _integers(tensor.shape), np.dtype(_DTYPES[tensor.type])
    data = buffers[tensor.buffer].data
    if data is not None and len(data) == 0:
        # Some converters give activations an empty buffer.
        data = None
    parameters = tensor.quantization
    quantized = parameters is not None and parameters.scale is not None
    return TfliteTensor(
        name=name,
        shape=shape,
        dtype=dtype,
        scale=np.array(parameters.scale if quantized else [], np.float32),
        zero_point=np.array(parameters.zeroPoint if quantized else [], np.int64),
        axis=int(parameters.quantizedDimension) if quantized else 0,
        values=None if data is None else np.frombuffer(bytes(data), dtype).reshape(shape),
        signature=_integers(tensor.shapeSignature),
        variable=bool(tensor.isVariable),
    )
