"""Networks of strangers, rebuilt: the layers of two that MLPerf Tiny made known, random weights.

`residual` has the layers of its image classification (ResNet, 32x32), `mobile` those of its visual
wake words (MobileNetV1 of a quarter width, 96x96). Every output's scale is found on noise, so that
no layer is dead or saturated.
"""

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tests.firmware_bridge.tflite_builder import TfliteBuilder

RELU = schema.ActivationFunctionType.RELU
NONE = schema.ActivationFunctionType.NONE
Floats = NDArray[np.float32]


class _Map:
    """A tensor in the file, the real values that it takes on noise [N, H, W, C], and its scale."""

    def __init__(self, index: int, values: Floats, scale: float) -> None:
        self.index, self.values, self.scale = index, values, scale


class _Writer:
    def __init__(self, seed: int) -> None:
        self.builder, self.rng = TfliteBuilder(), np.random.default_rng(seed)

    def image(self, size: int) -> _Map:
        """The input, at the scale of pixels, and smooth noise."""
        noise = self.rng.normal(size=(2, size, size, 3)).astype(np.float32)
        noise = np.stack([cv2.GaussianBlur(one, (0, 0), 2.0) for one in noise])
        low, high = noise.min(), noise.max()
        values = (noise - low) / (high - low)
        index = self.builder.tensor((1, size, size, 3), scale=1 / 255, zero_point=-128)
        return _Map(index, values, 1 / 255)

    def output(self, values: Floats, activation: int, room: float = 1.0) -> _Map:
        """A tensor that these values just fit, times `room`."""
        if activation == RELU:
            values = np.maximum(values, 0)
        reach = room * float(np.abs(values).max())
        scale, zero_point = (reach / 255, -128) if activation == RELU else (reach / 127, 0)
        index = self.builder.tensor((1, *values.shape[1:]), scale=scale, zero_point=zero_point)
        return _Map(index, values, scale)

    def convolution(
        self,
        x: _Map,
        written: int,
        kernel: int = 3,
        stride: int = 1,
        activation: int = RELU,
        depthwise: bool = False,
        dead: float = 0.0,
    ) -> _Map:
        """A CONV_2D or DEPTHWISE_CONV_2D with SAME padding, and a bias.

        A share `dead` of a CONV_2D's channels has weights of 0, and a bias that the rectifier
        takes off, as training leaves them behind.
        """
        read = x.values.shape[3]
        inputs = kernel * kernel * (1 if depthwise else read)
        shape = (1, kernel, kernel, read) if depthwise else (written, kernel, kernel, read)
        live = self._live(written, dead)
        gain = 1.0 if depthwise else live[:, None, None, None]
        weights, scales, tensor = self._weights(shape, inputs, 3 if depthwise else 0, gain)
        windows = _windows(x.values, kernel, stride)
        if depthwise:
            sums = np.einsum("nyxchw,hwc->nyxc", windows, weights[0])
        else:
            sums = np.tensordot(windows, weights, axes=((3, 4, 5), (3, 1, 2)))
        bias = (0.2 * sums.std() * self.rng.normal(size=written)).astype(np.float32)
        bias = np.where(live, bias, -np.abs(bias))
        y = self.output(sums + bias, activation)
        options = schema.DepthwiseConv2DOptionsT if depthwise else schema.Conv2DOptionsT
        geometry: Any = options(
            padding=schema.Padding.SAME, strideH=stride, strideW=stride,
            fusedActivationFunction=activation,
        )  # fmt: skip
        geometry.dilationHFactor = geometry.dilationWFactor = 1
        if depthwise:
            geometry.depthMultiplier = 1
        code = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        inputs_ = [x.index, tensor, self._bias(bias, x.scale * scales)]
        self.builder.operator(code, inputs_, [y.index], geometry, version=3)
        return y

    def add(self, a: _Map, b: _Map) -> _Map:
        """ADD and RELU."""
        y = self.output(a.values + b.values, RELU)
        options = schema.AddOptionsT(fusedActivationFunction=RELU)
        self.builder.operator("ADD", [a.index, b.index], [y.index], options, version=2)
        return y

    def classified(self, x: _Map, classes: int, path: Path, source: _Map) -> Path:
        """The end of both: the mean of the map, a dense layer and SOFTMAX."""
        _, rows, columns, channels = x.values.shape
        pooled = self.builder.tensor((1, 1, 1, channels), scale=x.scale, zero_point=-128)
        pool = schema.Pool2DOptionsT(
            padding=schema.Padding.VALID, strideH=rows, strideW=columns, filterHeight=rows,
            filterWidth=columns,
        )  # fmt: skip
        self.builder.operator("AVERAGE_POOL_2D", [x.index], [pooled], pool, version=2)
        flat = self.builder.tensor((1, channels), scale=x.scale, zero_point=-128)
        shape = self.builder.tensor((2,), "int32", values=np.array([-1, channels]))
        self.builder.operator("RESHAPE", [pooled, shape], [flat])
        means = x.values.mean(axis=(1, 2))
        # What tells the pictures apart decides; what they have in common the bias takes off.
        gain = 4 / float((means - means.mean(axis=0)).std() * math.sqrt(channels))
        weights, scales, tensor = self._weights((classes, channels), channels, None, gain)
        bias = -(means @ weights.T).mean(axis=0)
        logits = self.output(means @ weights.T + bias, NONE, room=6.0)
        dense = schema.FullyConnectedOptionsT()
        inputs = [flat, tensor, self._bias(bias, x.scale * scales)]
        self.builder.operator("FULLY_CONNECTED", inputs, [logits.index], dense, version=4)
        output = self.builder.tensor((1, classes), scale=1 / 256, zero_point=-128)
        softmax = schema.SoftmaxOptionsT(beta=1.0)
        self.builder.operator("SOFTMAX", [logits.index], [output], softmax, version=2)
        return self.builder.save(path, [source.index], [output])

    def _weights(
        self, shape: tuple[int, ...], inputs: int, axis: int | None, gain: Any = 1.0
    ) -> tuple[Floats, NDArray[np.float64], int]:
        """He-normal weights times a gain, on their grid: real values, scales, and the tensor."""
        real = self.rng.normal(size=shape) * (gain * math.sqrt(2 / inputs))
        others = None if axis is None else tuple(i for i in range(len(shape)) if i != axis)
        scales = np.float32(np.abs(real).max(axis=others, keepdims=True) / 127).astype(np.float64)
        scales[scales == 0] = 1e-3
        values = np.rint(real / scales)
        flat = scales.reshape(-1)
        tensor = self.builder.tensor(shape, scale=flat, values=values, axis=axis or 0)
        return (values * scales).astype(np.float32), flat, tensor

    def _live(self, channels: int, dead: float) -> Floats:
        """1 a channel, 0 for the dead ones."""
        live = np.ones(channels, np.float32)
        live[self.rng.permutation(channels)[: round(dead * channels)]] = 0
        return live

    def _bias(self, bias: Floats, scales: NDArray[np.float64]) -> int:
        return self.builder.tensor(
            bias.shape, "int32", scale=scales, values=np.rint(bias / scales).astype(np.int64)
        )


