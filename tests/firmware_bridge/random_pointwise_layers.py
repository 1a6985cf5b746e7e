"""Random layers that compute element by element or along an axis, and float islands."""

from dataclasses import replace
from math import prod, sqrt
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.graph_writer import GraphWriter, Value
from vpr_edge.firmware_bridge.operators.shared.floats import LIBRARY_ULPS

# No float on the way to an integer is larger: 32-bit conversions would overflow in TFLM.
LARGEST_FLOAT = 1e6
OPTIONS = {
    "ADD": schema.AddOptionsT,
    "SUB": schema.SubOptionsT,
    "MUL": schema.MulOptionsT,
    "MAXIMUM": schema.MaximumMinimumOptionsT,
    "MINIMUM": schema.MaximumMinimumOptionsT,
}
# Float results to which the C library contributes, by how many last places it may differ.
LIBRARY = {
    "EXP": LIBRARY_ULPS,
    "LOG": LIBRARY_ULPS,
    "LOGISTIC": 3,
    "TANH": LIBRARY_ULPS,
    "SOFTMAX": 8,
    "LOG_SOFTMAX": 8,
}


def binary(writer: GraphWriter, source: Value) -> bool:
    """ADD, SUB, MUL, MAXIMUM or MINIMUM: with a constant, another tensor, or itself."""
    if source.dtype not in ("int8", "float32"):
        return False
    code = writer.choice(("ADD", "ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"))
    extremum = code in ("MAXIMUM", "MINIMUM")
    others = [
        v
        for v in writer.values
        if v.dtype == source.dtype
        and _broadcast(v.shape, source.shape)
        and (not extremum or v.like(source))
    ]
    if writer.chance(0.35):
        keep = writer.integer(0, len(source.shape))
        shape = tuple(1 if writer.chance(0.3) else n for n in source.shape[keep:])
        other = replace(source, shape=shape)
        if source.dtype == "int8" and not extremum:
            other = replace(other, **writer.near(source.scale))
        other = writer.constant(other)
    else:
        other = writer.choice(others)
    pair = [source, other] if writer.chance(0.5) else [other, source]
    shape = np.broadcast_shapes(source.shape, other.shape)
    bound = source.bound * other.bound if code == "MUL" else source.bound + other.bound
    if not writer.fits(shape) or bound > LARGEST_FLOAT:
        return False
    quantization: dict[str, Any] = {"bound": bound}
    if extremum:
        quantization |= {"scale": source.scale, "zero_point": source.zero_point}
    elif source.dtype == "int8":
        scale = max(source.scale, other.scale)
        quantization |= writer.near(60 * source.scale * other.scale if code == "MUL" else scale)
    options = OPTIONS[code]()
    if not extremum:
        options.fusedActivationFunction = writer.choice((0, 0, 1, 2, 3))
    return writer.layer(code, pair, [writer.tensor(shape, source.dtype, **quantization)], options)


def activation(writer: GraphWriter, source: Value) -> bool:
    """RELU, RELU6, LEAKY_RELU, HARD_SWISH."""
    if source.dtype not in ("int8", "float32"):
        return False
    code = writer.choice(("RELU", "RELU", "RELU6", "LEAKY_RELU", "HARD_SWISH"))
    same = code == "RELU6" or writer.chance(0.4)
    result = writer.after(source, source.shape)
    if source.dtype == "int8" and not same:
        result = writer.tensor(source.shape, **writer.near(source.scale))
    options: Any = None
    if code == "LEAKY_RELU":
        options = schema.LeakyReluOptionsT(alpha=writer.choice((0.0, 0.01, 0.3, -0.2)))
    if code == "HARD_SWISH":
        options = schema.HardSwishOptionsT()
        if source.dtype == "float32":
            result = replace(result, bound=source.bound * (source.bound + 3) / 6)
            if result.bound > LARGEST_FLOAT:
                return False
    return writer.layer(code, [source], [result], options)


def sigmoid(writer: GraphWriter, source: Value) -> bool:
    """LOGISTIC or TANH."""
    code = writer.choice(("LOGISTIC", "TANH"))
    if source.dtype == "float32":
        return writer.layer(code, [source], [_of_library(writer, source, code)])
    if source.dtype != "int8":
        return False
    scale, zero_point = (1 / 256, -128) if code == "LOGISTIC" else (1 / 128, 0)
    result = writer.tensor(source.shape, scale=scale, zero_point=zero_point)
    return writer.layer(code, [source], [result])


def prelu(writer: GraphWriter, source: Value) -> bool:
    """PRELU with constant slopes."""
    # TFLM aborts on five dimensions.
    if source.dtype not in ("int8", "float32") or not 2 <= len(source.shape) <= 4:
        return False
    shape = source.shape[writer.integer(0, len(source.shape) - 1) :]
    slopes, quantization = replace(source, shape=shape), dict[str, Any]()
    if source.dtype == "int8":
        slopes = replace(slopes, scale=0.01, zero_point=writer.integer(-128, 127))
        quantization = writer.near(source.scale)
    if source.bound * 4 > LARGEST_FLOAT:
        return False
    result = writer.tensor(source.shape, source.dtype, bound=source.bound * 4, **quantization)
    return writer.layer("PRELU", [source, writer.constant(slopes)], [result])


