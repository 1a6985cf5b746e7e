"""Random layers of the operators that came later: int16 and float32 layers, batches, states."""

from dataclasses import replace
from math import prod, sqrt
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.graph_writer import GraphWriter, Shape, Value
from tests.firmware_bridge.random_pointwise_layers import LARGEST_FLOAT
from tests.firmware_bridge.random_weighted_layers import PRODUCT, weighted, window

TYPES = ("int8", "int16", "float32")
# What products of random int16 values and int8 weights come to.
WIDE_PRODUCT = 18000 * 70


def convolution(writer: GraphWriter, source: Value) -> bool:
    """CONV_2D on a batch of any type."""
    if source.dtype not in TYPES or len(source.shape) != 4:
        return False
    kernel, size, options = window(writer, source)
    channels = writer.integer(1, 8)
    shape = (channels, *kernel, source.shape[3])
    result = (source.shape[0], *size, channels)
    return _weighted(writer, source, shape, 0, result, schema.Conv2DOptionsT(**options))


def depthwise(writer: GraphWriter, source: Value) -> bool:
    """DEPTHWISE_CONV_2D on a batch of any type."""
    if source.dtype not in TYPES or len(source.shape) != 4:
        return False
    kernel, size, options = window(writer, source)
    multiplier = writer.choice((1, 1, 2))
    channels = source.shape[3] * multiplier
    options = schema.DepthwiseConv2DOptionsT(**options, depthMultiplier=multiplier)
    result = (source.shape[0], *size, channels)
    return _weighted(writer, source, (1, *kernel, channels), 3, result, options)


def fully_connected(writer: GraphWriter, source: Value) -> bool:
    """FULLY_CONNECTED of any type."""
    if source.dtype not in TYPES or not 2 <= len(source.shape) <= 4:
        return False
    depth, channels = source.shape[-1], writer.integer(1, 8)
    result = (prod(source.shape[:-1]), channels)
    options = schema.FullyConnectedOptionsT()
    return _weighted(writer, source, (channels, depth), 0, result, options)


def weights_of_run_time(writer: GraphWriter, source: Value) -> bool:
    """FULLY_CONNECTED whose weights are another tensor, or the input itself."""
    others = [
        v
        for v in writer.values
        if v.dtype == source.dtype and len(v.shape) == 2 and v.shape[1] == source.shape[-1]
    ]
    if source.dtype not in ("int8", "float32") or len(source.shape) != 2 or not others:
        return False
    other = writer.choice(others)
    shape = (source.shape[0], other.shape[0])
    bound = source.bound * other.bound * source.shape[1]
    if bound > LARGEST_FLOAT or not writer.fits(shape):
        return False
    scale = source.scale * other.scale * PRODUCT * sqrt(source.shape[1]) / 50
    quantization: dict[str, Any] = {"bound": bound}
    if source.dtype == "int8":
        quantization = writer.near(scale)
    result = writer.tensor(shape, source.dtype, **quantization)
    options = schema.FullyConnectedOptionsT()
    return writer.layer("FULLY_CONNECTED", [source, other], [result], options, version=4)


def pool(writer: GraphWriter, source: Value) -> bool:
    """AVERAGE_POOL_2D, MAX_POOL_2D, and L2_POOL_2D of floats."""
    if (
        source.dtype not in TYPES
        or len(source.shape) != 4
        or source.zero_point * (source.dtype == "int16")
    ):
        return False
    kernel, size, options = window(writer, source)
    if options.pop("dilationHFactor") * options.pop("dilationWFactor") > 1:
        return False
    options = schema.Pool2DOptionsT(**options, filterHeight=kernel[0], filterWidth=kernel[1])
    codes = ["AVERAGE_POOL_2D", "MAX_POOL_2D"] + ["L2_POOL_2D"] * (source.dtype == "float32")
    result = writer.after(source, (source.shape[0], *size, source.shape[3]))
    return writer.layer(writer.choice(codes), [source], [result], options)


