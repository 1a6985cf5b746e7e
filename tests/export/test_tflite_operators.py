"""Each operation of the int8 TFLite writer alone, against ONNX Runtime, TFLM and LiteRT."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.export.qdq_net import (
    ASYMMETRIC,
    FIXED,
    Build,
    Net,
    conv,
    differences,
    fixed,
    from_input,
    pooled,
    resized,
)
from vpr_edge.export.tflite import write_tflite
from vpr_edge.tflite.read import op_list, read_tflite

RESCALED = (0.0037, -120)
HALF_PIXEL: dict[str, Any] = {"coordinate_transformation_mode": "half_pixel"}
# Largest difference from ONNX Runtime in LSB, and the fraction of elements that may differ:
EXACT = (0, 0.0)
ROUNDED = (1, 0.01)  # a fixed-point multiplier in place of float32
TABLED = (1, 0.02)  # tables and polynomials in place of transcendental functions
FIXED_POINT = (1, 0.15)  # interpolation weights and norms of ten bits or so
TIES = (1, 0.2)  # means of few integers, whose halves round away from zero, not to even
TWICE = (2, 0.9)  # a mean rounded at the input's scale and again at the output's


def two(kind: str, **more: Any) -> Build:
    def build(net: Net) -> str:
        other = net.input("other", net.inputs["image"], (0.013, 7))
        return net.op(kind, [net.image, other], "y", **more)

    return build


def by_constant(kind: str, shape: tuple[int, ...]) -> Build:
    def build(net: Net) -> str:
        values = net.random.integers(-127, 128, shape, np.int8)
        constant = net.dequantized("k", values, np.float32(0.01))
        return net.op(kind, [net.image, constant], "y")

    return build


def depth_to_space(mode: str) -> Build:
    def build(net: Net) -> str:
        # Only the pixel shuffle needs a convolution, whose channels it reorders.
        if mode == "DCR":
            x = net.input("x", (1, 12, 4, 3), (0.1, 3))
        else:
            x = net.layer("Conv", net.image, "x", (12, 6, 1, 1))
        return net.op("DepthToSpace", [x], "y", net.parameters[x], blocksize=2, mode=mode)

    return build


def dense(kind: str, **attributes: Any) -> Build:
    """A fully connected layer that reads a flattened map."""

    def build(net: Net) -> str:
        x = net.input("x", (1, 6, 3, 2), (0.02, -3))
        flat = net.op("Flatten", [x], "flat", (0.02, -3))
        transposed = bool(attributes.get("transB", 0))
        shape = (7, 36) if transposed else (36, 7)
        if kind == "Gemm":
            return net.layer(kind, flat, "y", shape, axis=0 if transposed else 1, **attributes)
        weights = net.random.integers(-127, 128, shape, np.int8)
        return net.op(kind, [flat, net.dequantized("w", weights, np.float32(0.01))], "y")

    return build


def mean(keepdims: int) -> Build:
    def build(net: Net) -> str:
        axes = net.constant("axes", np.array([2, 3], np.int64))
        return net.op("ReduceMean", [net.image, axes], "y", keepdims=keepdims)

    return build


def relu6_alone(net: Net) -> str:
    x = net.input("x", (1, 4, 9, 7), (0.1, 20))
    low, high = net.constant("low", np.float32(0)), net.constant("high", np.float32(6))
    return net.op("Clip", [x, low, high], "y", (0.0235, -128))


def mixed_concat(net: Net) -> str:
    x = net.input("x", (1, 5, *net.inputs["image"][2:]), (0.1, 20))
    return net.op("Concat", [net.image, x], "y", RESCALED, axis=1)


def softmax_flat(net: Net) -> str:
    x = net.input("x", (1, 10, 1, 1), (0.02, 20))
    flat = net.op("Flatten", [x], "flat", (0.02, 20))
    return net.op("Softmax", [flat], "y", FIXED["Softmax"], axis=-1)


CASES: dict[str, tuple[Build, str, tuple[int, float]]] = {
    "conv 1x1": (conv((8, 6, 1, 1)), "CONV_2D v3", ROUNDED),
    "conv one output": (conv((1, 6, 3, 3), pads=[1] * 4), "CONV_2D v3", ROUNDED),
    "conv 3x3 valid relu": (conv((8, 6, 3, 3), "relu"), "CONV_2D v3", ROUNDED),
    "conv 3x3 same relu6": (conv((8, 6, 3, 3), "relu6", pads=[1] * 4), "CONV_2D v3", ROUNDED),
    "conv stride 2 same": (
        conv((8, 6, 3, 3), pads=[0, 0, 1, 1], strides=[2, 2]),
        "CONV_2D v3",
        ROUNDED,
    ),
    "conv stride 2 auto same": (
        conv((8, 6, 3, 3), auto_pad="SAME_UPPER", strides=[2, 2]),
        "CONV_2D v3",
        ROUNDED,
    ),
    "conv stride 2 torch": (
        conv((8, 6, 3, 3), pads=[1] * 4, strides=[2, 2]),
        "PAD v2 + CONV_2D v3",
        ROUNDED,
    ),
    "conv dilated": (conv((8, 6, 3, 3), pads=[2] * 4, dilations=[2, 2]), "CONV_2D v3", ROUNDED),
    "conv 3x5 mixed": (
        conv((4, 6, 3, 5), pads=[1, 2, 1, 2], strides=[1, 2]),
        "PAD v2 + CONV_2D v3",
        ROUNDED,
    ),
    "depthwise": (
        conv((6, 1, 3, 3), "relu", group=6, pads=[1] * 4),
        "DEPTHWISE_CONV_2D v3",
        ROUNDED,
    ),
    "depthwise stride 2": (
        conv((6, 1, 3, 3), "relu6", group=6, pads=[0, 0, 1, 1], strides=[2, 2]),
        "DEPTHWISE_CONV_2D v3",
        ROUNDED,
    ),
    "depthwise multiplier": (
        conv((12, 1, 3, 3), group=6, pads=[1] * 4),
        "DEPTHWISE_CONV_2D v3",
        ROUNDED,
    ),
    "add": (two("Add"), "ADD v2", ROUNDED),
    "add relu": (two("Add", activation="relu"), "ADD v2", ROUNDED),
    "sub": (two("Sub"), "SUB v2", ROUNDED),
    "mul": (two("Mul", activation="relu6"), "MUL v2", ROUNDED),
    "mul coarse": (two("Mul", parameters=(1e-5, 0)), "MUL v3", ROUNDED),
    "add constant": (by_constant("Add", (1, 6, 1, 1)), "ADD v2", ROUNDED),
    "mul constant": (by_constant("Mul", (6, 12, 10)), "MUL v2", ROUNDED),
    "concat requantised": (mixed_concat, "QUANTIZE v1 + QUANTIZE v1 + CONCATENATION v2", ROUNDED),
    "nearest": (resized("nearest", (24, 20), **ASYMMETRIC), "RESIZE_NEAREST_NEIGHBOR v2", EXACT),
    "nearest ratio": (
        resized("nearest", (15, 7), **ASYMMETRIC),
        "RESIZE_NEAREST_NEIGHBOR v2",
        EXACT,
    ),
    "bilinear": (resized("linear", (24, 20), **HALF_PIXEL), "RESIZE_BILINEAR v3", FIXED_POINT),
    "bilinear down": (resized("linear", (5, 7), **HALF_PIXEL), "RESIZE_BILINEAR v3", FIXED_POINT),
    "depth to space": (depth_to_space("DCR"), "DEPTH_TO_SPACE v1", EXACT),
    "pixel shuffle": (depth_to_space("CRD"), "CONV_2D v3 + DEPTH_TO_SPACE v1", ROUNDED),
    "average pool": (
        pooled("AveragePool", kernel_shape=[2, 2], strides=[2, 2]),
        "AVERAGE_POOL_2D v2",
        TIES,
    ),
    "average pool cut": (
        pooled("AveragePool", kernel_shape=[5, 4], strides=[5, 4]),
        "AVERAGE_POOL_2D v2",
        TIES,
    ),
    "average pool same": (
        pooled("AveragePool", kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4),
        "AVERAGE_POOL_2D v2",
        TIES,
    ),
    "average pool counting padding": (
        pooled("AveragePool", kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1),
        "PAD v2 + AVERAGE_POOL_2D v2",
        TIES,
    ),
    "average pool rescaled": (
        pooled("AveragePool", RESCALED, kernel_shape=[3, 3], strides=[3, 3]),
        "AVERAGE_POOL_2D v2 + QUANTIZE v1",
        TWICE,
    ),
    "max pool": (pooled("MaxPool", kernel_shape=[2, 2], strides=[2, 2]), "MAX_POOL_2D v2", EXACT),
    "max pool padded": (
        from_input("MaxPool", (0.1, 20), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 0]),
        "PADV2 v2 + MAX_POOL_2D v2",
        EXACT,
    ),
    "max pool rescaled": (
        pooled("MaxPool", RESCALED, kernel_shape=[3, 3], strides=[3, 3]),
        "MAX_POOL_2D v2 + QUANTIZE v1",
        ROUNDED,
    ),
    "mean": (mean(1), "MEAN v2", TIES),
    "mean flat": (mean(0), "MEAN v2", TIES),
    "global average pool": (pooled("GlobalAveragePool", RESCALED), "MEAN v2", TIES),
    "sigmoid": (fixed("Sigmoid"), "LOGISTIC v2", TABLED),
    "tanh": (fixed("Tanh"), "TANH v2", TABLED),
    "softmax": (fixed("Softmax", axis=1), "SOFTMAX v2", TABLED),
    "softmax flat": (softmax_flat, "RESHAPE v1 + SOFTMAX v2", TABLED),
    "l2": (fixed("LpNormalization", axis=1), "L2_NORMALIZATION v2", FIXED_POINT),
    "relu alone": (from_input("Relu"), "RELU v2", ROUNDED),
    "relu6 alone": (relu6_alone, "RELU6 v2 + QUANTIZE v1", TABLED),
    "hard swish": (from_input("HardSwish"), "HARD_SWISH v1", TABLED),
    "requantise": (
        lambda net: net.quantize(net.image, (0.007, 5), result="y"),
        "QUANTIZE v1",
        ROUNDED,
    ),
    "gemm of a map": (dense("Gemm", transB=1), "RESHAPE v1 + FULLY_CONNECTED v4", TIES),
    "gemm not transposed": (dense("Gemm"), "RESHAPE v1 + FULLY_CONNECTED v4", TIES),
    "matmul": (dense("MatMul"), "RESHAPE v1 + FULLY_CONNECTED v4", TIES),
}


@pytest.mark.parametrize("case", CASES)
def test_one_operation_agrees_with_onnx_runtime_in_tflm_and_litert(
    case: str, tmp_path: Path
) -> None:
    build, operators, (most_lsb, most_unequal) = CASES[case]
    net = Net(seed=len(case))
    result = build(net)
    path = write_tflite(net.save(tmp_path, result), tmp_path / "net.tflite")
    assert " + ".join(op_list(path)) == operators
    lsb = differences(net, result, path)
    assert lsb.max() <= most_lsb
    assert np.mean(lsb > 0) <= most_unequal


@pytest.mark.parametrize("seed", range(24))
def test_random_convolution_geometry_agrees_with_onnx_runtime(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    channels = int(random.integers(1, 6))
    net = Net(channels, tuple(random.integers(9, 15, 2).tolist()), seed)
    kernel, pads = random.integers(1, 5, 2).tolist(), random.integers(0, 3, 4).tolist()
    depthwise = bool(random.integers(2))
    outputs = channels * int(random.integers(1, 3)) if depthwise else int(random.integers(1, 9))
    result = net.layer(
        "Conv",
        net.image,
        "y",
        (outputs, 1 if depthwise else channels, *kernel),
        activation=str(random.choice(["none", "relu", "relu6"])),
        group=channels if depthwise else 1,
        pads=pads,
        strides=random.integers(1, 4, 2).tolist(),
        dilations=random.integers(1, 3, 2).tolist(),
    )
    path = write_tflite(net.save(tmp_path, result), tmp_path / "net.tflite")
    lsb = differences(net, result, path, repeats=2)
    assert lsb.max() <= 1
    assert np.mean(lsb > 0) <= 0.02


def test_weights_stored_as_float_are_quantised_with_their_parameters(tmp_path: Path) -> None:
    net = Net(2)
    scale = np.array([0.01, 0.02, 0.03], np.float32)
    weights = net.random.normal(0, 1, (3, 2, 1, 1)).astype(np.float32)
    parameters = [net.constant("ws", scale), net.constant("wz", np.zeros(3, np.int8))]
    net.node("QuantizeLinear", [net.constant("w", weights), *parameters], "wq", axis=0)
    net.node("DequantizeLinear", ["wq", *parameters], "wdq", axis=0)
    result = net.op("Conv", [net.image, "wdq"], "y")
    path = write_tflite(net.save(tmp_path, result), tmp_path / "net.tflite")
    stored = next(t for t in read_tflite(path).tensors if t.name.endswith("/weights"))
    expected = np.clip(np.rint(weights / scale[:, None, None, None]), -128, 127)
    np.testing.assert_array_equal(stored.values, expected.transpose(0, 2, 3, 1))
    assert differences(net, result, path).max() <= 1


def test_equal_requantisation_costs_no_operator(tmp_path: Path) -> None:
    net = Net()
    again = net.quantize(net.image, (1 / 255, -128), result="again")
    result = net.layer("Conv", again, "y", (4, 6, 1, 1))
    path = write_tflite(net.save(tmp_path, result), tmp_path / "net.tflite")
    assert op_list(path) == ("CONV_2D v3",)
