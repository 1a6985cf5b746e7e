"""Elementary functions equal TFLM's: on int8 to the last bit, on float32 as far as libm allows."""

from pathlib import Path

import numpy as np
import pytest

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.operators.one_input import EVERY_INT8, SHAPE, one_input
from vpr_edge.firmware_bridge.compile.importer import import_tflite
from vpr_edge.firmware_bridge.operators import REGISTRY
from vpr_edge.firmware_bridge.operators.shared.floats import LIBRARY_ULPS

EXACT = ("ABS", "NEG", "SQRT", "RSQRT", "SQUARE")
LIBRARY = ("EXP", "LOG")


def random_function(rng: np.random.Generator, path: Path, code: str) -> Path:
    """A one-layer int8 model of ABS, or of RSQRT on numbers that are not negative."""
    source = (float(10 ** rng.uniform(-3, 0)), int(rng.integers(-128, 128)))
    output = (float(10 ** rng.uniform(-2, 0)), int(rng.integers(-128, 128)))
    if code == "RSQRT":
        source = (source[0], -128)
    elif rng.random() < 0.3:
        output = (source[0], output[1])
    return one_input(path, code, source, output)


@pytest.mark.parametrize("code", ["ABS", "RSQRT"])
def test_int8_functions_equal_tflm_for_every_input(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(1)
    for index in range(60):
        path = random_function(rng, tmp_path / f"{index}.tflite", code)
        check(path, native=index < 2, inputs=[(EVERY_INT8,)])


@pytest.mark.parametrize("code", [*EXACT, *LIBRARY])
def test_float_functions_equal_tflm(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(2)
    path = one_input(tmp_path / "m.tflite", code, None, None)
    values = (rng.standard_normal(SHAPE) * 10).astype(np.float32)
    edges = [np.inf, -np.inf, np.nan, 0.0, -0.0, 3e38, -3e38, 1.2e-38, 88.7, 88.8, -87.3]
    values.reshape(-1)[: len(edges)] = edges
    ulps = 0 if code in EXACT else LIBRARY_ULPS
    check(path, native=True, inputs=[(values,), (np.abs(values),)], ulps=ulps)


@pytest.mark.parametrize("code", LIBRARY)
def test_library_functions_are_within_the_stated_tolerance_everywhere(
    tmp_path: Path, code: str
) -> None:
    exponents = np.linspace(-126, 127, 40_000) if code == "LOG" else np.linspace(-7, 6.4, 40_000)
    values = (2.0**exponents).astype(np.float32).reshape(1, 200, 200, 1)
    path = one_input(tmp_path / "m.tflite", code, None, None, shape=values.shape)
    both = [(values,)] if code == "LOG" else [(values,), (-values,)]
    check(path, native=True, inputs=both, ulps=LIBRARY_ULPS)


def test_rsqrt_of_negative_int8_is_the_greatest_output(tmp_path: Path) -> None:
    program = import_tflite(one_input(tmp_path / "m.tflite", "RSQRT", (0.1, 10), (0.1, 0)))
    (operator,) = program.operators
    (found,) = operator.reference(EVERY_INT8)
    assert np.all(found[EVERY_INT8 <= 10] == 127)


@pytest.mark.parametrize("code", ["EXP", "LOG", "NEG", "SQRT", "SQUARE"])
def test_float_functions_are_refused_on_int8(tmp_path: Path, code: str) -> None:
    assert code in REGISTRY
    path = one_input(tmp_path / "m.tflite", code, (0.1, 0), (0.1, 0))
    check_refusal(path, "the type is int8 where float32 is needed")


@pytest.mark.parametrize(
    ("code", "source", "output"),
    [
        ("RSQRT", (1e-12, -128), (1e-6, 0)),
        ("RSQRT", (1e-44, -128), (1e-44, 0)),
        ("ABS", (1.0, 0), (1e-9, 0)),
    ],
)
def test_scales_out_of_reach_are_refused(
    tmp_path: Path, code: str, source: tuple[float, int], output: tuple[float, int]
) -> None:
    path = one_input(tmp_path / "m.tflite", code, source, output)
    check_refusal(path, "too small beside")
