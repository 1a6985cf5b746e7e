"""Reads what a TFLite file declares: tensors with their parameters, operators, metadata."""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from vpr_edge.errors import ModelError

FILE_IDENTIFIER = b"TFL3"
# Name of the metadata that every artefact of vpr-edge carries, ONNX and TFLite alike.
METADATA_KEY = "vpr_edge"
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
    # Unpacked where it is read: kernels compute with the same integers.
    schema.TensorType.INT4: np.int8,
    # Names a variable and holds nothing.
    schema.TensorType.RESOURCE: np.void,
}
_TYPES = {code: name for name, code in vars(schema.TensorType).items() if isinstance(code, int)}
_CODES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}

CUSTOM = "CUSTOM "
"""What stands before the name of an operator that is no builtin."""

# Vectors may be shared; read so many times the file's size, it is no model but an attack.
MOST_SHARED = 8
# No table is smaller: its offset in a vector, and its own offset to the fields.
TABLE_BYTES = 8


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
    """One operator: name, version, indices of the tensors it reads (-1 is none), writes.

    `code` is the builtin's name, or `CUSTOM` and what the file calls the operator. `options` is the
    schema's object of builtin options; None where the file has none.
    """

    code: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any = None
    custom: bool = False


@dataclass(frozen=True, eq=False)
class TfliteSubgraph:
    """A graph of a TFLite file: tensors by index, operators in order of execution."""

    tensors: tuple[TfliteTensor, ...]
    operators: tuple[TfliteOperator, ...]
    inputs: tuple[TfliteTensor, ...]
    outputs: tuple[TfliteTensor, ...]


