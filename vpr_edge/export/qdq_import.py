"""Reads a QDQ ONNX file into a `QdqGraph`: every tensor with the parameters its file declares.

Semantics of QuantizeLinear and DequantizeLinear: ONNX operator specification, opset 21.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import numpy_helper

from vpr_edge.errors import ModelError
from vpr_edge.export.qdq_graph import Constant, Operation, QdqGraph, Tensor, not_covered
from vpr_edge.tflite.read import METADATA_KEY

MATRIX_PRODUCT = "MatrixProduct"
PERMUTE = "Permute"
UINT8_SHIFT = 128
ROWS_RESHAPE = "RowsReshape"
CHANNELS_LAST = (0, 2, 3, 1)
# Orders of axes that make of a map [1, C, 1, W] the matrix [W, C], and whether it is transposed.
MATRIX_FROM_MAP: dict[tuple[int, ...], bool] = {(0, 2, 3, 1): False, (0, 2, 1, 3): True}
MAP_FROM_MATRIX = (0, 3, 1, 2)
FUSE_ACTIVATION = ("Conv", "Gemm", "MatMul", "Add", "Sub", "Mul", "AveragePool", "MaxPool")


def load_onnx(path: Path) -> onnx.ModelProto:
    """Read an ONNX file, check it, and infer every tensor's shape.

    Raises:
        ModelError: the file is missing, corrupt, or no valid ONNX model.
    """
    if not path.is_file():
        raise ModelError(f"{path} is not a file; check the path of the ONNX model.")
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
        return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except (
        DecodeError,
        OSError,
        ValueError,
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
    ) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"{path} is not a valid ONNX model ({reason}); export it again."
        ) from error


def read_qdq(path: Path) -> QdqGraph:
    """Read a QDQ ONNX model with static shapes and batch 1.

    Raises:
        ModelError: the file is corrupt, not quantised, has dynamic shapes, or a tensor lacks
            quantisation parameters.
    """
    model = load_onnx(path)
    return _Reader(path, model).read()


class _Reader:
    """Walks the nodes once, carrying what each ONNX tensor name stands for."""

    def __init__(self, path: Path, model: onnx.ModelProto) -> None:
        self.path = path
        self.model = model
        self.graph = model.graph
        self.constants: dict[str, NDArray[Any]] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in self.graph.initializer
        }
        self.quantized: dict[str, Tensor] = {}
        self.dequantized: dict[str, Tensor] = {}
        # Float results that no QuantizeLinear has met yet; their output tensor is provisional.
        self.pending: dict[str, Operation] = {}
        # Maps that a Transpose makes matrices for a MatMul, and the order of their axes.
        self.moved: dict[str, tuple[Tensor, tuple[int, ...]]] = {}
        # Maps that a Transpose brings to the order of the device, before a Reshape.
        self.rows: dict[str, Tensor] = {}
        # The tensor that a float name became, for a second QuantizeLinear of the same name.
        self.settled: dict[str, Tensor] = {}
        self.operations: list[Operation] = []
        self.inputs = [v.name for v in self.graph.input if v.name not in self.constants]
        self.outputs = [v.name for v in self.graph.output]
        self.uses = Counter(name for node in self.graph.node for name in node.input)
        self.uses.update(self.outputs)
        self.output_of = {
            node.input[0]: node.output[0]
            for node in self.graph.node
            if node.op_type == "DequantizeLinear" and node.output[0] in self.outputs
        }

    def read(self) -> QdqGraph:
        if not any(node.op_type == "QuantizeLinear" for node in self.graph.node):
            raise ModelError(
                f"{self.path} is a float ONNX model (it has no QuantizeLinear node); quantise it "
                "with `vpr-edge quantize` first, or use `--converter onnx2tf` (extra [tensorflow])."
            )
        self.shapes = self._static_shapes()
        for node in self.graph.node:
            if node.op_type == "Constant":
                self.constants[node.output[0]] = self._constant(node)
            elif node.op_type == "QuantizeLinear":
                self._quantize(node)
            elif node.op_type == "DequantizeLinear":
                self._dequantize(node)
            elif node.op_type == "Transpose" and self._beside_product(node):
                self._transpose(node)
            elif (
                node.op_type == "Transpose"
                and node.input[0] in self.dequantized
                and isinstance(self.dequantized[node.input[0]], Constant)
            ):
                self._turn(node)
            elif node.op_type == "Transpose" and self._is_reshape(node.input[0]):
                self._permute(node)
            elif node.op_type == "Reshape" and self._is_permuted(node.input[0]):
                self._regroup(node)
            elif node.op_type == "MatMul" and any(name in self.moved for name in node.input):
                self._matrix_product(node)
            elif node.op_type == "Transpose" and self._before_reshape(node):
                self.rows[node.output[0]] = self.dequantized[node.input[0]]
            elif node.op_type == "Reshape" and node.input[0] in self.rows:
                self._rows_reshape(node)
            else:
                self._compute(node)
        return QdqGraph(
            operations=tuple(self.operations),
            inputs=tuple((name, self._known(self.settled, name)) for name in self.inputs),
            outputs=tuple((name, self._known(self.dequantized, name)) for name in self.outputs),
            metadata=next(
                (p.value for p in self.model.metadata_props if p.key == METADATA_KEY), None
            ),
            source=self.path,
        )

    def _static_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = {}
        for value in (*self.graph.input, *self.graph.value_info, *self.graph.output):
            if not value.type.tensor_type.HasField("shape"):
                continue
            dims = value.type.tensor_type.shape.dim
            for dim in dims:
                if not dim.HasField("dim_value"):
                    raise ModelError(
                        f"Tensor '{value.name}' of {self.path} has the dynamic dimension "
                        f"'{dim.dim_param or '?'}'; export the ONNX with fixed shapes and batch 1."
                    )
            shapes[value.name] = tuple(dim.dim_value for dim in dims)
        return shapes

    def _shape(self, name: str) -> tuple[int, ...]:
        if name not in self.shapes:
            raise ModelError(
                f"The shape of tensor '{name}' of {self.path} cannot be inferred; export the ONNX "
                "with fixed shapes."
            )
        return self.shapes[name]

    def _unquantized(self, name: str) -> ModelError:
        return ModelError(
            f"Tensor '{name}' of {self.path} has no int8 quantisation parameters; put a "
            "QuantizeLinear and a DequantizeLinear node behind it, or use `--converter onnx2tf` "
            "(extra [tensorflow]) on the float model."
        )

    def _known(self, tensors: dict[str, Tensor], name: str) -> Tensor:
        if name not in tensors:
            raise self._unquantized(name)
        return tensors[name]

    @staticmethod
    def _constant(node: onnx.NodeProto) -> NDArray[Any]:
        if node.attribute[0].name != "value":
            raise not_covered("Constant", node.name, node.output[0], "it is not a plain tensor")
        return numpy_helper.to_array(node.attribute[0].t)

    def _parameters(self, node: onnx.NodeProto) -> tuple[NDArray[np.float32], int]:
        """Scale and zero point of a QuantizeLinear or DequantizeLinear node."""
        scale = self.constants.get(node.input[1])
        if scale is None or scale.dtype != np.float32:
            why = "its scale is not a constant float32"
            raise not_covered(node.op_type, node.name, node.output[0], why)
        if not (np.isfinite(scale).all() and (scale > 0).all()):
            raise ModelError(
                f"A scale of tensor '{node.input[0]}' of {self.path} is not a positive number; "
                "quantise the model again."
            )
        has_zero_point = len(node.input) > 2 and node.input[2]
        zero_points = self.constants.get(node.input[2]) if has_zero_point else np.zeros(1, np.uint8)
        if zero_points is None or np.unique(zero_points).size != 1:
            raise not_covered(
                node.op_type, node.name, node.output[0], "its zero point is not one constant"
            )
        if zero_points.dtype not in (np.int8, np.uint8, np.int32):
            raise ModelError(
                f"Tensor '{node.input[0]}' of {self.path} is quantised to {zero_points.dtype}, not "
                "int8; quantise activations and weights to int8 (biases to int32)."
            )
        zero_point = int(zero_points.flat[0])
        if zero_points.dtype == np.uint8:
            # The same real values, every integer less by 128.
            zero_point -= UINT8_SHIFT
        return np.atleast_1d(scale), zero_point

    def _quantize(self, node: onnx.NodeProto) -> None:
        source, result = node.input[0], node.output[0]
        scale, zero_point = self._parameters(node)
        if source in self.constants:
            # Weights kept as float beside their parameters: the specification's own rounding.
            axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
            steps = _along(scale, self.constants[source].ndim, axis)
            values = np.rint(self.constants[source] / steps) + zero_point
            self.constants[result] = np.clip(values, -128, 127).astype(np.int8)
            return
        if scale.size != 1:
            raise not_covered(node.op_type, node.name, result, "an activation has many scales")
        name = self.output_of.get(result, source)
        tensor = Tensor(name, self._shape(source), scale, zero_point)
        earlier = self.settled.get(source) or self.dequantized.get(source)
        if earlier is not None and earlier.same_parameters(tensor):
            tensor = earlier
        elif source in self.dequantized:
            if name == source:
                tensor = replace(tensor, name=result)
            requantize = Operation("Requantize", node.name, (self.dequantized[source],), tensor)
            self.operations.append(requantize)
        elif earlier is not None:
            raise not_covered(
                node.op_type, node.name, result, f"'{source}' is quantised twice, differently"
            )
        elif source in self.pending:
            self.operations.append(replace(self.pending[source], output=tensor))
        elif source not in self.inputs:
            raise self._unquantized(source)
        if source not in self.dequantized:
            self.settled[source] = tensor
        self.quantized[result] = tensor

    def _dequantize(self, node: onnx.NodeProto) -> None:
        source, result = node.input[0], node.output[0]
        scale, zero_point = self._parameters(node)
        if source in self.constants:
            values = self.constants[source]
            if values.dtype == np.uint8:
                values = (values.astype(np.int16) - UINT8_SHIFT).astype(np.int8)
            axis = next((a.i for a in node.attribute if a.name == "axis"), 1) % max(values.ndim, 1)
            self.dequantized[result] = Constant(
                source, values.shape, scale, zero_point, values, axis
            )
            return
        tensor = self._known(self.quantized, source)
        if not tensor.same_parameters(replace(tensor, scale=scale, zero_point=zero_point)):
            raise ModelError(
                f"Tensor '{source}' of {self.path} is dequantised with other parameters than it "
                "was quantised with; quantise the model again."
            )
        self.dequantized[result] = tensor

    def _compute(self, node: onnx.NodeProto) -> None:
        if node.domain not in ("", "ai.onnx"):
            kind = f"{node.domain}.{node.op_type}"
            raise not_covered(kind, node.name, node.output[0], "its domain is not ONNX's own")
        if len(node.output) != 1:
            raise not_covered(node.op_type, node.name, node.output[0], "it has several outputs")
        result = node.output[0]
        activation = self._activation(node)
        before = self.pending.get(node.input[0]) if node.input else None
        if activation != "none" and before is not None:
            if (
                before.activation == "none"
                and before.kind in FUSE_ACTIVATION
                and self.uses[node.input[0]] == 1
            ):
                self.pending[result] = replace(before, activation=activation)
                return
            raise self._unquantized(node.input[0])
        inputs: list[Tensor | None] = []
        constants = {}
        for position, name in enumerate(node.input):
            inputs.append(self.dequantized.get(name))
            if name in self.constants:
                constants[position] = self.constants[name]
            elif name and name not in self.dequantized:
                raise self._unquantized(name)
        self.pending[result] = Operation(
            kind={"relu": "Relu", "relu6": "Relu6"}.get(activation, node.op_type),
            name=node.name,
            inputs=tuple(inputs),
            output=Tensor(result, self._shape(result), np.ones(1, np.float32), 0),
            attributes={a.name: _attribute(a) for a in node.attribute},
            constants=constants,
        )

    def _beside_product(self, node: onnx.NodeProto) -> bool:
        before = self.pending.get(node.input[0])
        after = any(n.op_type == "MatMul" and node.output[0] in n.input for n in self.graph.node)
        return after or (before is not None and before.kind == MATRIX_PRODUCT)

    def _transpose(self, node: onnx.NodeProto) -> None:
        """Maps and matrices into one another: around a MatMul, where nothing has to move."""
        source, result = node.input[0], node.output[0]
        order = tuple(next((a.ints for a in node.attribute if a.name == "perm"), ()))
        before = self.pending.get(source)
        if before is not None and before.kind == MATRIX_PRODUCT and order == MAP_FROM_MATRIX:
            shape = self._shape(result)
            output = Tensor(result, shape, before.output.scale, before.output.zero_point)
            self.pending[result] = replace(before, output=output)
            return
        tensor = self.dequantized.get(source)
        if tensor is None or isinstance(tensor, Constant) or order not in MATRIX_FROM_MAP:
            self._compute(node)
        else:
            self.moved[result] = tensor, order

    def _turn(self, node: onnx.NodeProto) -> None:
        """Weights whose axes are in another order: of a ConvTranspose, for one."""
        constant = self.dequantized[node.input[0]]
        assert isinstance(constant, Constant)
        order = tuple(next(a.ints for a in node.attribute if a.name == "perm"))
        values = constant.values.transpose(order)
        self.dequantized[node.output[0]] = replace(
            constant, shape=values.shape, values=values, axis=order.index(constant.axis)
        )

    def _is_reshape(self, name: str) -> bool:
        before = self.pending.get(name)
        return before is not None and before.kind == "Reshape" and self.uses[name] == 1

    def _is_permuted(self, name: str) -> bool:
        before = self.pending.get(name)
        return before is not None and before.kind == PERMUTE and self.uses[name] == 1

    def _permute(self, node: onnx.NodeProto) -> None:
        """A Transpose behind a Reshape: the elements of a map in another order."""
        apart = self.pending[node.input[0]].output.shape
        order = tuple(next(a.ints for a in node.attribute if a.name == "perm"))
        self.pending[node.output[0]] = replace(
            self.pending[node.input[0]],
            kind=PERMUTE,
            output=replace(
                self.pending[node.input[0]].output,
                name=node.output[0],
                shape=self._shape(node.output[0]),
            ),
            attributes={"split": apart, "order": order},
        )

    def _regroup(self, node: onnx.NodeProto) -> None:
        before, result = self.pending[node.input[0]], node.output[0]
        output = replace(before.output, name=result, shape=self._shape(result))
        self.pending[result] = replace(before, output=output)

    def _matrix_product(self, node: onnx.NodeProto) -> None:
        result = node.output[0]
        factors = [self.moved.get(name) for name in node.input]
        if None in factors or any(f is not None and f[0].shape[2] != 1 for f in factors):
            why = "its factors are not two maps of one row, each behind a Transpose"
            raise not_covered(node.op_type, node.name, result, why)
        known = [factor for factor in factors if factor is not None]
        self.pending[result] = Operation(
            MATRIX_PRODUCT,
            node.name,
            tuple(tensor for tensor, _ in known),
            Tensor(result, self._shape(result), np.ones(1, np.float32), 0),
            {"transposed": tuple(MATRIX_FROM_MAP[order] for _, order in known)},
        )

    def _before_reshape(self, node: onnx.NodeProto) -> bool:
        order = tuple(next((a.ints for a in node.attribute if a.name == "perm"), ()))
        readers = [n.op_type for n in self.graph.node if node.output[0] in n.input]
        source = self.dequantized.get(node.input[0])
        known = source is not None and not isinstance(source, Constant)
        return known and order == CHANNELS_LAST and readers == ["Reshape"]

    def _rows_reshape(self, node: onnx.NodeProto) -> None:
        """All of a map as one row of channels, in the order in which the device holds it."""
        result, shape = node.output[0], self._shape(node.output[0])
        if int(np.prod(shape[:2])) != int(np.prod(shape)):
            why = f"behind a Transpose it makes {shape}, and only a vector keeps the order there"
            raise not_covered(node.op_type, node.name, result, why)
        output = Tensor(result, shape, np.ones(1, np.float32), 0)
        self.pending[result] = Operation(
            ROWS_RESHAPE, node.name, (self.rows[node.input[0]],), output
        )

    def _activation(self, node: onnx.NodeProto) -> str:
        """The TFLite activation that a Relu or Clip node is; "none" for other operators."""
        if node.op_type == "Relu":
            return "relu"
        if node.op_type != "Clip":
            return "none"
        limits = [-np.inf, np.inf]
        for position, name in enumerate(node.input[1:]):
            if name and name not in self.constants:
                raise not_covered(node.op_type, node.name, node.output[0], "a limit is computed")
            if name:
                limits[position] = float(self.constants[name])
        low, high = limits
        if (low, high) not in ((0.0, 6.0), (0.0, np.inf)):
            why = f"it limits to [{low:g}, {high:g}], and TFLite has [0, 6] and [0, inf]"
            raise not_covered(node.op_type, node.name, node.output[0], why)
        return "relu6" if high == 6.0 else "relu"


def _along(scale: NDArray[np.float32], rank: int, axis: int) -> NDArray[np.float32]:
    """A scale per channel, shaped to broadcast along `axis` of an array of this rank."""
    shape = [1] * rank
    if scale.size > 1:
        shape[axis] = -1
    return scale.reshape(shape)


def _attribute(attribute: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    return value.decode() if isinstance(value, bytes) else value
