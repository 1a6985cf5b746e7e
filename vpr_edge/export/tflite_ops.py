"""One function an operation: from the quantised graph to int8 TFLite operators.

Operator versions are those TensorFlow's `op_version.cc` gives int8 signatures; the fixed output
parameters are those of the TFLite int8 quantisation specification.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from vpr_edge.export.qdq_graph import Constant, Operation, Tensor, uncovered
from vpr_edge.export.qdq_import import MATRIX_PRODUCT, PERMUTE, ROWS_RESHAPE
from vpr_edge.export.tflite_layout import FULLY_CONNECTED, RESHAPES
from vpr_edge.export.tflite_weights import weights_and_bias
from vpr_edge.export.tflite_window import ACTIVATIONS, convolution, pool, transpose_convolution
from vpr_edge.export.tflite_write import TfliteWriter, nhwc

# Of TFLM's TRANSPOSE.
MOST_AXES = 5
NHWC_AXIS = {4: (0, 3, 1, 2), 2: (0, 1)}


def emit(writer: TfliteWriter, op: Operation) -> None:
    """Append the TFLite operators of one operation.

    Raises:
        ModelError: the operation is not covered, or its parameters break the int8 specification.
    """
    if op.kind in _EMITTERS:
        _EMITTERS[op.kind](writer, op)
    elif op.kind in _PASS_THROUGH:
        _pass_through(writer, op, _PASS_THROUGH[op.kind])
    else:
        raise uncovered(op, "the operator is not among " + ", ".join(sorted(COVERED)))


def _pass_through(
    writer: TfliteWriter, op: Operation, body: Callable[[TfliteWriter, Operation, Tensor], None]
) -> None:
    """An operation that TFLite computes without rescaling; QUANTIZE follows where scales differ."""
    x = op.activations()[0]
    if x.same_parameters(op.output):
        body(writer, op, op.output)
        return
    name = f"{op.output.name}/unscaled"
    unscaled = replace(op.output, name=name, scale=x.scale, zero_point=x.zero_point)
    body(writer, op, unscaled)
    _quantize(writer, unscaled, op.output)


def _quantize(writer: TfliteWriter, x: Tensor, output: Tensor) -> None:
    inputs = [writer.activation(x)]
    writer.operator("QUANTIZE", 1, inputs, writer.activation(output), schema.QuantizeOptionsT())


def _requantize(writer: TfliteWriter, op: Operation) -> None:
    _quantize(writer, op.activations()[0], op.output)


def _broadcastable(writer: TfliteWriter, op: Operation, tensor: Tensor | None) -> int:
    """Index of an operand of ADD, SUB or MUL; constants get the output's rank in NHWC order."""
    if tensor is None:
        raise uncovered(op, "an operand is neither an int8 activation nor an int8 constant")
    rank = len(op.output.shape)
    if not isinstance(tensor, Constant):
        if len(tensor.shape) != rank:
            raise uncovered(op, f"operand '{tensor.name}' has another rank than the output")
        return writer.activation(tensor)
    if tensor.values.dtype != np.int8 or tensor.scale.size != 1 or tensor.values.ndim > rank:
        raise uncovered(op, f"constant '{tensor.name}' is not int8 with one scale")
    values = tensor.values.reshape((1,) * (rank - tensor.values.ndim) + tensor.values.shape)
    if rank == 4:
        values = values.transpose(0, 2, 3, 1)
    return writer.constant(tensor.name, np.ascontiguousarray(values), tensor)


def _elementwise(writer: TfliteWriter, op: Operation) -> None:
    inputs = [_broadcastable(writer, op, tensor) for tensor in op.inputs]
    options = {"Add": schema.AddOptionsT, "Sub": schema.SubOptionsT, "Mul": schema.MulOptionsT}
    version = 2
    if op.kind == "Mul":
        a, b = (float(tensor.scale[0]) for tensor in op.inputs if tensor is not None)
        version = 3 if a * b / float(op.output.scale[0]) >= 1.0 else 2
    writer.operator(
        op.kind.upper(),
        version,
        inputs,
        writer.activation(op.output),
        options[op.kind](fusedActivationFunction=ACTIVATIONS[op.activation]),
    )