def function(writer: GraphWriter, source: Value) -> bool:
    """ABS, RSQRT; of floats also NEG, SQUARE, and the roots, EXP and LOG that nobody reads."""
    if source.dtype == "int8":
        code = "RSQRT" if source.zero_point == -128 and writer.chance(0.5) else "ABS"
        scale = source.scale if code == "ABS" else 1 / sqrt(source.scale * 20) / 40
        result = writer.tensor(source.shape, **writer.near(scale))
        return writer.layer(code, [source], [result])
    if source.dtype != "float32":
        return False
    code = writer.choice(("ABS", "NEG", "SQUARE", "SQRT", "RSQRT", "EXP", "LOG"))
    if code in ("SQRT", "RSQRT", "EXP", "LOG"):
        return writer.layer(code, [source], [_of_library(writer, source, code)])
    bound = source.bound**2 if code == "SQUARE" else source.bound
    if bound > LARGEST_FLOAT:
        return False
    return writer.layer(code, [source], [writer.tensor(source.shape, "float32", bound=bound)])


def softmax(writer: GraphWriter, source: Value) -> bool:
    """SOFTMAX, and LOG_SOFTMAX of floats."""
    if len(source.shape) > 4 or source.dtype not in ("int8", "float32"):
        return False
    options: Any = schema.SoftmaxOptionsT(beta=1.0 if writer.chance(0.6) else writer.uniform(-1, 1))
    if source.dtype == "int8":
        form = ("int8", 1 / 256, -128) if writer.chance(0.8) else ("int16", 1 / 65536, -32768)
        result = writer.tensor(source.shape, form[0], scale=form[1], zero_point=form[2])
        return writer.layer("SOFTMAX", [source], [result], options, version=2)
    code = writer.choice(("SOFTMAX", "LOG_SOFTMAX"))
    if code == "LOG_SOFTMAX":
        options = schema.LogSoftmaxOptionsT()
    return writer.layer(code, [source], [_of_library(writer, source, code)], options, version=2)


def normalize(writer: GraphWriter, source: Value) -> bool:
    """L2_NORMALIZATION."""
    if source.dtype not in ("int8", "float32") or len(source.shape) > 4:
        return False
    quantization = {"scale": 1 / 128} if source.dtype == "int8" else {"bound": 1.0}
    result = writer.tensor(source.shape, source.dtype, **quantization)
    return writer.layer("L2_NORMALIZATION", [source], [result], schema.L2NormOptionsT(), version=2)


def reduction(writer: GraphWriter, source: Value) -> bool:
    """MEAN or SUM."""
    rank = len(source.shape)
    if source.dtype not in ("int8", "float32") or rank > 4:
        return False
    axes = [writer.integer(-rank, rank - 1) for _ in range(writer.integer(1, rank))]
    if source.is_image and writer.chance(0.5):
        axes = [1, 2]
    summed = {axis % rank for axis in axes}
    keep = writer.chance(0.5) or len(summed) == rank
    shape = tuple(1 if a in summed else n for a, n in enumerate(source.shape))
    if not keep:
        shape = tuple(n for axis, n in enumerate(source.shape) if axis not in summed)
    code, terms = writer.choice(("MEAN", "SUM")), prod(source.shape[axis] for axis in summed)
    bound = source.bound * terms
    if bound > LARGEST_FLOAT:
        return False
    result = writer.tensor(shape, source.dtype, bound=bound)
    if source.dtype == "int8":
        same = {"scale": source.scale, "zero_point": source.zero_point}
        near = writer.near(source.scale * (1 if code == "MEAN" else sqrt(terms)))
        result = writer.tensor(shape, **(same if writer.chance(0.4) else near))
    options = schema.ReducerOptionsT(keepDims=keep)
    return writer.layer(code, [source, writer.integers(axes)], [result], options)


def convert(writer: GraphWriter, source: Value) -> bool:
    """QUANTIZE or DEQUANTIZE: into and out of a float island, or to other integers."""
    if source.dtype == "float32":
        result = writer.tensor(source.shape, **writer.near(max(source.bound / 100, 1e-3)))
        return writer.layer("QUANTIZE", [source], [result], schema.QuantizeOptionsT())
    if writer.chance(0.4):
        result = writer.tensor(
            source.shape, "float32", bound=source.scale * np.iinfo(source.dtype).max * 2
        )
        if result.bound > LARGEST_FLOAT:
            return False
        return writer.layer("DEQUANTIZE", [source], [result], schema.DequantizeOptionsT())
    if source.dtype == "int8" and writer.chance(0.3):
        scale = source.scale / writer.uniform(0, 2)
        result = writer.tensor(source.shape, "int16", scale=scale)
        if writer.chance(0.3):
            result = writer.tensor(source.shape, "uint8", scale=scale, zero_point=100)
    else:
        factor = {"int8": 1, "uint8": 1, "int16": 200}[source.dtype]
        result = writer.tensor(source.shape, **writer.near(source.scale * factor))
    return writer.layer("QUANTIZE", [source], [result], schema.QuantizeOptionsT())


def _of_library(writer: GraphWriter, source: Value, code: str) -> Value:
    return writer.tensor(source.shape, "float32", ulps=LIBRARY.get(code, 0), final=True)


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(a[::-1], b[::-1], strict=False))
