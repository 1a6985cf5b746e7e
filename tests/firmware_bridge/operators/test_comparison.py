"""Comparisons, logic, SELECT_V2: the reference and the C equal TFLM to the last bit."""

from pathlib import Path

import numpy as np
import pytest

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.operators.one_layer import T, one_layer

COMPARISONS = ("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL")


@pytest.mark.parametrize("code", COMPARISONS)
@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "float32"])
def test_comparisons_equal_tflm(tmp_path: Path, code: str, dtype: str) -> None:
    quantized = {"scale": 0.05, "zero_point": -3} if dtype == "int8" else {}
    coarser = {"scale": 0.11, "zero_point": 20} if dtype == "int8" else {}
    a, b = T((2, 3, 40), dtype, **quantized), T((3, 40), dtype, **coarser)
    path = one_layer(tmp_path / "m.tflite", code, [a, b], T((2, 3, 40), "bool"))
    rng, inputs = np.random.default_rng(1), []
    for _ in range(3):
        # Small numbers, so that equal ones meet.
        pair = [rng.integers(-4, 5, t.shape).astype(dtype) for t in (a, b)]
        if dtype == "float32":
            pair[0][0, 0, :3] = np.nan, np.inf, -0.0
        inputs.append(tuple(pair))
    check(path, native=True, inputs=inputs)


@pytest.mark.parametrize("code", ["LOGICAL_AND", "LOGICAL_OR", "EQUAL", "NOT_EQUAL"])
def test_logic_equals_tflm(tmp_path: Path, code: str) -> None:
    a, b = T((2, 9), "bool"), T((2, 9), "bool")
    check(one_layer(tmp_path / "m.tflite", code, [a, b], T((2, 9), "bool")), native=True)


def test_logical_not_equals_tflm(tmp_path: Path) -> None:
    layer = one_layer(tmp_path / "m.tflite", "LOGICAL_NOT", [T((31,), "bool")], T((31,), "bool"))
    check(layer, native=True)


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize(
    "shapes",
    [
        ((2, 3, 4), (2, 3, 4), (2, 3, 4)),
        ((3, 1), (2, 1, 4), (1,)),
        ((1,), (2, 3, 4), (2, 3, 4)),
        ((1, 2, 1, 3, 1), (2, 1, 2, 3, 1), (1, 1, 1, 1, 5)),
    ],
)
def test_select_equals_tflm(
    tmp_path: Path, dtype: str, shapes: tuple[tuple[int, ...], ...]
) -> None:
    more = {} if dtype == "float32" else {"scale": 0.1}
    output = T(np.broadcast_shapes(*shapes), dtype, **more)
    inputs = [T(shapes[0], "bool"), T(shapes[1], dtype, **more), T(shapes[2], dtype, **more)]
    check(one_layer(tmp_path / "m.tflite", "SELECT_V2", inputs, output), native=True)


def test_select_of_values_that_differ_in_scale_is_refused(tmp_path: Path) -> None:
    inputs = [T((4,), "bool"), T((4,), scale=0.1), T((4,), scale=0.2)]
    path = one_layer(tmp_path / "m.tflite", "SELECT_V2", inputs, T((4,), scale=0.1))
    check_refusal(path, "differ in scale")


def test_a_comparison_of_a_scale_above_1_is_refused(tmp_path: Path) -> None:
    inputs = [T((4,), scale=2.0), T((4,), scale=0.1)]
    check_refusal(one_layer(tmp_path / "m.tflite", "LESS", inputs, T((4,), "bool")), "scale")
