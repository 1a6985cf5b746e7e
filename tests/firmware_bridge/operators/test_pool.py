"""AVERAGE_POOL_2D and MAX_POOL_2D: the reference and the C equal TFLM to the last bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.firmware_bridge.compile.compiler import compile_model

CODES = ("AVERAGE_POOL_2D", "MAX_POOL_2D")


def random_pool(rng: np.random.Generator, path: Path, code: str) -> Path:
    """A one-layer model: any kernel, stride and padding that leave an output."""
    rows, columns, channels = (int(n) for n in rng.integers(1, 9, 3))
    same = bool(rng.integers(2))
    kernel = tuple(int(rng.integers(1, (5 if same else n) + 1)) for n in (rows, columns))
    stride = tuple(int(n) for n in rng.integers(1, 4, 2))
    return one_pool(
        path,
        code,
        (rows, columns, channels),
        kernel,
        stride,
        same,
        scale=float(10 ** rng.uniform(-3, 0)),
        zero_point=int(rng.integers(-128, 128)),
        activation=int(rng.integers(4)),
    )


def one_pool(
    path: Path,
    code: str = "AVERAGE_POOL_2D",
    shape: tuple[int, ...] = (8, 8, 4),
    kernel: tuple[int, ...] = (2, 2),
    stride: tuple[int, ...] = (2, 2),
    same: bool = False,
    scale: float = 0.1,
    zero_point: int = 0,
    activation: int = 0,
) -> Path:
    """A one-layer model."""
    size = tuple(
        -(-n // s) if same else (n - k) // s + 1
        for n, k, s in zip(shape, kernel, stride, strict=False)
    )
    builder = TfliteBuilder()
    source = builder.tensor((1, *shape), scale=scale, zero_point=zero_point)
    result = builder.tensor((1, *size, shape[2]), scale=scale, zero_point=zero_point)
    options = schema.Pool2DOptionsT(
        padding=schema.Padding.SAME if same else schema.Padding.VALID,
        strideH=stride[0],
        strideW=stride[1],
        filterHeight=kernel[0],
        filterWidth=kernel[1],
        fusedActivationFunction=activation,
    )
    builder.operator(code, [source], [result], options)
    return builder.save(path, [source], [result])


@pytest.mark.parametrize("code", CODES)
def test_reference_equals_tflm(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(1)
    for index in range(100):
        check(random_pool(rng, tmp_path / f"{index}.tflite", code), native=False)


@pytest.mark.parametrize("code", CODES)
def test_generated_c_equals_tflm(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(2)
    for index in range(8):
        check(random_pool(rng, tmp_path / f"{index}.tflite", code), native=True)


@pytest.mark.parametrize("code", CODES)
def test_a_pool_writes_over_its_input(tmp_path: Path, code: str) -> None:
    shape = (16, 16, 8)
    path = one_pool(tmp_path / "m.tflite", code, shape, (3, 3), (1, 1), same=True)
    assert compile_model(path).arena_bytes < 16 * 16 * 8 * 3 // 2
    check(path, native=True)


@pytest.mark.parametrize("code", CODES)
def test_the_whole_image_is_pooled_to_a_pixel(tmp_path: Path, code: str) -> None:
    check(one_pool(tmp_path / "m.tflite", code, (13, 17, 5), (13, 17)), native=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"scale": 0.2}, "differ in scale or zero point"),
        ({"zero_point": 3}, "differ in scale or zero point"),
        ({"shape": (1, 4, 4, 5)}, "4 input but 5 output channels"),
        ({"shape": (1, 4, 3, 4)}, "the output is 4x3 where its window gives 4x4"),
        ({"shape": (2, 4, 4, 4)}, "the batch is 2"),
        ({"dtype": "float32"}, "the type is float32 where int8"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    # What the model declares for its output is not what the input gives.
    builder = TfliteBuilder()
    source = builder.tensor((1, 8, 8, 4), scale=0.1)
    declared: dict[str, Any] = {"shape": (1, 4, 4, 4), "scale": 0.1} | change
    result = builder.tensor(**declared)
    builder.operator("MAX_POOL_2D", [source], [result], pool_options())
    check_refusal(builder.save(tmp_path / "m.tflite", [source], [result]), sentence)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"strideH": 0}, "are out of range"),
        ({"filterHeight": 0}, "are out of range"),
        ({"filterHeight": 1 << 14, "filterWidth": 1 << 14}, "larger than 65536 elements"),
        ({"fusedActivationFunction": 4}, "the fused activation TANH"),
    ],
)
def test_options_out_of_range_are_refused(
    tmp_path: Path, options: dict[str, int], sentence: str
) -> None:
    builder = TfliteBuilder()
    source, result = (builder.tensor((1, n, n, 4), scale=0.1) for n in (8, 4))
    builder.operator("MAX_POOL_2D", [source], [result], pool_options(**options))
    check_refusal(builder.save(tmp_path / "m.tflite", [source], [result]), sentence)


def pool_options(**changes: int) -> schema.Pool2DOptionsT:
    settings = {"strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2} | changes
    return schema.Pool2DOptionsT(padding=schema.Padding.VALID, **settings)
