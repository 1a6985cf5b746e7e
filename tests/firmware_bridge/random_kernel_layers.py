"""Single layers with weights, drawn so that every fast kernel and each of its fallbacks is met."""

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.tflite_builder import TfliteBuilder

KINDS = ("pointwise", "convolution", "depthwise", "depthwise", "dense")
CHANNELS = (1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 20, 24, 32, 33, 36, 48)
# Among them too many for a half-extended product.
DENSE_INPUTS = (3, 4, 16, 31, 64, 700)
ACTIVATIONS = (0, 0, 1, 2, 3)
ZERO_POINTS = (-128, -128, -1, 0, 5, 127)


def kernel_layer(seed: int, path: Path, kind: str | None = None) -> Path:
    """Write the model of a seed; `kind` is one of KINDS, by default drawn."""
    rng = np.random.default_rng([seed, 4711])
    kind = kind or str(rng.choice(KINDS))
    builder = TfliteBuilder()
    if kind == "dense":
        depth, written = int(rng.choice(DENSE_INPUTS)), int(rng.choice(CHANNELS))
        source_shape: tuple[int, ...] = (int(rng.integers(1, 4)), depth)
        shape: tuple[int, ...] = (written, depth)
        result: tuple[int, ...] = (source_shape[0], written)
        options: Any = schema.FullyConnectedOptionsT()
        code, axis = "FULLY_CONNECTED", 0
    else:
        source_shape, shape, result, options = _image_layer(rng, kind)
        code = "DEPTHWISE_CONV_2D" if kind == "depthwise" else "CONV_2D"
        axis = 3 if kind == "depthwise" else 0
    options.fusedActivationFunction = int(rng.choice(ACTIVATIONS))
    channels = shape[axis]
    scale = float(rng.choice([0.02, 0.1]))
    source = builder.tensor(source_shape, scale=scale, zero_point=int(rng.choice(ZERO_POINTS)))
    values = np.moveaxis(_weights(rng, shape), axis, 0)
    output_scale = float(10 ** rng.uniform(-2.3, -0.5))
    # From one that shifts to the left, which only small sums allow, to one that leaves nothing.
    factor = 10 ** (rng.uniform(-4, -1.5) if rng.random() < 0.85 else rng.uniform(-1, 0.3))
    scales = factor * output_scale / scale * 10 ** rng.uniform(-0.4, 0.4, channels)
    weights = builder.tensor(shape, scale=scales, axis=axis, values=np.moveaxis(values, 0, axis))
    inputs = [source, weights]
    if rng.random() < 0.8:
        bias_scale = np.float32(scale) * scales.astype(np.float32)
        bias = rng.integers(-20_000, 20_000, channels)
        inputs.append(builder.tensor((channels,), "int32", scale=bias_scale, values=bias))
    output = builder.tensor(result, scale=output_scale, zero_point=int(rng.choice(ZERO_POINTS)))
    builder.operator(code, inputs, [output], options, version=3 if kind != "dense" else 4)
    return builder.save(path, [source], [output])


def _image_layer(
    rng: np.random.Generator, kind: str
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], Any]:
    size = rng.integers(1, 14, 2)
    read = int(rng.choice(CHANNELS))
    kernel, stride, dilation = np.ones(2, int), np.ones(2, int), np.ones(2, int)
    if kind == "convolution":
        kernel, stride = rng.integers(1, 5, 2), rng.integers(1, 4, 2)
    if kind == "depthwise":
        kernel = np.array([3, 3] if rng.random() < 0.6 else rng.integers(1, 6, 2))
        stride = np.full(2, rng.integers(1, 3)) if rng.random() < 0.8 else rng.integers(1, 4, 2)
    if kind != "pointwise" and rng.random() < 0.15:
        dilation = rng.integers(1, 3, 2)
    reach = (kernel - 1) * dilation + 1
    same = rng.random() < 0.6 or bool(np.any(reach > size))
    result = -(-size // stride) if same else (size - reach) // stride + 1
    geometry = {
        "padding": schema.Padding.SAME if same else schema.Padding.VALID,
        "strideH": int(stride[0]),
        "strideW": int(stride[1]),
        "dilationHFactor": int(dilation[0]),
        "dilationWFactor": int(dilation[1]),
    }
    rows, columns = (int(n) for n in kernel)
    if kind == "depthwise":
        multiplier = int(rng.choice([1, 1, 1, 1, 2]))
        written, shape = read * multiplier, (1, rows, columns, read * multiplier)
        options: Any = schema.DepthwiseConv2DOptionsT(**geometry, depthMultiplier=multiplier)
    else:
        written = int(rng.choice(CHANNELS))
        shape = (written, rows, columns, read)
        options = schema.Conv2DOptionsT(**geometry)
    image = (1, int(size[0]), int(size[1]), read)
    return image, shape, (1, int(result[0]), int(result[1]), written), options


def _weights(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Often of the whole range, sometimes only its ends, -128 among them, which no rule allows."""
    style = rng.random()
    if style < 0.2:
        return rng.choice([-127, 127], shape)
    if style < 0.3:
        return np.full(shape, 127 if rng.random() < 0.5 else -127)
    if style < 0.4:
        return rng.choice([-128, 127, 0], shape)
    if style < 0.5:
        return rng.integers(-3, 4, shape) * (rng.random(shape) < 10 / prod(shape) + 0.2)
    return rng.integers(-127, 128, shape)
