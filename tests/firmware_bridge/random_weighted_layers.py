"""Random layers that have weights, or slide a window."""

from dataclasses import replace
from math import gcd, prod, sqrt
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.graph_writer import GraphWriter, Shape, Value
from tests.firmware_bridge.random_moving_layers import pad

NONE, RELU, RELU6 = 0, 1, 3
# What products of random int8 values and weights come to, in steps of both.
PRODUCT = 70 * 70


def convolution(writer: GraphWriter, source: Value) -> bool:
    """CONV_2D, sometimes grouped."""
    geometry = _window(writer, source)
    if geometry is None:
        return False
    kernel, size, options = geometry
    depth, channels = source.shape[3], writer.choice((writer.integer(1, 16), 16))
    common = gcd(depth, channels)
    groups = common if writer.chance(0.15) else 1
    shape = (channels, *kernel, depth // groups)
    return weighted(
        writer, source, shape, 0, (1, *size, channels), schema.Conv2DOptionsT(**options)
    )


def depthwise(writer: GraphWriter, source: Value) -> bool:
    """DEPTHWISE_CONV_2D."""
    geometry = _window(writer, source)
    if geometry is None:
        return False
    kernel, size, options = geometry
    multiplier = writer.choice((1, 1, 1, 2, 3))
    channels = source.shape[3] * multiplier
    options = schema.DepthwiseConv2DOptionsT(**options, depthMultiplier=multiplier)
    return weighted(writer, source, (1, *kernel, channels), 3, (1, *size, channels), options)


def padded(writer: GraphWriter, source: Value) -> bool:
    """A convolution that may take on the padding in front of it."""
    return source.is_image and pad(writer, source) and _either(writer, writer.values[-1])


def activated(writer: GraphWriter, source: Value) -> bool:
    """A convolution whose clamp the activation after it may become."""
    if not _either(writer, source):
        return False
    middle = writer.values[-1]
    result = writer.after(middle, middle.shape)
    return writer.layer(writer.choice(("RELU", "RELU6")), [middle], [result])


def row(writer: GraphWriter, source: Value) -> bool:
    """Three convolutions, between which constant channels may be left out."""
    return (
        convolution(writer, source)
        and _either(writer, writer.values[-1])
        and convolution(writer, writer.values[-1])
    )


def _either(writer: GraphWriter, source: Value) -> bool:
    return depthwise(writer, source) if writer.chance(0.5) else convolution(writer, source)


def transpose_convolution(writer: GraphWriter, source: Value) -> bool:
    """TRANSPOSE_CONV, to any size whose convolution gives the input's."""
    if not source.is_image:
        return False
    kernel, stride = writer.rng.integers(1, 5, 2), writer.rng.integers(1, 4, 2)
    same = writer.chance(0.5)
    least = (np.array(source.shape[1:3]) - 1) * stride + (1 if same else kernel)
    size = least + writer.rng.integers(0, stride)
    channels = writer.integer(1, 8)
    options = schema.TransposeConvOptionsT(
        padding=schema.Padding.SAME if same else schema.Padding.VALID,
        strideH=int(stride[0]),
        strideW=int(stride[1]),
        fusedActivationFunction=writer.choice((NONE, RELU, RELU6)),
    )
    shape = (channels, *(int(n) for n in kernel), source.shape[3])
    return weighted(writer, source, shape, 0, (1, *(int(n) for n in size), channels), options)


def fully_connected(writer: GraphWriter, source: Value) -> bool:
    """FULLY_CONNECTED over the last axis."""
    if source.dtype != "int8" or not 2 <= len(source.shape) <= 4:
        return False
    depth, channels = source.shape[-1], writer.integer(1, 12)
    keep = writer.chance(0.5)
    rows = prod(source.shape[:-1])
    result = (*source.shape[:-1], channels) if keep else (rows, channels)
    options = schema.FullyConnectedOptionsT(
        keepNumDims=keep, fusedActivationFunction=writer.choice((NONE, RELU, RELU6))
    )
    return weighted(writer, source, (channels, depth), 0, result, options)


def pool(writer: GraphWriter, source: Value) -> bool:
    """AVERAGE_POOL_2D or MAX_POOL_2D."""
    geometry = _window(writer, source)
    if geometry is None:
        return False
    kernel, size, options = geometry
    if options.pop("dilationHFactor") * options.pop("dilationWFactor") > 1:
        return False
    options = schema.Pool2DOptionsT(**options, filterHeight=kernel[0], filterWidth=kernel[1])
    result = writer.after(source, (1, *size, source.shape[3]))
    code = writer.choice(("AVERAGE_POOL_2D", "MAX_POOL_2D"))
    return writer.layer(code, [source], [result], options)


def batch_matmul(writer: GraphWriter, source: Value) -> bool:
    """BATCH_MATMUL with a constant, with itself transposed, or with another tensor."""
    rank = len(source.shape)
    if source.dtype != "int8" or not 2 <= rank <= 4:
        return False
    terms = source.shape[-1]
    others = [
        v
        for v in writer.values
        if v.dtype == "int8" and v.shape[:-1] == (*source.shape[:-2], terms)
    ]
    adjoint = False
    if writer.chance(0.3):
        other, adjoint = source, True
    elif others and writer.chance(0.7):
        other = writer.choice(others)
    else:
        shape = (*source.shape[:-2], terms, writer.integer(1, 6))
        other = writer.constant(replace(source, shape=shape, scale=writer.uniform(-2, -1)))
    columns = other.shape[-2] if adjoint else other.shape[-1]
    shape = (*source.shape[:-1], columns)
    if not writer.fits(shape):
        return False
    scale = source.scale * other.scale * PRODUCT * sqrt(terms) / 50
    result = writer.tensor(shape, **writer.near(scale))
    options = schema.BatchMatMulOptionsT(adjX=False, adjY=adjoint)
    return writer.layer("BATCH_MATMUL", [source, other], [result], options)


def lstm(writer: GraphWriter, source: Value) -> bool:
    """UNIDIRECTIONAL_SEQUENCE_LSTM."""
    if source.dtype != "int8" or len(source.shape) != 3 or source.shape[2] > 40:
        return False
    time_major, units = writer.chance(0.5), writer.integer(1, 8)
    batches = source.shape[1 if time_major else 0]
    layer: list[Any] = [-1] * 24
    layer[0] = source
    for index in range(1, 9):
        columns = source.shape[2] if index < 5 else units
        weights = writer.rng.integers(-127, 128, (units, columns))
        layer[index] = writer.builder.tensor(
            weights.shape, scale=writer.uniform(-3, -2), values=weights
        )
    for index in range(12, 16):
        bias = writer.rng.integers(-3000, 3000, units)
        layer[index] = writer.builder.tensor((units,), "int32", scale=0.001, values=bias)
    hidden: dict[str, Any] = {
        "scale": writer.uniform(-2.5, -1.7),
        "zero_point": writer.integer(-128, 127),
    }
    layer[18] = writer.builder.tensor((batches, units), **hidden, variable=True)
    layer[19] = writer.builder.tensor((batches, units), "int16", scale=2.0**-11, variable=True)
    options = schema.UnidirectionalSequenceLSTMOptionsT(
        fusedActivationFunction=schema.ActivationFunctionType.TANH,
        cellClip=10.0,
        timeMajor=time_major,
    )
    result = writer.tensor((*source.shape[:2], units), **hidden)
    return writer.layer("UNIDIRECTIONAL_SEQUENCE_LSTM", layer, [result], options, version=3)


def _window(
    writer: GraphWriter, source: Value
) -> tuple[tuple[int, int], tuple[int, int], dict[str, Any]] | None:
    """Kernel, size of the result, options; None where the input is no image."""
    return window(writer, source) if source.is_image else None


def window(
    writer: GraphWriter, source: Value
) -> tuple[tuple[int, int], tuple[int, int], dict[str, Any]]:
    """Kernel, size of the result and options of a layer on a batch of images."""
    kernel, stride, dilation = (1, 1), (1, 1), (1, 1)
    if writer.chance(0.7):
        kernel = (writer.integer(1, 4), writer.integer(1, 4))
        stride = (writer.integer(1, 3), writer.integer(1, 3)) if writer.chance(0.6) else (1, 1)
        if writer.chance(0.3):
            dilation = (writer.integer(1, 3), writer.integer(1, 3))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    image = source.shape[1:3]
    same = writer.chance(0.5) or any(r > n for r, n in zip(reach, image, strict=True))
    rows, columns = (
        -(-n // s) if same else (n - r) // s + 1
        for n, r, s in zip(image, reach, stride, strict=True)
    )
    options = {
        "padding": schema.Padding.SAME if same else schema.Padding.VALID,
        "strideH": stride[0],
        "strideW": stride[1],
        "dilationHFactor": dilation[0],
        "dilationWFactor": dilation[1],
        "fusedActivationFunction": writer.choice((NONE, NONE, RELU, RELU6)),
    }
    return kernel, (rows, columns), options


def weighted(
    writer: GraphWriter, source: Value, shape: Shape, axis: int, result: Shape, options: Any
) -> bool:
    """A layer whose weights have the output channels along `axis`, some of them zero."""
    if not writer.fits(result):
        return False
    channels = shape[axis]
    weights = np.moveaxis(writer.rng.integers(-127, 128, shape), axis, 0)
    if writer.chance(0.45):
        weights[writer.rng.random(channels) < writer.rng.uniform(0.2, 1)] = 0
    if writer.chance(0.2):
        weights[..., writer.rng.random(weights.shape[-1]) < 0.6] = 0
    weights = np.moveaxis(weights, 0, axis)
    terms = prod(shape) // channels
    quantization = writer.near(source.scale * writer.uniform(-0.5, 0.5))
    spread = 40 * quantization["scale"] / (source.scale * PRODUCT * sqrt(terms))
    single = writer.chance(0.3)
    scales = spread * 10 ** writer.rng.uniform(-0.5, 0.5, 1 if single else channels)
    index = writer.builder.tensor(shape, scale=scales, axis=0 if single else axis, values=weights)
    inputs: list[Value | int] = [source, index]
    if isinstance(options, schema.TransposeConvOptionsT):
        inputs = [writer.integers(result), index, source]
    if writer.chance(0.8):
        # As far as the sums reach.
        bias = writer.rng.integers(-1, 2, channels) * writer.rng.integers(0, 40 * PRODUCT, channels)
        scale = np.float32(source.scale) * np.asarray(scales, np.float32)
        inputs.append(writer.builder.tensor((channels,), "int32", scale=scale, values=bias))
    code = {
        schema.Conv2DOptionsT: "CONV_2D",
        schema.DepthwiseConv2DOptionsT: "DEPTHWISE_CONV_2D",
        schema.TransposeConvOptionsT: "TRANSPOSE_CONV",
        schema.FullyConnectedOptionsT: "FULLY_CONNECTED",
    }[type(options)]
    return writer.layer(code, inputs, [writer.tensor(result, **quantization)], options, version=4)
