"""CUMSUM, ADD_N, ELU and the rounding functions: the reference and the C equal TFLM."""

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check
from tests.firmware_bridge.operators.one_input import one_input
from tests.firmware_bridge.operators.one_layer import T, constant, one_layer
from vpr_edge.firmware_bridge.operators.shared.floats import LIBRARY_ULPS


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_cumsum_equals_tflm(tmp_path: Path, dtype: str, exclusive: bool, reverse: bool) -> None:
    options = schema.CumsumOptionsT(exclusive=exclusive, reverse=reverse)
    for axis in (0, 1, -1):
        quantized = dtype == "int8"
        source = T((3, 4, 5), dtype, *((0.05, 7) if quantized else ()))
        result = T((3, 4, 5), dtype, *((0.09, -4) if quantized else ()))
        inputs = [source, constant(np.array(axis))]
        path = one_layer(tmp_path / f"{axis}.tflite", "CUMSUM", inputs, result, options)
        check(path, native=axis == 1)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_add_n_equals_tflm(tmp_path: Path, dtype: str) -> None:
    quantized = dtype == "int8"
    source = T((2, 20), dtype, *((0.05, 7) if quantized else ()))
    result = T((2, 20), dtype, *((0.2, -4) if quantized else ()))
    check(one_layer(tmp_path / "m.tflite", "ADD_N", [source] * 3, result), native=True)


def test_elu_equals_tflm(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for index in range(10):
        source, output = ((float(10 ** rng.uniform(-2.5, -0.5)), int(z)) for z in (3, -20))
        check(one_input(tmp_path / f"{index}.tflite", "ELU", source, output), native=index == 0)


@pytest.mark.parametrize("code", ["ELU", "SIN", "COS"])
def test_float_functions_are_near_tflms(tmp_path: Path, code: str) -> None:
    path = one_input(tmp_path / "m.tflite", code, None, None)
    check(path, native=True, ulps=LIBRARY_ULPS)


@pytest.mark.parametrize("code", ["ROUND", "FLOOR", "CEIL"])
def test_rounding_equals_tflm(tmp_path: Path, code: str) -> None:
    path = one_input(tmp_path / "m.tflite", code, None, None)
    halves = (np.arange(256) / 2 - 64).astype(np.float32).reshape(1, 16, 16, 1)
    check(path, native=True, inputs=[(halves,), (halves + np.float32(0.3),)])


@pytest.mark.parametrize("code", ["FLOOR_DIV", "FLOOR_MOD"])
def test_floor_division_equals_tflm(tmp_path: Path, code: str) -> None:
    tensors = [T((2, 50), "float32"), T((50,), "float32")]
    path = one_layer(tmp_path / "m.tflite", code, tensors, T((2, 50), "float32"))
    check(path, native=True)