def _windows(values: Floats, kernel: int, stride: int) -> Floats:
    """[N, y, x, C, kernel, kernel] with SAME padding."""
    size = values.shape[1]
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    pad = (total // 2, total - total // 2)
    padded = np.pad(values, ((0, 0), pad, pad, (0, 0)))
    return sliding_window_view(padded, (kernel, kernel), axis=(1, 2))[:, ::stride, ::stride]


def residual(path: Path) -> Path:
    """Image classification: 16 operators, 12,501,632 multiply-accumulates."""
    w = _Writer(1)
    source = w.image(32)
    x = w.convolution(source, 16)
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        y = w.convolution(x, channels, stride=stride)
        y = w.convolution(y, channels, activation=NONE)
        if stride == 2:
            x = w.convolution(x, channels, kernel=1, stride=2, activation=NONE)
        x = w.add(x, y)
    return w.classified(x, 10, path, source)


def mobile(path: Path) -> Path:
    """Visual wake words: 31 operators, depthwise and pointwise in turn, 7,489,664 MAC."""
    w = _Writer(2)
    source = w.image(96)
    x = w.convolution(source, 8, stride=2)
    widths = (16, 32, 32, 64, 64, *[128] * 6, 256, 256)
    halvings = (1, 3, 5, 11)
    for number, written in enumerate(widths):
        stride = 2 if number in halvings else 1
        x = w.convolution(x, x.values.shape[3], stride=stride, depthwise=True)
        x = w.convolution(x, written, kernel=1, dead=0.25)
    return w.classified(x, 2, path, source)
