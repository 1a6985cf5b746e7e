"""What models of other converters hold: each kind compiles and equals TFLM on random inputs."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.operators.one_layer import T, constant, one_layer
from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.golden import random_inputs
from vpr_edge.firmware_bridge.compile.host import FLAGS, WARNINGS
from vpr_edge.firmware_bridge.compile.importer import import_tflite
from vpr_edge.firmware_bridge.compile.project import write_project

SAME, VALID = schema.Padding.SAME, schema.Padding.VALID
# Where converters clamp biases.
CLAMP = 2**30


def image_layer(
    path: Path,
    code: str,
    source: tuple[int, ...],
    kernel: tuple[int, int],
    channels: int,
    dtype: str = "int8",
    bias: Any = None,
    bias_dtype: str = "int32",
    stride: int = 1,
    padding: int = SAME,
    weights: Any = None,
    weights_zero_point: int = 0,
    runtime_weights: bool = False,
    zero_points: tuple[int, int] = (-5, 7),
    output_scale: float = 0.3,
    activation: int = 0,
) -> Path:
    """CONV_2D, DEPTHWISE_CONV_2D or TRANSPOSE_CONV on a batch, any type of activations."""
    rng = np.random.default_rng(sum(source) + channels)
    depthwise, backwards = code.startswith("DEPTH"), code.startswith("TRANS")
    shape = (1, *kernel, channels) if depthwise else (channels, *kernel, source[3])
    sizes = [
        n * stride if backwards else -(-(n if padding == SAME else n - k + 1) // stride)
        for n, k in zip(source[1:3], kernel, strict=True)
    ]
    floating = dtype == "float32"
    zeros = zero_points if dtype == "int8" else (0, 0)
    scales = rng.uniform(0.005, 0.02, channels)
    values = rng.integers(-127, 128, shape) if weights is None else weights
    layer: list[T | None] = [T(source, dtype, None if floating else 0.05, zeros[0])]
    if floating:
        layer.append(constant(values / 64, "float32"))
    else:
        layer.append(
            T(shape, "int8", scales, weights_zero_point, values, 3 if depthwise else 0)
            if not runtime_weights
            else T(shape, "int8", 0.01)
        )
    if bias is not None:
        layer.append(
            constant(np.broadcast_to(bias, channels), "float32" if floating else bias_dtype)
        )
    result = (source[0], *sizes, channels)
    common = {
        "padding": padding,
        "strideH": stride,
        "strideW": stride,
        "fusedActivationFunction": activation,
    }
    if backwards:
        layer = [constant(list(result)), layer[1], layer[0], *layer[2:]]
        options: Any = schema.TransposeConvOptionsT(**common)
    elif depthwise:
        options = schema.DepthwiseConv2DOptionsT(**common, depthMultiplier=channels // source[3])
        options.dilationHFactor = options.dilationWFactor = 1
    else:
        options = schema.Conv2DOptionsT(**common, dilationHFactor=1, dilationWFactor=1)
    output = T(result, dtype, None if floating else output_scale, zeros[1])
    return one_layer(path, code, layer, output, options, version=3)


def dense(path: Path, weights: T, dtype: str = "int8", bias: Any = None, rows: int = 3) -> Path:
    """FULLY_CONNECTED."""
    channels, depth = weights.shape
    floating = dtype == "float32"
    zeros = (-5, 7) if dtype == "int8" else (0, 0)
    source = T((rows, depth), dtype, None if floating else 0.05, zeros[0])
    layer: list[T | None] = [source, weights]
    if bias is not None:
        layer.append(constant(np.broadcast_to(bias, channels), bias.dtype.name))
    output = T((rows, channels), dtype, None if floating else 0.3, zeros[1])
    options = schema.FullyConnectedOptionsT()
    return one_layer(path, "FULLY_CONNECTED", layer, output, options, version=4)


LAYERS = [
    ("CONV_2D", (5, 6, 4), (3, 2), 5),
    ("CONV_2D", (4, 4, 6), (1, 1), 7),
    ("DEPTHWISE_CONV_2D", (5, 6, 3), (3, 3), 6),
    ("TRANSPOSE_CONV", (3, 4, 3), (2, 3), 4),
]


@pytest.mark.parametrize(("code", "size", "kernel", "channels"), LAYERS)
@pytest.mark.parametrize("batch", [2, 3])
def test_several_images_at_a_time(
    tmp_path: Path,
    code: str,
    size: tuple[int, ...],
    kernel: tuple[int, int],
    channels: int,
    batch: int,
) -> None:
    path = image_layer(
        tmp_path / "m.tflite", code, (batch, *size), kernel, channels, stride=2, bias=300
    )
    check(path, native=True)


@pytest.mark.parametrize("code", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_pools_of_several_images(tmp_path: Path, code: str) -> None:
    options = schema.Pool2DOptionsT(
        padding=SAME, strideH=2, strideW=1, filterHeight=3, filterWidth=2
    )
    source, result = T((3, 5, 4, 6), scale=0.1), T((3, 3, 4, 6), scale=0.1)
    check(one_layer(tmp_path / "m.tflite", code, [source], result, options), native=True)


@pytest.mark.parametrize("code", ["RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"])
def test_resizing_several_images(tmp_path: Path, code: str) -> None:
    options = {
        "RESIZE_BILINEAR": schema.ResizeBilinearOptionsT(),
        "RESIZE_NEAREST_NEIGHBOR": schema.ResizeNearestNeighborOptionsT(),
    }[code]
    inputs, result = [T((2, 3, 4, 2), scale=0.1), constant([6, 5])], T((2, 6, 5, 2), scale=0.1)
    check(one_layer(tmp_path / "m.tflite", code, inputs, result, options), native=True)


@pytest.mark.parametrize("bias", [CLAMP, -CLAMP])
@pytest.mark.parametrize(("code", "size", "kernel", "channels"), LAYERS)
def test_a_bias_at_the_converters_clamp(
    tmp_path: Path,
    code: str,
    size: tuple[int, ...],
    kernel: tuple[int, int],
    channels: int,
    bias: int,
) -> None:
    path = image_layer(tmp_path / "m.tflite", code, (1, *size), kernel, channels, bias=bias)
    check(path, native=True)


def test_a_sum_counts_what_its_own_input_reaches(tmp_path: Path) -> None:
    # 255 times the weights would leave 2^31; the zero point at one end keeps half of that away.
    weights = np.full((1, 1, 1, 66000), 127)
    for zero_point, bias in ((-128, -(2**31)), (127, 2**31 - 1)):
        path = image_layer(
            tmp_path / "m.tflite",
            "CONV_2D",
            (1, 1, 1, 66000),
            (1, 1),
            1,
            weights=weights,
            bias=bias,
            zero_points=(zero_point, 0),
            output_scale=3e5,
        )
        import_tflite(path)
        path = image_layer(
            tmp_path / "m.tflite",
            "CONV_2D",
            (1, 1, 1, 66000),
            (1, 1),
            1,
            weights=-weights,
            bias=bias,
            zero_points=(zero_point, 0),
            output_scale=3e5,
        )
        check_refusal(path, "overflow a 32-bit sum")


@pytest.mark.parametrize(("code", "size", "kernel", "channels"), LAYERS)
@pytest.mark.parametrize("dtype", ["int16", "float32"])
@pytest.mark.parametrize("batch", [1, 2])
def test_wide_layers(
    tmp_path: Path,
    code: str,
    size: tuple[int, ...],
    kernel: tuple[int, int],
    channels: int,
    dtype: str,
    batch: int,
) -> None:
    for index, (bias, activation) in enumerate(((None, 0), (2**33 + 7, 1), (-4000, 3))):
        path = image_layer(
            tmp_path / f"{index}.tflite",
            code,
            (batch, *size),
            kernel,
            channels,
            dtype,
            bias=bias if dtype == "int16" or bias is None else bias / 2**30,
            bias_dtype="int64",
            stride=2,
            output_scale=3.0,
            activation=activation,
        )
        check(path, native=True)


def test_int16_activations_with_32_bit_biases(tmp_path: Path) -> None:
    for code, size, kernel, channels in LAYERS[:2]:
        path = image_layer(
            tmp_path / f"{code}.tflite", code, (1, *size), kernel, channels, "int16", bias=5000
        )
        check(path, native=True)


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("zero_point", [3, -120])
def test_a_weight_zero_point(tmp_path: Path, dtype: str, zero_point: int) -> None:
    values = np.random.default_rng(1).integers(-120, 128, (4, 9))
    weights = T((4, 9), "int8", 0.01, zero_point, values)
    bias = np.array(500, "int32" if dtype == "int8" else "int64")
    check(dense(tmp_path / "m.tflite", weights, dtype, bias), native=True)


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
def test_weights_of_run_time(tmp_path: Path, dtype: str) -> None:
    floating = dtype == "float32"
    weights = T((4, 9), "float32" if floating else "int8", None if floating else 0.01, 0)
    check(dense(tmp_path / "m.tflite", weights, dtype), native=True)


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("code", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_kernels_of_run_time(tmp_path: Path, dtype: str, code: str) -> None:
    path = image_layer(
        tmp_path / "m.tflite", code, (1, 4, 5, 2), (3, 3), 4, dtype, runtime_weights=True
    )
    check(path, native=True)


def test_a_weight_zero_point_of_a_convolution_is_ignored_as_in_tflm(tmp_path: Path) -> None:
    path = image_layer(
        tmp_path / "m.tflite", "CONV_2D", (1, 4, 5, 2), (3, 3), 4, weights_zero_point=6
    )
    check(path, native=True)


def test_an_unused_subgraph_may_hold_anything(tmp_path: Path) -> None:
    builder = TfliteBuilder()
    source, result = (builder.tensor((1, 4), scale=0.1) for _ in range(2))
    builder.operator("RELU", [source], [result])
    other = builder.further_subgraph()
    text = other.tensor((1,), "int8")
    other.tensors[text].type = schema.TensorType.STRING
    other.operator("RFFT2D", [text], [text])
    builder.add_subgraph(other)
    path = builder.save(tmp_path / "m.tflite", [source], [result])
    assert len(compile_model(path).program.operators) == 1


def test_dilation_by_blocks(tmp_path: Path) -> None:
    builder = TfliteBuilder()
    source = builder.tensor((1, 8, 6, 2), scale=0.1)
    block, none = (builder.tensor((2,), "int32", values=np.array([2, 3])), [[0, 0], [0, 0]])
    edges = builder.tensor((2, 2), "int32", values=np.array(none))
    parts, mixed = builder.tensor((6, 4, 2, 2), scale=0.1), builder.tensor((6, 4, 2, 3), scale=0.2)
    values = np.random.default_rng(1).integers(-127, 128, (3, 3, 2, 2))
    weights = builder.tensor((3, 3, 2, 2), scale=[0.01, 0.02, 0.03], values=values)
    result = builder.tensor((1, 8, 6, 3), scale=0.2)
    builder.operator("SPACE_TO_BATCH_ND", [source, block, edges], [parts])
    options = schema.Conv2DOptionsT(strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1)
    builder.operator("CONV_2D", [parts, weights], [mixed], options, version=3)
    builder.operator("BATCH_TO_SPACE_ND", [mixed, block, edges], [result])
    path = builder.save(tmp_path / "m.tflite", [source], [result])
    check(path, native=True, inputs=random_inputs(import_tflite(path), 20))


def test_a_depthwise_kernel_over_its_whole_input_gives_no_warning(tmp_path: Path) -> None:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    path = image_layer(
        tmp_path / "m.tflite", "DEPTHWISE_CONV_2D", (1, 5, 5, 128), (5, 5), 128, padding=VALID
    )
    write_project(compile_model(path), "model", tmp_path)
    core = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
    for level in ("-O0", "-Os", "-O2", "-O3"):
        subprocess.run(
            ["arm-none-eabi-gcc", *core, *FLAGS, *WARNINGS, level, "-c", "model.c", "-o", "m.o"],
            check=True,
            cwd=tmp_path,
        )