@dataclass(frozen=True, eq=False)
class TfliteFile(TfliteSubgraph):
    """The first subgraph of a TFLite file, which is the model.

    Attributes:
        metadata: the file's metadata buffers by name.
        called: by index the further subgraphs that the first one runs before all else
            (CALL_ONCE); those that nothing calls are not read.
    """

    metadata: dict[str, bytes]
    called: dict[int, TfliteSubgraph]


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
        return _parse(data)
    except (
        struct.error,
        AttributeError,
        IndexError,
        KeyError,
        OverflowError,
        TypeError,
        UnicodeDecodeError,
        ValueError,
        RecursionError,
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


class _Budget:
    """Counts what is read: tables that share vectors could unfold to more than any memory holds."""

    def __init__(self, bytes_left: int) -> None:
        self.left = bytes_left

    def numbers(self, table: Any, field: str) -> NDArray[Any] | None:
        """A vector of numbers; None where the table has none."""
        count = getattr(table, f"{field}Length")()
        if not count:
            return None
        values: NDArray[Any] = getattr(table, f"{field}AsNumpy")()
        self.spend(values.nbytes)
        return values

    def integers(self, table: Any, field: str) -> tuple[int, ...]:
        """A vector of integers; empty where the table has none."""
        values = self.numbers(table, field)
        return () if values is None else tuple(int(value) for value in values)

    def text(self, value: bytes | None) -> str:
        """A string; empty where the table has none."""
        self.spend(len(value or b""))
        return (value or b"").decode()

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise ValueError("vectors that many tables share")


def _parse(data: bytes) -> TfliteFile:
    """Read table by table, as the schema's own unpacking follows every offset it is given."""
    model, budget = schema.Model.GetRootAs(data, 0), _Budget(MOST_SHARED * len(data))
    main = _subgraph(model, 0, budget)
    called = {
        int(operator.options.initSubgraphIndex)
        for operator in main.operators
        if operator.code == "CALL_ONCE" and operator.options is not None
    }
    return TfliteFile(
        tensors=main.tensors,
        operators=main.operators,
        inputs=main.inputs,
        outputs=main.outputs,
        metadata=dict(
            _metadata(model.Metadata(index), model, budget)
            for index in range(model.MetadataLength())
        ),
        called={index: _subgraph(model, index, budget) for index in sorted(called)},
    )


def _subgraph(model: Any, index: int, budget: _Budget) -> TfliteSubgraph:
    subgraph = _entry(model.Subgraphs, model.SubgraphsLength(), index)
    budget.spend(TABLE_BYTES * (subgraph.TensorsLength() + subgraph.OperatorsLength()))
    inputs, outputs = (budget.integers(subgraph, field) for field in ("Inputs", "Outputs"))
    if min(*inputs, *outputs, 0, 0) < 0:
        raise IndexError("a negative tensor index")
    tensors = tuple(
        _tensor(subgraph.Tensors(index), model, budget) for index in range(subgraph.TensorsLength())
    )
    return TfliteSubgraph(
        tensors=tensors,
        operators=tuple(
            _operator(subgraph.Operators(index), model, budget)
            for index in range(subgraph.OperatorsLength())
        ),
        inputs=tuple(tensors[index] for index in inputs),
        outputs=tuple(tensors[index] for index in outputs),
    )


def _operator(operator: Any, model: Any, budget: _Budget) -> TfliteOperator:
    code = _entry(model.OperatorCodes, model.OperatorCodesLength(), operator.OpcodeIndex())
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    # As TFLM does: a custom code counts only for an operator that is no builtin.
    custom = number == schema.BuiltinOperator.CUSTOM
    return TfliteOperator(
        f"{CUSTOM}{budget.text(code.CustomCode())}" if custom else _CODES[number],
        code.Version(),
        budget.integers(operator, "Inputs"),
        budget.integers(operator, "Outputs"),
        schema.BuiltinOptionsCreator(operator.BuiltinOptionsType(), operator.BuiltinOptions()),
        custom,
    )


def _metadata(entry: Any, model: Any, budget: _Budget) -> tuple[str, bytes]:
    data = _buffer(model, entry.Buffer(), budget)
    return budget.text(entry.Name()), b"" if data is None else data.tobytes()


def _buffer(model: Any, index: int, budget: _Budget) -> NDArray[np.uint8] | None:
    """Its bytes; None where it is empty, as activations' are from some converters."""
    return budget.numbers(_entry(model.Buffers, model.BuffersLength(), index), "Data")


def _entry(get: Callable[[int], Any], count: int, index: int) -> Any:
    if not 0 <= index < count:
        raise IndexError("an index beyond its vector")
    return get(index)


def _tensor(tensor: Any, model: Any, budget: _Budget) -> TfliteTensor:
    name, kind = budget.text(tensor.Name()), tensor.Type()
    if kind in _TYPES and kind not in _DTYPES:
        raise ModelError(
            f"The tensor '{name}' is of type {_TYPES[kind]}, which is not read here; "
            "convert the model to full int8."
        )
    shape, dtype = budget.integers(tensor, "Shape"), np.dtype(_DTYPES[kind])
    data = _buffer(model, tensor.Buffer(), budget)
    parameters = tensor.Quantization()
    scale = None if parameters is None else budget.numbers(parameters, "Scale")
    zero_point = None if scale is None else budget.numbers(parameters, "ZeroPoint")
    if data is not None and kind == schema.TensorType.INT4:
        data = _unpacked(data, prod(shape))
    if data is not None and prod(shape) * dtype.itemsize != data.size:
        raise ValueError("a constant whose size is not its shape's")
    return TfliteTensor(
        name=name,
        shape=shape,
        dtype=dtype,
        scale=np.array([] if scale is None else scale, np.float32),
        zero_point=np.array([] if zero_point is None else zero_point, np.int64),
        axis=0 if scale is None else int(parameters.QuantizedDimension()),
        values=None if data is None else np.frombuffer(data.tobytes(), dtype).reshape(shape),
        signature=budget.integers(tensor, "ShapeSignature"),
        variable=bool(tensor.IsVariable()),
    )


def _unpacked(data: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """int4 values, two in a byte and the lower half first, as bytes of int8."""
    if data.size != (count + 1) // 2:
        raise ValueError("a constant whose size is not its shape's")
    signed = data.view(np.int8)
    halves = np.stack([np.left_shift(signed, 4) >> 4, signed >> 4], axis=1)
    return halves.astype(np.int8).reshape(-1)[:count].view(np.uint8)