def _concat(writer: TfliteWriter, op: Operation) -> None:
    parts = op.activations()
    if len(parts) != len(op.inputs):
        raise uncovered(op, "it concatenates a constant")
    inputs = []
    for position, part in enumerate(parts):
        if part.same_parameters(op.output):
            inputs.append(writer.activation(part))
            continue
        rescaled = replace(
            part,
            name=f"{op.output.name}/part{position}",
            scale=op.output.scale,
            zero_point=op.output.zero_point,
        )
        _quantize(writer, part, rescaled)
        inputs.append(writer.activation(rescaled))
    rank = len(op.output.shape)
    options = schema.ConcatenationOptionsT(axis=NHWC_AXIS[rank][op.attributes["axis"] % rank])
    writer.operator("CONCATENATION", 2, inputs, writer.activation(op.output), options)


def _resize(writer: TfliteWriter, op: Operation, output: Tensor) -> None:
    x, attributes = op.activations()[0], op.attributes
    mode = attributes.get("mode", "nearest")
    coordinates = attributes.get("coordinate_transformation_mode", "half_pixel")
    rounding = attributes.get("nearest_mode", "round_prefer_floor")
    if x.shape[:2] != output.shape[:2] or attributes.get("antialias", 0):
        raise uncovered(op, "it resizes more than rows and columns, or filters")
    if 2 in op.constants and op.constants[2].size:
        scales = [float(out / size) for out, size in zip(output.shape, x.shape, strict=True)]
        given = [1.0] * (4 - op.constants[2].size) + [float(s) for s in op.constants[2]]
        if not np.allclose(given, scales, 1e-6, 0):
            raise uncovered(op, f"its scales {given} do not give whole rows and columns")
    inputs = [
        writer.activation(x),
        writer.constant(f"{op.output.name}/size", np.array(output.shape[2:], np.int32)),
    ]
    options: Any
    if (mode, coordinates, rounding) == ("nearest", "asymmetric", "floor"):
        _check_nearest(op, x.shape[2:], output.shape[2:])
        code, version, options = (
            "RESIZE_NEAREST_NEIGHBOR",
            2,
            schema.ResizeNearestNeighborOptionsT(),
        )
    elif (mode, coordinates) == ("linear", "half_pixel"):
        code, version = "RESIZE_BILINEAR", 3
        options = schema.ResizeBilinearOptionsT(halfPixelCenters=True)
    else:
        why = f"its mode is {mode}, {coordinates}" + (f", {rounding}" * (mode == "nearest"))
        raise uncovered(op, f"{why}; nearest, asymmetric, floor and linear, half_pixel are covered")
    writer.operator(code, version, inputs, writer.activation(output), options)


