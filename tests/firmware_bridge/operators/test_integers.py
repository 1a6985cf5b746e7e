"""ADD, SUB, MUL, MAXIMUM, SQUARED_DIFFERENCE of int16 and int32, CAST, ARG_MAX equal TFLM."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check
from tests.firmware_bridge.operators.one_layer import T, constant, one_layer

OPTIONS: dict[str, Any] = {
    "ADD": schema.AddOptionsT,
    "SUB": schema.SubOptionsT,
    "MUL": schema.MulOptionsT,
}
SHAPES = (((2, 3, 8), (2, 3, 8)), ((2, 3, 8), (3, 1)), ((1,), (2, 3, 8)))


@pytest.mark.parametrize("code", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("shapes", SHAPES)
def test_int16_arithmetic_equals_tflm(
    tmp_path: Path, code: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    rng = np.random.default_rng(len(code))
    for index in range(4):
        scales = 10 ** rng.uniform(-4, -2, 2)
        output = scales.max() * 1.9 if code != "MUL" else scales.prod() * 30000
        options = OPTIONS[code](fusedActivationFunction=int(rng.integers(4)))
        if code != "MUL":
            options.potScaleInt16 = False
        a, b = (T(s, "int16", float(scale)) for s, scale in zip(shapes, scales, strict=True))
        result = T(np.broadcast_shapes(*shapes), "int16", float(output))
        path = one_layer(tmp_path / f"{index}.tflite", code, [a, b], result, options)
        check(path, native=index == 0)


@pytest.mark.parametrize("code", ["ADD", "SUB", "MUL", "SQUARED_DIFFERENCE", "MAXIMUM", "MINIMUM"])
def test_int32_arithmetic_equals_tflm(tmp_path: Path, code: str) -> None:
    a, b = T((2, 3, 8), "int32"), T((3, 1), "int32")
    # TFLM takes no notice of ADD's.
    activation = 0 if code == "ADD" else 1
    options = OPTIONS[code](fusedActivationFunction=activation) if code in OPTIONS else None
    path = one_layer(tmp_path / "m.tflite", code, [a, b], T((2, 3, 8), "int32"), options)
    rng = np.random.default_rng(2)
    inputs = [
        tuple(rng.integers(-30000, 30000, t.shape).astype(np.int32) for t in (a, b))
        for _ in range(3)
    ]
    check(path, native=True, inputs=inputs)


@pytest.mark.parametrize("dtype", ["int16", "int64"])
def test_the_greater_of_wider_integers_equals_tflm(tmp_path: Path, dtype: str) -> None:
    more = {"scale": 0.01} if dtype == "int16" else {}
    for code in ("MAXIMUM", "MINIMUM"):
        tensors = [T((2, 8), dtype, **more), T((1, 8), dtype, **more)]
        path = one_layer(tmp_path / f"{code}.tflite", code, tensors, T((2, 8), dtype, **more))
        check(path, native=True)


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
def test_squared_difference_equals_tflm(tmp_path: Path, dtype: str) -> None:
    rng = np.random.default_rng(3)
    for index in range(5):
        scales = 10 ** rng.uniform(-2.5, -1.5, 3)
        scales[2] = scales[:2].max() ** 2 * (100 if dtype == "int8" else 20000)
        zero_points = rng.integers(-128, 128, 3) if dtype == "int8" else (0, 0, 0)
        a, b, result = (
            T(shape, dtype) if dtype == "float32" else T(shape, dtype, float(scale), int(zero))
            for shape, scale, zero in zip(
                ((2, 3, 8), (3, 1), (2, 3, 8)), scales, zero_points, strict=True
            )
        )
        path = one_layer(tmp_path / f"{index}.tflite", "SQUARED_DIFFERENCE", [a, b], result)
        check(path, native=index == 0)


@pytest.mark.parametrize("source", ["int8", "int16", "int32", "float32", "bool"])
@pytest.mark.parametrize("result", ["int8", "int16", "int32", "float32"])
def test_cast_equals_tflm(tmp_path: Path, source: str, result: str) -> None:
    path = one_layer(tmp_path / "m.tflite", "CAST", [T((40,), source)], T((40,), result))
    rng = np.random.default_rng(4)
    # Floats within int8: beyond the result's type TFLM's conversion is undefined.
    values = rng.uniform(-128, 127, 40) if source == "float32" else rng.integers(-999, 999, 40)
    check(path, native=True, inputs=[(values.astype(source),)])


@pytest.mark.parametrize("code", ["ARG_MAX", "ARG_MIN"])
@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_arguments_equal_tflm(tmp_path: Path, code: str, dtype: str, axis: int) -> None:
    shape = [3, 4, 5]
    source = T(tuple(shape), dtype, 0.1 if dtype == "int8" else None)
    del shape[axis]
    result = T(shape, "int32")
    path = one_layer(tmp_path / "m.tflite", code, [source, constant(np.array(axis))], result)
    # Few values, so that the first of equal ones counts.
    values = np.random.default_rng(5).integers(-2, 3, source.shape).astype(dtype)
    check(path, native=True, inputs=[(values,), (np.zeros(source.shape, dtype),)])
