"""QUANTIZE and DEQUANTIZE equal TFLM's to the last bit, between all types that they take."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.operators.one_input import EVERY_INT8, SHAPE, one_input
from vpr_edge.firmware_bridge.compile.importer import import_tflite
from vpr_edge.firmware_bridge.operators.quantization import PAIRS

LIMITS = {"int8": (-128, 128), "uint8": (0, 256), "int16": (-32768, 32768), "int32": (0, 1)}


def random_quantize(rng: np.random.Generator, path: Path, before: str, after: str) -> Path:
    """A one-layer model of QUANTIZE; TFLite's int16 has zero point 0, TFLM takes any."""
    source = None if before == "float32" else parameters(rng, before)
    if before == "int16" and source is not None:
        source = (source[0] / 256, source[1])
    if before == "int32" and source is not None:
        source = (source[0] / 1e7, source[1])
    return one_input(
        path,
        "QUANTIZE",
        source,
        parameters(rng, after),
        (before, after),
        schema.QuantizeOptionsT(),
    )


def parameters(rng: np.random.Generator, dtype: str) -> tuple[float, int]:
    low, high = LIMITS[dtype]
    return float(10 ** rng.uniform(-2, 0)), int(rng.integers(low, high))


def random_dequantize(rng: np.random.Generator, path: Path, before: str) -> Path:
    """A one-layer model of DEQUANTIZE."""
    options = schema.DequantizeOptionsT()
    return one_input(
        path, "DEQUANTIZE", parameters(rng, before), None, (before, "float32"), options
    )


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_quantize_equals_tflm(tmp_path: Path, before: str, after: str) -> None:
    rng = np.random.default_rng(1)
    for index in range(30):
        path = random_quantize(rng, tmp_path / f"{index}.tflite", before, after)
        check(path, native=index < 2)


@pytest.mark.parametrize("after", ["int8", "int16"])
def test_quantize_rounds_half_away_from_zero(tmp_path: Path, after: str) -> None:
    halves = np.arange(-128, 128) + np.float32(0.5)
    around = np.concatenate([halves, np.nextafter(halves, 0), np.nextafter(halves, 1e9)])
    values = np.resize(around.astype(np.float32), (1, 32, 32, 1))
    path = one_input(
        tmp_path / "m.tflite", "QUANTIZE", None, (1.0, 3), ("float32", after), shape=values.shape
    )
    check(path, native=True, inputs=[(values,)])


def test_what_no_int8_can_hold_saturates(tmp_path: Path) -> None:
    path = one_input(tmp_path / "m.tflite", "QUANTIZE", None, (0.5, 5))
    (operator,) = import_tflite(path).operators
    values = np.array([1e30, -1e30, np.inf, -np.inf, np.nan, 61.0, -66.5], np.float32)
    np.testing.assert_array_equal(
        operator.reference(values)[0], [127, -128, 127, -128, -128, 127, -128]
    )


@pytest.mark.parametrize("before", ["int8", "uint8", "int16"])
def test_dequantize_equals_tflm(tmp_path: Path, before: str) -> None:
    rng = np.random.default_rng(2)
    for index in range(30):
        path = random_dequantize(rng, tmp_path / f"{index}.tflite", before)
        check(path, native=index < 3)


def test_every_int8_dequantizes_as_in_tflm(tmp_path: Path) -> None:
    path = random_dequantize(np.random.default_rng(3), tmp_path / "m.tflite", "int8")
    check(path, native=True, inputs=[(EVERY_INT8,)])


@pytest.mark.parametrize(
    ("dtypes", "source", "output", "sentence"),
    [
        (("int8", "int8"), (1.0, 0), (1e-6, 0), "too small beside"),
        (("int32", "int8"), (1.0, 7), (1e3, 0), "too small beside"),
        (("int32", "int32"), (1.0, 0), (1.0, 0), "it goes from int32 to int32"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, dtypes: tuple[str, str], source: Any, output: Any, sentence: str
) -> None:
    path = one_input(tmp_path / "m.tflite", "QUANTIZE", source, output, dtypes, shape=SHAPE)
    check_refusal(path, sentence)