def _check_nearest(op: Operation, before: tuple[int, ...], after: tuple[int, ...]) -> None:
    """TFLite multiplies by a float32 ratio, which for a few sizes lands one pixel off."""
    for size, out in zip(before, after, strict=True):
        index = np.arange(out)
        ratio = np.float32(size) / np.float32(out)
        if (np.floor(index.astype(np.float32) * ratio) != index * size // out).any():
            raise uncovered(op, f"TFLite rounds the resize from {size} to {out} differently")


def _depth_to_space(writer: TfliteWriter, op: Operation, output: Tensor) -> None:
    # op_version.cc says 2 for int8, but LiteRT registers only 1, which takes int8 as well.
    options = schema.DepthToSpaceOptionsT(blockSize=op.attributes["blocksize"])
    inputs = [writer.activation(op.activations()[0])]
    writer.operator("DEPTH_TO_SPACE", 1, inputs, writer.activation(output), options)


def _reshape(writer: TfliteWriter, op: Operation, output: Tensor) -> None:
    shape = np.array(nhwc(output.shape), np.int32)
    inputs = [
        writer.activation(op.activations()[0]),
        writer.constant(f"{op.output.name}/shape", shape),
    ]
    options = schema.ReshapeOptionsT(newShape=shape)
    writer.operator("RESHAPE", 1, inputs, writer.activation(output), options)


def _relu(writer: TfliteWriter, op: Operation) -> None:
    inputs = [writer.activation(op.activations()[0])]
    writer.operator("RELU", 2, inputs, writer.activation(op.output))


def _relu6(writer: TfliteWriter, op: Operation, output: Tensor) -> None:
    # TFLM's RELU6 clamps integers and does not rescale.
    inputs = [writer.activation(op.activations()[0])]
    writer.operator("RELU6", 2, inputs, writer.activation(output))


def _space_to_depth(writer: TfliteWriter, op: Operation, output: Tensor) -> None:
    options = schema.SpaceToDepthOptionsT(blockSize=op.attributes["blocksize"])
    inputs = [writer.activation(op.activations()[0])]
    writer.operator("SPACE_TO_DEPTH", 2, inputs, writer.activation(output), options)


def _slice(writer: TfliteWriter, op: Operation, output: Tensor) -> None:
    x, rank = op.activations()[0], len(output.shape)
    starts, ends = np.zeros(rank, np.int64), np.array(x.shape, np.int64)
    given = [op.constants.get(position) for position in (1, 2, 3, 4)]
    if given[0] is None or given[1] is None:
        raise uncovered(op, "where it begins and ends is computed")
    axes = range(given[0].size) if given[2] is None else given[2]
    if given[3] is not None and (given[3] != 1).any():
        raise uncovered(op, "it takes steps other than 1")
    for axis, start, end in zip(axes, given[0], given[1], strict=True):
        size = x.shape[int(axis)]
        starts[axis] = np.clip(start + size * (start < 0), 0, size)
        ends[axis] = np.clip(end + size * (end < 0), 0, size)
    inputs = [
        writer.activation(x),
        *(
            writer.constant(f"{op.output.name}/{part}", np.array(nhwc(tuple(values)), np.int32))
            for part, values in (("begin", starts), ("size", ends - starts))
        ),
    ]
    writer.operator("SLICE", 2, inputs, writer.activation(output), schema.SliceOptionsT())


def _matrix_product(writer: TfliteWriter, op: Operation) -> None:
    # A map of one row is its matrix [columns, channels] in memory.
    inputs = [writer.activation(tensor) for tensor in op.activations()]
    left, right = op.attributes["transposed"]
    options = schema.BatchMatMulOptionsT(adjX=left, adjY=right)
    writer.operator("BATCH_MATMUL", 2, inputs, writer.activation(op.output), options)


def _reduction(writer: TfliteWriter, op: Operation) -> None:
    x = op.activations()[0]
    axes: NDArray[Any] | list[int] | None = op.constants.get(1, op.attributes.get("axes"))
    if op.kind == "GlobalAveragePool":
        axes = [2, 3]
    if len(x.shape) != 4 or axes is None or sorted(int(a) % 4 for a in axes) != [2, 3]:
        raise uncovered(op, "only means and sums over rows and columns are")
    inputs = [
        writer.activation(x),
        writer.constant(f"{op.output.name}/axes", np.array([1, 2], np.int32)),
    ]
    options = schema.ReducerOptionsT(keepDims=len(op.output.shape) == 4)
    code = "SUM" if op.kind == "ReduceSum" else "MEAN"
    writer.operator(code, 2, inputs, writer.activation(op.output), options)


def _fixed(
    code: str, scale: float, zero_point: int, options: Callable[[], Any] | None, channels: bool
) -> Callable[[TfliteWriter, Operation], None]:
    """An operation whose output parameters the specification fixes.

    Args:
        code: the TFLite builtin operator.
        scale, zero_point: the fixed parameters of the output.
        options: makes the operator's options; None for none.
        channels: whether the operation runs along an axis, which must be the channels.
    """

    def function(writer: TfliteWriter, op: Operation) -> None:
        output, rank = op.output, len(op.output.shape)
        if channels and op.attributes.get("axis", -1) % rank != 1:
            raise uncovered(op, "its axis is not the channels (1)")
        if op.attributes.get("p", 2) != 2:
            raise uncovered(op, f"it normalises with p={op.attributes['p']}, not 2")
        inputs = [writer.activation(op.activations()[0])]
        made = options() if options else None
        own = replace(output, scale=np.array([scale], np.float32), zero_point=zero_point)
        if own.same_parameters(output):
            writer.operator(code, 2, inputs, writer.activation(output), made)
            return
        # Other quantisers take other parameters: they get them in a second step.
        own = replace(own, name=f"{output.name}/fixed")
        writer.operator(code, 2, inputs, writer.activation(own), made)
        _quantize(writer, own, output)

    return function


def _hard_swish(writer: TfliteWriter, op: Operation) -> None:
    inputs = [writer.activation(op.activations()[0])]
    output = writer.activation(op.output)
    writer.operator("HARD_SWISH", 1, inputs, output, schema.HardSwishOptionsT())


def _leaky_relu(writer: TfliteWriter, op: Operation) -> None:
    inputs = [writer.activation(op.activations()[0])]
    options = schema.LeakyReluOptionsT(alpha=op.attributes.get("alpha", 0.01))
    writer.operator("LEAKY_RELU", 2, inputs, writer.activation(op.output), options)


def _prelu(writer: TfliteWriter, op: Operation) -> None:
    slopes = op.inputs[1]
    if not isinstance(slopes, Constant) or slopes.scale.size != 1 or slopes.values.dtype != np.int8:
        raise uncovered(op, "its slopes are not int8 constants with one scale")
    values = slopes.values.reshape(-1, *((1, 1) if len(op.output.shape) == 4 else ()))
    if values.size not in (1, op.output.shape[1]):
        raise uncovered(op, "it has another number of slopes than channels")
    # TFLite has no batch here: [1, 1, C].
    ordered = np.ascontiguousarray(values.transpose(1, 2, 0) if values.ndim == 3 else values)
    inputs = [
        writer.activation(op.activations()[0]),
        writer.constant(f"{op.output.name}/slopes", ordered, slopes),
    ]
    writer.operator("PRELU", 1, inputs, writer.activation(op.output))


def _pad(writer: TfliteWriter, op: Operation, output: Tensor) -> None:
    pads = op.constants.get(1)
    value = op.constants.get(2)
    if op.attributes.get("mode", "constant") != "constant" or pads is None or 3 in op.constants:
        raise uncovered(op, "only a constant padding of all axes is")
    if value is not None and value.size and float(value.flat[0]) != 0:
        raise uncovered(op, "it pads with another value than 0")
    rank = len(output.shape)
    amounts = np.array(pads, np.int32).reshape(2, rank).T
    order = [0, *range(2, rank), 1] if rank == 4 else list(range(rank))
    name = f"{op.output.name}/amounts"
    inputs = [
        writer.activation(op.activations()[0]),
        writer.constant(name, np.ascontiguousarray(amounts[order])),
    ]
    writer.operator("PAD", 2, inputs, writer.activation(output), schema.PadOptionsT())


def _permute(writer: TfliteWriter, op: Operation, output: Tensor) -> None:
    """Elements in another order: RESHAPE, TRANSPOSE, RESHAPE of the map as it lies in memory."""
    x = op.activations()[0]
    split, order = op.attributes["split"], op.attributes["order"]
    if split[0] != 1 or order[0] != 0 or len(x.shape) != 4:
        raise uncovered(op, "it moves the batch")
    groups = _axis_groups(split[1:], x.shape[1:])
    after = _axis_groups([split[axis] for axis in order[1:]], output.shape[1:])
    if groups is None or after is None:
        raise uncovered(op, f"its pieces {split} do not make up whole channels, rows and columns")
    # Both maps lie in memory by rows, columns and channels.
    before_axes = [axis for group in (groups[1], groups[2], groups[0]) for axis in group]
    wanted = [order[1 + axis] - 1 for group in (after[1], after[2], after[0]) for axis in group]
    kept = [axis for axis in before_axes if split[1 + axis] != 1]
    perm = np.array([kept.index(axis) for axis in wanted if split[1 + axis] != 1], np.int32)
    sizes = np.array([split[1 + axis] for axis in kept], np.int32)
    name = op.output.name
    if len(sizes) > MOST_AXES:
        raise uncovered(op, f"it takes a map apart into {len(sizes)} axes, more than {MOST_AXES}")
    apart = replace(x, name=f"{name}/apart", shape=tuple(sizes.tolist()))
    moved = replace(x, name=f"{name}/moved", shape=tuple(sizes[perm].tolist()))
    writer.operator(
        "RESHAPE",
        1,
        [writer.activation(x), writer.constant(f"{name}/split", sizes)],
        writer.declared(apart),
        schema.ReshapeOptionsT(newShape=sizes),
    )
    source = len(writer.tensors) - 1
    result = writer.declared(moved)
    writer.operator(
        "TRANSPOSE",
        2,
        [source, writer.constant(f"{name}/order", perm)],
        result,
        schema.TransposeOptionsT(),
    )
    shape = np.array(nhwc(output.shape), np.int32)
    writer.operator(
        "RESHAPE",
        1,
        [result, writer.constant(f"{name}/shape", shape)],
        writer.activation(output),
        schema.ReshapeOptionsT(newShape=shape),
    )


def _axis_groups(sizes: Sequence[int], shape: Sequence[int]) -> list[list[int]] | None:
    """Which of the pieces make up each axis, in order; None where they do not fit."""
    groups: list[list[int]] = []
    axis = 0
    for size in shape:
        group: list[int] = []
        while prod(sizes[a] for a in group) < size and axis < len(sizes):
            group.append(axis)
            axis += 1
        if prod(sizes[a] for a in group) != size:
            return None
        groups.append(group)
    groups[-1] += range(axis, len(sizes))
    return groups


def _fully_connected(writer: TfliteWriter, op: Operation) -> None:
    attributes = op.attributes
    if (
        attributes.get("alpha", 1.0) != 1.0
        or attributes.get("beta", 1.0) != 1.0
        or attributes.get("transA", 0)
    ):
        raise uncovered(op, "alpha and beta must be 1 and transA 0")
    x = op.activations()[0]
    if len(x.shape) != 2:
        raise uncovered(op, f"its input has the shape {x.shape}, not (1, features)")
    output_axis = 0 if attributes.get("transB", 0) else 1
    weights, bias = weights_and_bias(op, output_axis)
    values = np.ascontiguousarray(weights.values if output_axis == 0 else weights.values.T)
    if values.shape[1] != prod(x.shape):
        raise uncovered(op, f"its weights {weights.shape} do not fit the input {x.shape}")
    inputs = [
        writer.activation(x),
        writer.constant(f"{op.output.name}/weights", values, weights),
        writer.constant(f"{op.output.name}/bias", bias.values, bias),
    ]
    options = schema.FullyConnectedOptionsT(fusedActivationFunction=ACTIVATIONS[op.activation])
    writer.operator("FULLY_CONNECTED", 4, inputs, writer.activation(op.output), options)


_EMITTERS: dict[str, Callable[[TfliteWriter, Operation], None]] = {
    "Conv": convolution,
    "Add": _elementwise,
    "Sub": _elementwise,
    "Mul": _elementwise,
    "Concat": _concat,
    "ReduceMean": _reduction,
    "ReduceSum": _reduction,
    "GlobalAveragePool": _reduction,
    MATRIX_PRODUCT: _matrix_product,
    "Relu": _relu,
    "HardSwish": _hard_swish,
    "LeakyRelu": _leaky_relu,
    "PRelu": _prelu,
    "ConvTranspose": transpose_convolution,
    "Sigmoid": _fixed("LOGISTIC", 1 / 256, -128, None, channels=False),
    "Tanh": _fixed("TANH", 1 / 128, 0, None, channels=False),
    "Softmax": _fixed("SOFTMAX", 1 / 256, -128, lambda: schema.SoftmaxOptionsT(beta=1.0), True),
    "LpNormalization": _fixed("L2_NORMALIZATION", 1 / 128, 0, schema.L2NormOptionsT, True),
    "Requantize": _requantize,
    "Identity": _requantize,
    **dict.fromkeys(FULLY_CONNECTED, _fully_connected),
}
_PASS_THROUGH: dict[str, Callable[[TfliteWriter, Operation, Tensor], None]] = {
    "Resize": _resize,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Slice": _slice,
    "Pad": _pad,
    PERMUTE: _permute,
    "AveragePool": pool,
    "MaxPool": pool,
    "Relu6": _relu6,
    **dict.fromkeys((*RESHAPES, ROWS_RESHAPE), _reshape),
}
COVERED = {"Clip", *_EMITTERS, *_PASS_THROUGH} - {
    "Requantize",
    "Relu6",
    MATRIX_PRODUCT,
    PERMUTE,
    ROWS_RESHAPE,
}