def binary(writer: GraphWriter, source: Value) -> bool:
    """ADD, SUB, MUL, MAXIMUM of int16."""
    if source.dtype != "int16" or source.zero_point:
        return False
    code = writer.choice(("ADD", "SUB", "MUL", "MAXIMUM"))
    others = [
        v
        for v in writer.values
        if v.dtype == "int16"
        and not v.zero_point
        and v.shape == source.shape
        and (code != "MAXIMUM" or v.scale == source.scale)
    ]
    other = writer.choice(others)
    scale = {
        "MAXIMUM": source.scale,
        "MUL": 30000 * source.scale * other.scale,
    }.get(code, 2 * max(source.scale, other.scale))
    options: Any = {
        "ADD": schema.AddOptionsT,
        "SUB": schema.SubOptionsT,
        "MUL": schema.MulOptionsT,
        "MAXIMUM": schema.MaximumMinimumOptionsT,
    }[code]()
    if code in ("ADD", "SUB"):
        options.potScaleInt16 = False
    if code != "MAXIMUM":
        options.fusedActivationFunction = writer.choice((0, 1, 3))
    result = writer.tensor(source.shape, "int16", scale=float(np.float32(scale)))
    return writer.layer(code, [source, other], [result], options)


def activation(writer: GraphWriter, source: Value) -> bool:
    """int16 activations, and ELU of int8."""
    if source.dtype == "int8":
        result = writer.tensor(source.shape, **writer.near(source.scale))
        return writer.layer("ELU", [source], [result])
    if source.dtype != "int16" or source.zero_point:
        return False
    code = writer.choice(("LOGISTIC", "TANH", "RELU", "LEAKY_RELU", "ABS", "SOFTMAX"))
    scale, options = source.scale * writer.uniform(-0.3, 0.3), None
    if code in ("LOGISTIC", "TANH", "SOFTMAX"):
        scale = 2.0**-15
    if code == "LOGISTIC" and source.scale > 0.5:
        return False
    if code == "LEAKY_RELU":
        options = schema.LeakyReluOptionsT(alpha=writer.choice((0.01, 0.3)))
    if code == "SOFTMAX":
        options = schema.SoftmaxOptionsT(beta=1.0)
        if source.scale > 0.5:
            return False
    result = writer.tensor(source.shape, "int16", scale=float(np.float32(scale)))
    return writer.layer(code, [source], [result], options)


def matrices(writer: GraphWriter, source: Value) -> bool:
    """BATCH_MATMUL of a tensor and itself transposed, int16 and float32."""
    rank = len(source.shape)
    if source.dtype not in ("int16", "float32") or not 2 <= rank <= 4 or source.zero_point:
        return False
    shape = (*source.shape[:-1], source.shape[-2])
    bound = source.bound**2 * source.shape[-1]
    if not writer.fits(shape) or bound > LARGEST_FLOAT:
        return False
    quantization: dict[str, Any] = {"bound": bound}
    if source.dtype == "int16":
        quantization = {"scale": source.scale**2 * 20000 * sqrt(source.shape[-1])}
        if not 1e-30 < quantization["scale"] < 1e6:
            return False
    result = writer.tensor(shape, source.dtype, **quantization)
    options = schema.BatchMatMulOptionsT(adjX=False, adjY=True)
    return writer.layer("BATCH_MATMUL", [source, source], [result], options)


def reduction(writer: GraphWriter, source: Value) -> bool:
    """MEAN or SUM of int16."""
    if source.dtype != "int16" or source.zero_point or len(source.shape) > 4:
        return False
    axis = writer.integer(0, len(source.shape) - 1)
    shape = tuple(1 if a == axis else n for a, n in enumerate(source.shape))
    code = writer.choice(("MEAN", "SUM"))
    terms = source.shape[axis]
    scale = source.scale * (1 if code == "MEAN" else terms)
    result = writer.tensor(shape, "int16", scale=float(np.float32(scale)))
    options = schema.ReducerOptionsT(keepDims=True)
    return writer.layer(code, [source, writer.integers([axis])], [result], options)


