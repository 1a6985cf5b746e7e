"""ADD, SUB, MUL, MAXIMUM, MINIMUM: the reference and the C equal TFLM to the last bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.operators.one_input import keep_from_float_refusal
from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.importer import import_tflite

OPTIONS = {
    "ADD": schema.AddOptionsT,
    "SUB": schema.SubOptionsT,
    "MUL": schema.MulOptionsT,
    "MAXIMUM": schema.MaximumMinimumOptionsT,
    "MINIMUM": schema.MaximumMinimumOptionsT,
}
SHAPES = (
    ((1, 3, 4, 5), (1, 3, 4, 5)),
    ((1, 3, 4, 5), (5,)),
    ((1, 3, 4, 5), (1,)),
    ((1, 3, 4, 5), (1, 1, 1, 5)),
    ((1, 3, 4, 5), (1, 3, 4, 1)),
    ((1, 3, 1, 5), (1, 1, 4, 1)),
    ((7,), (7,)),
    ((2, 3), ()),
    ((2, 2, 3, 2, 2), (3, 1, 1)),
    ((2, 3, 2, 3, 2), (2, 3, 2, 3, 2)),
    ((2, 1, 3, 1, 4, 1), (1, 2, 1, 3, 1, 4)),
)


def random_elementwise(
    rng: np.random.Generator, path: Path, code: str, dtype: str = "int8"
) -> Path:
    """A one-layer model: any shapes that broadcast, any order, often a constant."""
    shapes = list(SHAPES[rng.integers(len(SHAPES))])
    rng.shuffle(shapes)
    result = np.broadcast_shapes(*shapes)
    extremum = code in ("MAXIMUM", "MINIMUM")
    shared = quantization(rng)
    builder, read = TfliteBuilder(), []
    constant = int(rng.integers(2)) if rng.random() < 0.5 else None
    for index, shape in enumerate(shapes):
        parameters = shared if extremum else quantization(rng)
        values = random_values(rng, shape, dtype) if index == constant else None
        if dtype == "float32":
            parameters = {}
        read.append(builder.tensor(shape, dtype, values=values, **parameters))
    parameters = {} if dtype == "float32" else shared
    output = builder.tensor(result, dtype, **parameters)
    options = OPTIONS[code]()
    if not extremum:
        options.fusedActivationFunction = int(rng.integers(4))
    builder.operator(code, read, [output], options if rng.random() < 0.9 else None)
    keep_from_float_refusal(builder)
    inputs = [tensor for index, tensor in enumerate(read) if index != constant]
    return builder.save(path, inputs, [output])


def quantization(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "scale": float(10 ** rng.uniform(-4, 0)),
        "zero_point": int(rng.integers(-128, 128)),
    }


def random_values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Any:
    if dtype == "float32":
        return rng.standard_normal(shape)
    return rng.integers(-128, 128, shape)


@pytest.mark.parametrize("code", OPTIONS)
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_reference_equals_tflm(tmp_path: Path, code: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    for index in range(60):
        check(random_elementwise(rng, tmp_path / f"{index}.tflite", code, dtype), native=False)


@pytest.mark.parametrize("code", OPTIONS)
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_generated_c_equals_tflm(tmp_path: Path, code: str, dtype: str) -> None:
    rng = np.random.default_rng(2)
    for index in range(6):
        check(random_elementwise(rng, tmp_path / f"{index}.tflite", code, dtype), native=True)


@pytest.mark.parametrize("code", OPTIONS)
def test_floats_at_the_edge_of_their_range_equal_tflm(tmp_path: Path, code: str) -> None:
    edges = np.array([np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-45, -0.0, 0.0], np.float32)
    builder = TfliteBuilder()
    a, b, output = (builder.tensor((8, 8), "float32") for _ in range(3))
    builder.operator(code, [a, b], [output], OPTIONS[code]())
    keep_from_float_refusal(builder)
    path = builder.save(tmp_path / "m.tflite", [a, b], [output])
    check(path, native=True, inputs=[tuple(map(np.ascontiguousarray, np.meshgrid(edges, edges)))])


def two_inputs(
    path: Path,
    code: str = "ADD",
    shapes: tuple[tuple[int, ...], ...] = ((1, 4), (1, 4), (1, 4)),
    scales: tuple[float, ...] = (0.1, 0.1, 0.1),
    dtypes: tuple[str, ...] = ("int8", "int8", "int8"),
    activation: int = 0,
) -> Path:
    builder = TfliteBuilder()
    a, b, output = (
        builder.tensor(shape, dtype, scale=scale)
        for shape, dtype, scale in zip(shapes, dtypes, scales, strict=True)
    )
    options = OPTIONS[code]()
    options.fusedActivationFunction = activation
    builder.operator(code, [a, b], [output], options)
    return builder.save(path, [a, b], [output])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"shapes": ((1, 4), (1, 3), (1, 4))}, "do not broadcast"),
        ({"shapes": ((1, 4), (1, 4), (1, 5))}, "do not broadcast"),
        ({"shapes": ((1, 4), (1, 3), (1, 1))}, "do not broadcast"),
        ({"shapes": ((1,) * 7, (1,) * 7, (1,) * 7)}, "at most 6 dimensions"),
        ({"scales": (1.0, 1.0, 1e-7)}, "too small beside"),
        ({"code": "SUB", "scales": (1.0, 1.0, 1e-7)}, "too small beside"),
        ({"code": "SUB", "scales": (3e38, 3e38, 1.0)}, "too small beside"),
        ({"code": "MUL", "scales": (1.0, 1.0, 1e-7)}, "too small beside"),
        ({"code": "MAXIMUM", "scales": (0.1, 0.1, 0.2)}, "would not rescale"),
        ({"dtypes": ("int8", "int16", "int8")}, "the type is int16 where int8"),
        ({"activation": 4}, "the fused activation TANH"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    check_refusal(two_inputs(tmp_path / "m.tflite", **change), sentence)


def test_a_scale_of_almost_nothing_takes_a_fused_activation(tmp_path: Path) -> None:
    path = two_inputs(tmp_path / "m.tflite", scales=(1e-39, 1e-39, 1e-39), activation=3)
    (operator,) = import_tflite(path).operators
    fours = np.full((1, 4), 4, np.int8)
    np.testing.assert_array_equal(operator.reference(fours, fours)[0], 2 * fours)


def test_equal_shapes_run_in_place(tmp_path: Path) -> None:
    plan = compile_model(two_inputs(tmp_path / "m.tflite", shapes=((1, 64),) * 3))
    assert plan.arena_bytes == 128
