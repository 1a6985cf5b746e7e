"""Activations that stand alone equal TFLM's: on int8 to the last bit, for every input."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.operators.one_input import EVERY_INT8, keep_from_float_refusal, one_input
from tests.firmware_bridge.tflite_builder import TfliteBuilder

pytestmark = pytest.mark.exact

CODES = ("RELU", "RELU6", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "TANH")
# (scale, zero point) that the output must have.
FIXED_OUTPUTS = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}
# What the C library may miss by, and float32 sums on top of it.
FLOAT_ULPS = {"LOGISTIC": 3, "TANH": 2}


def random_activation(rng: np.random.Generator, path: Path, code: str) -> Path:
    """A one-layer int8 model."""
    source = (float(10 ** rng.uniform(-3, 0)), int(rng.integers(-128, 128)))
    output = (float(10 ** rng.uniform(-3, 0)), int(rng.integers(-128, 128)))
    if code == "HARD_SWISH":
        # TFLM asks for an output at least 1/128 as coarse as the input.
        output = (source[0] * float(10 ** rng.uniform(-2, 2)), output[1])
    if code == "RELU6":
        output = source
    return one_input(
        path, code, source, FIXED_OUTPUTS.get(code, output), options=options(rng, code)
    )


def options(rng: np.random.Generator, code: str) -> Any:
    if code == "LEAKY_RELU":
        return schema.LeakyReluOptionsT(alpha=float(rng.choice([0.0, 0.01, 0.3, 1.7, -0.2])))
    return schema.HardSwishOptionsT() if code == "HARD_SWISH" else None


@pytest.mark.parametrize("code", CODES)
def test_int8_reference_equals_tflm_for_every_input(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(1)
    for index in range(60):
        path = random_activation(rng, tmp_path / f"{index}.tflite", code)
        check(path, native=False, inputs=[(EVERY_INT8,)])


@pytest.mark.parametrize("code", CODES)
def test_generated_c_equals_tflm_for_every_input(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(2)
    for index in range(2):
        path = random_activation(rng, tmp_path / f"{index}.tflite", code)
        check(path, native=True, inputs=[(EVERY_INT8,)])


@pytest.mark.parametrize("code", CODES)
def test_float_activations_equal_tflm(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(3)
    path = one_input(tmp_path / "m.tflite", code, None, None, options=options(rng, code))
    values = rng.standard_normal((1, 16, 16, 1)).astype(np.float32) * 8
    values.reshape(-1)[:8] = [np.inf, -np.inf, np.nan, 0.0, -0.0, 3e38, -3e38, 1e-45]
    check(path, native=True, inputs=[(values,)], ulps=FLOAT_ULPS.get(code, 0))


def random_prelu(rng: np.random.Generator, path: Path, dtype: str = "int8") -> Path:
    """A one-layer model, its slopes by channel, by element, or one."""
    shape = (1, 4, 5, int(rng.integers(1, 7)))
    slopes = ((shape[3],), (1, 1, shape[3]), shape[1:], (1,))[rng.integers(4)]
    builder = TfliteBuilder()

    def parameters() -> dict[str, Any]:
        if dtype == "float32":
            return {}
        return {
            "scale": float(10 ** rng.uniform(-2.5, 0)),
            "zero_point": int(rng.integers(-128, 128)),
        }

    source = builder.tensor(shape, dtype, **parameters())
    values = rng.standard_normal(slopes) if dtype == "float32" else rng.integers(-128, 128, slopes)
    alpha = builder.tensor(slopes, dtype, values=values, **parameters())
    output = builder.tensor(shape, dtype, **parameters())
    builder.operator("PRELU", [source, alpha], [output])
    keep_from_float_refusal(builder)
    return builder.save(path, [source], [output])


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_prelu_equals_tflm(tmp_path: Path, dtype: str) -> None:
    rng = np.random.default_rng(4)
    for index in range(40):
        check(random_prelu(rng, tmp_path / f"{index}.tflite", dtype), native=index < 4)


@pytest.mark.parametrize(
    ("code", "source", "output", "sentence"),
    [
        ("RELU", (1.0, 0), (1e-8, 0), "too small beside"),
        ("RELU6", (0.1, 0), (0.2, 0), "would not rescale"),
        ("LOGISTIC", (0.1, 0), (1 / 256, 0), "its zero point 0 where"),
        ("LOGISTIC", (1e-9, 0), (1 / 256, -128), " is out of range"),
        ("LOGISTIC", (1e30, 0), (1 / 256, -128), "is out of range"),
        ("TANH", (0.1, 0), (1 / 64, 0), "the output's scale is 0.015625"),
        ("HARD_SWISH", (1.0, 0), (1e-4, 0), "too small beside"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, code: str, source: Any, output: Any, sentence: str
) -> None:
    check_refusal(one_input(tmp_path / "m.tflite", code, source, output), sentence)


@pytest.mark.parametrize("alpha", [np.nan, np.inf])
def test_a_slope_that_is_no_number_is_refused(tmp_path: Path, alpha: float) -> None:
    path = one_input(
        tmp_path / "m.tflite",
        "LEAKY_RELU",
        (0.1, 0),
        (0.1, 0),
        options=schema.LeakyReluOptionsT(alpha=alpha),
    )
    check_refusal(path, "the slope is")


@pytest.mark.parametrize("code", ["ABS", "RELU", "LEAKY_RELU"])
def test_scales_whose_quotient_is_all_but_a_tie_are_divided_as_tflm_does(
    tmp_path: Path, code: str
) -> None:
    rng = np.random.default_rng(8)
    below = code == "LEAKY_RELU"
    slope = 0.7 if below else 1.0
    for index in range(40):
        output = np.float32(10 ** rng.uniform(-2, 0))
        steps, result = rng.integers(20, 120, 2)
        # A half after so many steps of the input, as near as float32 comes to it.
        source = np.float32((result + 0.5) / steps * float(output) / slope)
        zero = 127 if below else -128
        path = one_input(
            tmp_path / f"{index}.tflite",
            code,
            (float(source), zero),
            (float(output), zero),
            options=schema.LeakyReluOptionsT(alpha=slope) if below else None,
        )
        check(path, native=index == 0, inputs=[(EVERY_INT8,)])