def select(writer: GraphWriter, source: Value) -> bool:
    """A comparison, sometimes turned round, and SELECT_V2 by it."""
    others = [v for v in writer.values if v.like(source) and v.shape == source.shape]
    if source.dtype not in ("int8", "float32") or source.scale >= 0.9 or len(source.shape) > 4:
        return False
    other = writer.choice(others)
    code = writer.choice(("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"))
    condition = writer.tensor(source.shape, "bool", final=True)
    writer.layer(code, [source, other], [condition])
    if writer.chance(0.3):
        turned = writer.tensor(source.shape, "bool", final=True)
        writer.layer("LOGICAL_NOT", [condition], [turned])
        condition = turned
    result = replace(writer.after(source, source.shape), bound=max(source.bound, other.bound))
    return writer.layer("SELECT_V2", [condition, source, other], [result])


def difference(writer: GraphWriter, source: Value) -> bool:
    """SQUARED_DIFFERENCE."""
    if source.dtype not in TYPES or len(source.shape) > 4:
        return False
    if source.dtype == "int16" and source.zero_point:
        return False
    others = [v for v in writer.values if v.dtype == source.dtype and v.shape == source.shape]
    other = writer.choice(others)
    if source.dtype == "float32":
        bound = (source.bound + other.bound) ** 2
        if bound > LARGEST_FLOAT:
            return False
        result = writer.tensor(source.shape, "float32", bound=bound)
    else:
        scale = max(source.scale, other.scale) ** 2 * (100 if source.dtype == "int8" else 30000)
        zero = writer.integer(-128, 127) if source.dtype == "int8" else 0
        if other.dtype == "int16" and other.zero_point:
            return False
        result = writer.tensor(
            source.shape, source.dtype, scale=float(np.float32(scale)), zero_point=zero
        )
    return writer.layer("SQUARED_DIFFERENCE", [source, other], [result])


def extreme(writer: GraphWriter, source: Value) -> bool:
    """REDUCE_MAX or REDUCE_MIN."""
    if source.dtype not in ("int8", "float32") or len(source.shape) > 4:
        return False
    axis = writer.integer(0, len(source.shape) - 1)
    shape = tuple(1 if a == axis else n for a, n in enumerate(source.shape))
    options = schema.ReducerOptionsT(keepDims=True)
    code = writer.choice(("REDUCE_MAX", "REDUCE_MIN"))
    inputs: list[Value | int] = [source, writer.integers([axis])]
    return writer.layer(code, inputs, [writer.after(source, shape)], options)


def argument(writer: GraphWriter, source: Value) -> bool:
    """ARG_MAX or ARG_MIN, which nobody reads."""
    if source.dtype not in ("int8", "float32") or len(source.shape) < 2:
        return False
    axis = writer.integer(0, len(source.shape) - 1)
    shape = (*source.shape[:axis], *source.shape[axis + 1 :])
    result = writer.tensor(shape, "int32", final=True)
    code = writer.choice(("ARG_MAX", "ARG_MIN"))
    return writer.layer(code, [source, writer.integers(axis)], [result])


def cast(writer: GraphWriter, source: Value) -> bool:
    """CAST of integers to float32."""
    if source.dtype not in ("int8", "int16"):
        return False
    bound = 128.0 if source.dtype == "int8" else 32768.0
    result = writer.tensor(source.shape, "float32", bound=bound)
    return writer.layer("CAST", [source], [result])


def sums(writer: GraphWriter, source: Value) -> bool:
    """CUMSUM or ADD_N."""
    if source.dtype not in ("int8", "float32"):
        return False
    axis = writer.integer(0, len(source.shape) - 1)
    terms, zero = source.shape[axis], writer.integer(-128, 127)
    bound = source.bound * max(terms, 3)
    if bound > LARGEST_FLOAT:
        return False
    quantization: dict[str, Any] = {"bound": bound}
    if source.dtype == "int8":
        quantization = {"scale": float(np.float32(source.scale * 1.7)), "zero_point": zero}
    result = writer.tensor(source.shape, source.dtype, **quantization)
    if writer.chance(0.4):
        return writer.layer("ADD_N", [source] * writer.integer(2, 3), [result])
    options = schema.CumsumOptionsT(exclusive=writer.chance(0.5), reverse=writer.chance(0.5))
    return writer.layer("CUMSUM", [source, writer.integers(axis)], [result], options)


