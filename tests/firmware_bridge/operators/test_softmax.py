"""SOFTMAX and LOG_SOFTMAX: the reference and the C equal TFLM, floats to a few last places."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.operators.one_input import keep_from_float_refusal
from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.golden import random_inputs
from vpr_edge.firmware_bridge.compile.host import NativeModel
from vpr_edge.firmware_bridge.operators.shared.program import run_reference

pytestmark = pytest.mark.exact

OUTPUTS: dict[str, dict[str, Any]] = {
    "int8": {"scale": 1 / 256, "zero_point": -128},
    "int16": {"scale": 1 / 65536, "zero_point": -32768},
    "float32": {},
}
# The library's exponential and logarithm, and sums of the former.
ULPS = 8


def random_softmax(rng: np.random.Generator, path: Path, output: str = "int8") -> Path:
    """A one-layer model: any rank, inputs from flat to all but one-hot."""
    rank = int(rng.integers(1, 5))
    shape = (*(int(n) for n in rng.integers(1, 5, rank - 1)), int(rng.integers(1, 40)))
    return one_softmax(
        path,
        shape,
        output,
        scale=float(10 ** rng.uniform(-4, 0.7)),
        zero_point=int(rng.integers(-128, 128)),
        beta=1.0 if rng.random() < 0.5 else float(10 ** rng.uniform(-2, 1)),
    )


def one_softmax(
    path: Path,
    shape: tuple[int, ...] = (1, 10),
    output: str = "int8",
    scale: float = 0.1,
    zero_point: int = 4,
    beta: float = 1.0,
    change: dict[str, Any] | None = None,
    result_shape: tuple[int, ...] | None = None,
    code: str = "SOFTMAX",
) -> Path:
    """A one-layer model; `change` replaces quantisation parameters of the output."""
    builder = TfliteBuilder()
    if output == "float32":
        source = builder.tensor(shape, "float32")
    else:
        source = builder.tensor(shape, scale=scale, zero_point=zero_point)
    parameters = OUTPUTS[output] | (change or {})
    result = builder.tensor(result_shape or shape, output, **parameters)
    options = (
        schema.SoftmaxOptionsT(beta=beta) if code == "SOFTMAX" else schema.LogSoftmaxOptionsT()
    )
    builder.operator(code, [source], [result], options, version=2)
    keep_from_float_refusal(builder)
    return builder.save(path, [source], [result])


@pytest.mark.parametrize("output", OUTPUTS)
def test_reference_equals_tflm(tmp_path: Path, output: str) -> None:
    rng = np.random.default_rng(1)
    for index in range(100):
        path = random_softmax(rng, tmp_path / f"{index}.tflite", output)
        check(path, native=False, ulps=ULPS)


@pytest.mark.parametrize("output", OUTPUTS)
def test_generated_c_equals_tflm(tmp_path: Path, output: str) -> None:
    rng = np.random.default_rng(2)
    for index in range(6):
        path = random_softmax(rng, tmp_path / f"{index}.tflite", output)
        check(path, native=True, ulps=ULPS)


@pytest.mark.parametrize("output", ["int8", "int16"])
def test_long_rows_equal_tflm(tmp_path: Path, output: str) -> None:
    check(one_softmax(tmp_path / "m.tflite", (2, 4095), output, scale=0.05), native=True)


def test_flat_long_rows_where_tflm_stops_are_softmax_all_the_same(tmp_path: Path) -> None:
    # TFLM shifts by more than 31 bits where the exponentials sum up to 512 and more.
    path = one_softmax(tmp_path / "m.tflite", (1, 4095), scale=0.001)
    plan = compile_model(path)
    ((row,),) = random_inputs(plan.program, 1)
    found = NativeModel(plan).run(row)[0]
    reference = run_reference(plan.program, row)[plan.program.outputs[0]]
    np.testing.assert_array_equal(found, reference)
    weights = np.exp(row.astype(np.float64) * np.float32(0.001))
    assert np.abs(found.astype(np.int64) + 128 - 256 * weights / weights.sum()).max() <= 0.5


def test_log_softmax_of_floats_equals_tflm(tmp_path: Path) -> None:
    path = one_softmax(tmp_path / "m.tflite", (3, 2, 7), "float32", code="LOG_SOFTMAX")
    check(path, native=True, ulps=ULPS)


@pytest.mark.parametrize("code", ["SOFTMAX", "LOG_SOFTMAX"])
def test_floats_at_the_edge_of_their_range_equal_tflm(tmp_path: Path, code: str) -> None:
    values = np.array(
        [[0, 200, -200], [np.nan, 1, 2], [-np.inf, 1, 2], [3e38, -3e38, 0]], np.float32
    )
    path = one_softmax(tmp_path / "m.tflite", values.shape, "float32", code=code)
    check(path, native=True, inputs=[(values,)], ulps=ULPS)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"change": {"scale": 1 / 128}}, "SOFTMAX gives scale 1/256"),
        ({"change": {"zero_point": 0}}, "zero point -128"),
        ({"output": "int16", "change": {"scale": 1 / 32768}}, "SOFTMAX gives scale 1/65536"),
        ({"shape": (1, 5000)}, "the last axis has 5000 elements"),
        ({"beta": 0.0}, "beta is 0"),
        ({"beta": -1.0}, "beta is -1"),
        ({"beta": float("nan")}, "beta is nan"),
        ({"output": "float32", "beta": float("inf")}, "beta is inf"),
        ({"result_shape": (10, 1)}, "differ"),
        ({"code": "LOG_SOFTMAX"}, "the type is int8 where float32 is needed"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, arguments: dict[str, Any], sentence: str
) -> None:
    check_refusal(one_softmax(tmp_path / "m.tflite", **arguments), sentence)
