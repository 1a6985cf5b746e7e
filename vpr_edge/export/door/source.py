"""Reading a stranger's float ONNX: checked, at fixed shapes, batch 1, and simplified."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import numpy_helper

from vpr_edge.errors import ModelError

CONTROL_FLOW = ("If", "Loop", "Scan", "SequenceMap")
FIRST_OPSET = 11


def read_float_onnx(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> onnx.ModelProto:
    """The simplified model, every shape known, batch 1.

    Args:
        path: the file.
        shapes: of inputs by name, for dimensions that the file leaves open; "" is the only input.

    Raises:
        ModelError: no ONNX, weights that are missing or not finite, several inputs, an open
            dimension, control flow, or operators of another domain.
    """
    model = _load(path)
    version = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    if version < FIRST_OPSET:
        raise ModelError(
            f"{path} is ONNX of opset {version}; export it with opset {FIRST_OPSET} or later."
        )
    for node in model.graph.node:
        if node.op_type in CONTROL_FLOW:
            raise ModelError(
                f"{path} has control flow (the {node.op_type} node '{node.name}'); export the "
                "network for fixed shapes, without branches or loops."
            )
        if node.domain not in ("", "ai.onnx") and not _is_function(model, node):
            raise ModelError(
                f"{path} asks for {node.domain}.{node.op_type} (node '{node.name}'), which is no "
                "operator of ONNX itself; write it with ONNX's own operators."
            )
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            raise ModelError(
                f"{path} is quantised already; give the float model that it was made from, or "
                "write its numbers as TFLite by vpr_edge.export.tflite.write_tflite."
            )
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    written = {name for node in model.graph.node for name in node.output}
    for value in model.graph.output:
        if value.name not in written:
            raise ModelError(
                f"no node of {path} produces its output '{value.name}'; export it again."
            )
    if len(inputs) != 1:
        names = ", ".join(f"'{v.name}' {_shape(v)}" for v in inputs) or "none"
        raise ModelError(
            f"{path} has {len(inputs)} inputs ({names}), and a network here has one; export it "
            "with the others as constants."
        )
    if unknown := set(shapes) - {inputs[0].name, ""}:
        raise ModelError(f"{path} has no input '{min(unknown)}'; its input is '{inputs[0].name}'.")
    shape = _fixed_shape(path, inputs[0], shapes.get(inputs[0].name, shapes.get("")))
    _check_finite(path, model)
    return _simplified(path, model, inputs[0].name, shape)


def constants_of(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    """Initialisers and constants by name."""
    found = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return found


def shapes_of(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Known shapes by name; a dimension that is not known is 0."""
    values = (*model.graph.input, *model.graph.value_info, *model.graph.output)
    return {
        v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim)
        for v in values
        if v.type.tensor_type.HasField("shape")
    }


def _load(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise ModelError(f"{path} is not a file; check the path of the ONNX model.")
    try:
        # By its path, so that files with external weights are looked for beside it.
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except (DecodeError, OSError, ValueError, onnx.checker.ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{path} is not a whole ONNX model ({reason}); export it again, its weights beside it."
        ) from error
    return model


def _is_function(model: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    return any(f.name == node.op_type and f.domain == node.domain for f in model.functions)


def _shape(value: onnx.ValueInfoProto) -> list[int | str]:
    return [d.dim_value or d.dim_param or "?" for d in value.type.tensor_type.shape.dim]


def _fixed_shape(
    path: Path, value: onnx.ValueInfoProto, given: tuple[int, ...] | None
) -> tuple[int, ...]:
    declared = _shape(value)
    if value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise ModelError(f"the input '{value.name}' of {path} is not float32; export it so.")
    if given is None:
        # A batch that is left open, or is larger, becomes 1.
        if len(declared) > 1 and all(isinstance(d, int) for d in declared[1:]):
            return (1, *(int(d) for d in declared[1:]))
        raise ModelError(
            f"the input '{value.name}' of {path} has the shape {declared}; say which with --shape "
            f"{value.name}=1x3x120x160."
        )
    fits = len(given) == len(declared) and all(
        not isinstance(d, int) or d == g for d, g in zip(declared[1:], given[1:], strict=True)
    )
    if not fits or given[0] != 1 or min(given) < 1:
        raise ModelError(
            f"--shape {value.name}={'x'.join(map(str, given))} does not fit the input {declared} "
            f"of {path}; give as many numbers, the first 1."
        )
    return given


def _check_finite(path: Path, model: onnx.ModelProto) -> None:
    for name, values in constants_of(model).items():
        # A limit that is left open may be infinite.
        bad = np.isnan if values.ndim < 2 else lambda x: ~np.isfinite(x)
        if values.dtype.kind == "f" and bad(values).any():
            raise ModelError(
                f"the weights '{name}' of {path} hold NaN or infinity; train it again."
            )


def _simplified(
    path: Path, model: onnx.ModelProto, name: str, shape: tuple[int, ...]
) -> onnx.ModelProto:
    # Here, because importing it takes a while.
    import onnxsim

    try:
        found, _ = onnxsim.simplify(model, overwrite_input_shapes={name: list(shape)})
        found = onnx.shape_inference.infer_shapes(found, strict_mode=True, data_prop=True)
    except Exception as error:  # the simplifier raises what ONNX Runtime and C++ raise
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{path} does not compute at the input {'x'.join(map(str, shape))} ({reason}); "
            "correct --shape."
        ) from error
    shapes, names = shapes_of(found), set[str]()
    for node in found.graph.node:
        # ONNX Runtime refuses nodes of one name, which the checker lets pass.
        if node.name in names:
            node.name = f"{node.name}_{node.output[0]}"
        names.add(node.name)
        for output in node.output:
            known = shapes.get(output)
            if output and (known is None or 0 in known):
                raise ModelError(
                    f"the shape of '{output}' ({node.op_type}) of {path} depends on the data; "
                    "export the network with fixed shapes."
                )
    return found