def spread(writer: GraphWriter, source: Value) -> bool:
    """REVERSE_V2, MIRROR_PAD or BROADCAST_TO."""
    rank = len(source.shape)
    if source.dtype not in ("int8", "float32") or rank > 5:
        return False
    code = writer.choice(("REVERSE_V2", "MIRROR_PAD", "BROADCAST_TO"))
    if code == "REVERSE_V2":
        axis = writer.integer(0, rank - 1)
        inputs: list[Value | int] = [source, writer.integers([axis])]
        return writer.layer(code, inputs, [writer.after(source, source.shape)])
    if code == "BROADCAST_TO":
        shape = tuple(writer.integer(1, 3) if n == 1 else n for n in source.shape)
        if not writer.fits(shape):
            return False
        inputs = [source, writer.integers(shape)]
        return writer.layer(code, inputs, [writer.after(source, shape)])
    mode = writer.integer(0, 1)
    amounts = [[writer.integer(0, min(2, n - 1 + mode)) for _ in range(2)] for n in source.shape]
    shape = tuple(n + a + b for n, (a, b) in zip(source.shape, amounts, strict=True))
    if not writer.fits(shape):
        return False
    inputs = [source, writer.integers(amounts)]
    options = schema.MirrorPadOptionsT(mode=mode)
    return writer.layer(code, inputs, [writer.after(source, shape)], options)


def gather_nd(writer: GraphWriter, source: Value) -> bool:
    """GATHER_ND."""
    if source.dtype not in ("int8", "float32"):
        return False
    depth, count = writer.integer(1, len(source.shape)), writer.integer(1, 5)
    indices = [[writer.integer(0, n - 1) for n in source.shape[:depth]] for _ in range(count)]
    shape = (count, *source.shape[depth:])
    if not writer.fits(shape):
        return False
    inputs: list[Value | int] = [source, writer.integers(indices)]
    return writer.layer("GATHER_ND", inputs, [writer.after(source, shape)])


