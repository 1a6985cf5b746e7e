"""MEAN and SUM: the reference and the C equal TFLM, int8 and float32 alike."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.operators.one_input import keep_from_float_refusal
from tests.firmware_bridge.tflite_builder import TfliteBuilder

CODES = ("MEAN", "SUM")
CASES = [(code, dtype) for code in CODES for dtype in ("int8", "float32")]


def random_reduction(rng: np.random.Generator, path: Path, code: str, dtype: str = "int8") -> Path:
    """A one-layer model: any axes, negative and repeated ones too; often equal parameters."""
    rank = int(rng.integers(1, 6))
    shape = tuple(int(n) for n in rng.integers(1, 7, rank))
    axes = [int(axis) for axis in rng.integers(-rank, rank, int(rng.integers(1, rank + 1)))]
    scale, zero_point = float(10 ** rng.uniform(-3, 0)), int(rng.integers(-128, 128))
    ratio, other = float(10 ** rng.uniform(-0.7, 0.7)), int(rng.integers(-128, 128))
    after = (scale, zero_point) if rng.random() < 0.4 else (scale * ratio, other)
    return one_reduction(
        path, code, shape, axes, (scale, zero_point), after, dtype, keep=bool(rng.integers(2))
    )


def one_reduction(
    path: Path,
    code: str = "MEAN",
    shape: tuple[int, ...] = (1, 4, 4, 3),
    axes: list[int] | int = 1,
    before: tuple[float, int] = (0.1, 0),
    after: tuple[float, int] = (0.1, 0),
    dtype: str = "int8",
    keep: bool = True,
    output_shape: tuple[int, ...] | None = None,
) -> Path:
    """A one-layer model."""
    summed = {axis % len(shape) for axis in np.atleast_1d(axes)}
    result_shape = [1 if a in summed else n for a, n in enumerate(shape) if keep or a not in summed]
    builder = TfliteBuilder()
    source, result = (
        builder.tensor(size, dtype)
        if dtype == "float32"
        else builder.tensor(size, dtype, scale=affine[0], zero_point=affine[1])
        for size, affine in ((shape, before), (output_shape or result_shape, after))
    )
    values = np.array(axes, np.int32)
    axis = builder.tensor(values.shape, "int32", values=values)
    builder.operator(code, [source, axis], [result], schema.ReducerOptionsT(keepDims=keep))
    keep_from_float_refusal(builder)
    return builder.save(path, [source], [result])


@pytest.mark.parametrize(("code", "dtype"), CASES)
def test_reference_equals_tflm(tmp_path: Path, code: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    for index in range(120):
        check(random_reduction(rng, tmp_path / f"{index}.tflite", code, dtype), native=False)


@pytest.mark.parametrize(("code", "dtype"), CASES)
def test_generated_c_equals_tflm(tmp_path: Path, code: str, dtype: str) -> None:
    rng = np.random.default_rng(2)
    for index in range(6):
        check(random_reduction(rng, tmp_path / f"{index}.tflite", code, dtype), native=True)


@pytest.mark.parametrize("code", CODES)
def test_one_axis_without_dimensions_of_its_own(tmp_path: Path, code: str) -> None:
    check(one_reduction(tmp_path / "m.tflite", code, axes=-1), native=True)


def test_the_mean_over_a_large_map_equals_tflm(tmp_path: Path) -> None:
    # 5000 terms: the folded count costs the multiplier precision, and TFLM's result shows it.
    path = one_reduction(
        tmp_path / "m.tflite", "MEAN", (1, 50, 100, 3), [1, 2], (0.02, -128), (0.0007, -128)
    )
    check(path, native=True)


def test_floats_at_the_edge_of_their_range_equal_tflm(tmp_path: Path) -> None:
    values = np.array(
        [[np.inf, 1.0], [-np.inf, np.inf], [np.nan, 1.0], [3e38, 3e38], [1e-45, 0.0], [-0.0, -0.0]],
        np.float32,
    )
    path = one_reduction(tmp_path / "m.tflite", "MEAN", values.shape, 1, dtype="float32")
    check(path, native=True, inputs=[(values,)])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"output_shape": (1, 4, 4)}, "is not what the input"),
        ({"shape": (2, 2, 2, 2, 2, 2, 2, 2), "axes": [0, 2, 4, 6]}, "in more than 3 groups"),
        ({"code": "SUM", "after": (1e-9, 0)}, "can overflow 32-bit arithmetic"),
        ({"dtype": "int32"}, "the type is int32 where int8 or int16 or float32"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    check_refusal(one_reduction(tmp_path / "m.tflite", **change), sentence)


def test_an_axis_out_of_range_is_refused(tmp_path: Path) -> None:
    builder = TfliteBuilder()
    source, result = (builder.tensor((1, n, 4, 3), scale=0.1) for n in (4, 1))
    axis = builder.tensor((1,), "int32", values=np.array([4]))
    builder.operator("MEAN", [source, axis], [result], schema.ReducerOptionsT(keepDims=True))
    path = builder.save(tmp_path / "m.tflite", [source], [result])
    check_refusal(path, "there is no axis 4 among 4 dimensions")