def batches(writer: GraphWriter, source: Value) -> bool:
    """SPACE_TO_BATCH_ND without edges, or BATCH_TO_SPACE_ND."""
    if source.dtype not in ("int8", "float32") or len(source.shape) != 4:
        return False
    images, rows, columns, channels = source.shape
    block = (writer.integer(1, 3), writer.integer(1, 2))
    edges = np.zeros((2, 2), int)
    if images % prod(block) == 0 and writer.chance(0.6):
        shape = (images // prod(block), rows * block[0], columns * block[1], channels)
        if shape[1] > 2:
            edges[0, writer.integer(0, 1)] = 1
            shape = (shape[0], shape[1] - 1, *shape[2:])
        code = "BATCH_TO_SPACE_ND"
    elif rows % block[0] == 0 and columns % block[1] == 0:
        shape = (images * prod(block), rows // block[0], columns // block[1], channels)
        code = "SPACE_TO_BATCH_ND"
    else:
        return False
    inputs: list[Value | int] = [source, writer.integers(block), writer.integers(edges)]
    return writer.layer(code, inputs, [writer.after(source, shape)])


def filter_over_time(writer: GraphWriter, source: Value) -> bool:
    """SVDF."""
    if source.dtype != "int8" or len(source.shape) != 2:
        return False
    rank, units, memory = writer.integer(1, 2), writer.integer(1, 5), writer.integer(1, 6)
    filters, (rows, inputs) = rank * units, source.shape
    wide, builder = writer.chance(0.5), writer.builder
    step = float(np.float32(source.scale * (0.01 if wide else 1.0)))
    kind, largest = ("int16", 3000) if wide else ("int8", 127)
    values = writer.rng.integers(-127, 128, (filters, inputs))
    features = builder.tensor(values.shape, scale=0.01, values=values)
    values = writer.rng.integers(-largest, largest, (filters, memory))
    times = builder.tensor(values.shape, kind, scale=0.001, values=values)
    values = writer.rng.integers(-1000, 1000, units)
    scale = np.float32(step) * np.float32(0.001)
    bias = builder.tensor(values.shape, "int32", scale=scale, values=values)
    state = builder.tensor((rows, filters * memory), kind, scale=step, variable=True)
    result = writer.tensor((rows, units), **writer.near(source.scale))
    options = schema.SVDFOptionsT(rank=rank)
    inputs_ = [source, features, times, bias, state]
    return writer.layer("SVDF", inputs_, [result], options, version=3)


def stream(writer: GraphWriter, source: Value) -> bool:
    """The frames of before, by a variable, in front of the new ones."""
    if (
        source.dtype not in TYPES
        or len(source.shape) < 2
        or (source.dtype == "int16" and source.zero_point)
    ):
        return False
    builder, rows = writer.builder, source.shape[1]
    shape = (source.shape[0], 2 * rows, *source.shape[2:])
    if not writer.fits(shape) or len(shape) > 4:
        return False
    variable = builder.tensor((), "resource")
    name = f"state{len(builder.tensors)}"
    builder.operator("VAR_HANDLE", [], [variable], schema.VarHandleOptionsT(sharedName=name))
    before = writer.after(source, source.shape)
    writer.layer("READ_VARIABLE", [variable], [before])
    whole = writer.after(source, shape)
    options = schema.ConcatenationOptionsT(axis=1)
    writer.layer("CONCATENATION", [before, source], [whole], options)
    builder.operator("ASSIGN_VARIABLE", [variable, source.index], [])
    return True


def widen(writer: GraphWriter, source: Value) -> bool:
    """QUANTIZE to int16, or DEQUANTIZE."""
    if source.dtype == "int8":
        result = writer.tensor(source.shape, "int16", scale=source.scale / 200)
        return writer.layer("QUANTIZE", [source], [result], schema.QuantizeOptionsT())
    if source.dtype == "float32" and writer.chance(0.5):
        result = writer.tensor(source.shape, "int16", scale=max(source.bound, 1e-3) / 30000)
        return writer.layer("QUANTIZE", [source], [result], schema.QuantizeOptionsT())
    return False


def _weighted(
    writer: GraphWriter, source: Value, shape: Shape, axis: int, result: Shape, options: Any
) -> bool:
    """A layer with constant weights: int8's as before, or of int16 or float32 activations."""
    if source.dtype == "int8":
        return weighted(writer, source, shape, axis, result, options)
    if not writer.fits(result) or (source.dtype == "int16" and source.zero_point):
        return False
    channels, floating = shape[axis], source.dtype == "float32"
    values = writer.rng.integers(-127, 128, shape)
    terms, builder = prod(shape) // channels, writer.builder
    code = {
        schema.Conv2DOptionsT: "CONV_2D",
        schema.DepthwiseConv2DOptionsT: "DEPTHWISE_CONV_2D",
        schema.FullyConnectedOptionsT: "FULLY_CONNECTED",
    }[type(options)]
    bias = writer.rng.integers(-99, 100, channels)
    if floating:
        bound = source.bound * terms * 2 + 100
        if bound > LARGEST_FLOAT:
            return False
        weights = builder.tensor(shape, "float32", values=values / 64)
        biases = builder.tensor((channels,), "float32", values=bias)
        output = writer.tensor(result, "float32", bound=bound)
    else:
        scale = source.scale * writer.uniform(-0.5, 0.5)
        spread_ = 15000 * scale / (source.scale * WIDE_PRODUCT * sqrt(terms))
        scales = spread_ * 10 ** writer.rng.uniform(-0.5, 0.5, channels)
        weights = builder.tensor(shape, scale=scales, axis=axis, values=values)
        biases = builder.tensor((channels,), "int64", values=bias * 10000)
        output = writer.tensor(result, "int16", scale=float(np.float32(scale)))
    inputs: list[Value | int] = [source, weights, *([biases] if writer.chance(0.7) else [])]
    return writer.layer(code, inputs, [output], options, version=4)
