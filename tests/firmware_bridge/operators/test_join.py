"""CONCATENATION and PACK equal TFLM along every axis, constants among the inputs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.operators.one_input import keep_from_float_refusal
from tests.firmware_bridge.operators.one_move import parameters, random_shape
from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.firmware_bridge.compile.compiler import compile_model

CODES = ("CONCATENATION", "PACK")
TYPES = ("int8", "int16", "int32", "float32")


def random_join(rng: np.random.Generator, path: Path, code: str, dtype: str = "int8") -> Path:
    """A one-layer model of one to five inputs, sometimes one of them constant."""
    shape = random_shape(rng, (1, 4), 4)
    count = int(rng.integers(1, 6))
    constant = int(rng.integers(1, 10))
    if code == "PACK":
        axis = int(rng.integers(-len(shape) - 1, len(shape) + 1))
        place = axis % (len(shape) + 1)
        result = (*shape[:place], count, *shape[place:])
        return one_join(path, code, [shape] * count, result, axis, dtype, constant)
    axis = int(rng.integers(-len(shape), len(shape)))
    place = axis % len(shape)
    lengths = [int(n) for n in rng.integers(1, 5, count)]
    shapes = [(*shape[:place], n, *shape[place + 1 :]) for n in lengths]
    result = (*shape[:place], sum(lengths), *shape[place + 1 :])
    return one_join(path, code, shapes, result, axis, dtype, constant)


def one_join(
    path: Path,
    code: str = "CONCATENATION",
    shapes: Sequence[tuple[int, ...]] = ((2, 3), (2, 1)),
    result: tuple[int, ...] = (2, 4),
    axis: int = 1,
    dtype: str = "int8",
    constant: int = -1,
    activation: int = 0,
    **output: Any,
) -> Path:
    """A one-layer model.

    Args:
        path: of the model.
        code: builtin name.
        shapes: of the inputs.
        result: shape of the output.
        axis: of the output.
        dtype: of all.
        constant: which input is one; the first never.
        activation: fused.
        output: what differs in the output's quantisation.
    """
    builder = TfliteBuilder()
    read = [
        builder.tensor(
            shape,
            dtype,
            values=np.arange(np.prod(shape)).reshape(shape) if index == constant else None,
            **parameters(dtype),
        )
        for index, shape in enumerate(shapes)
    ]
    written = builder.tensor(result, dtype, **(parameters(dtype) | output))
    options: Any = schema.PackOptionsT(valuesCount=len(shapes), axis=axis)
    if code == "CONCATENATION":
        options = schema.ConcatenationOptionsT(axis=axis, fusedActivationFunction=activation)
    builder.operator(code, read, [written], options)
    keep_from_float_refusal(builder)
    inputs = [tensor for index, tensor in enumerate(read) if index != constant]
    return builder.save(path, inputs, [written])


@pytest.mark.parametrize("code", CODES)
def test_reference_equals_tflm(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(1)
    for index in range(60):
        path = random_join(rng, tmp_path / f"{index}.tflite", code, TYPES[index % 4])
        check(path, native=False)


@pytest.mark.parametrize("code", CODES)
def test_generated_c_equals_tflm(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(2)
    for index in range(6):
        path = random_join(rng, tmp_path / f"{index}.tflite", code, TYPES[index % 4])
        check(path, native=True)


def test_channels_are_joined_over_the_last_input(tmp_path: Path) -> None:
    shapes = [(1, 8, 8, 16), (1, 8, 8, 16)]
    path = one_join(tmp_path / "m.tflite", shapes=shapes, result=(1, 8, 8, 32), axis=3)
    assert compile_model(path).arena_bytes < 4 * 1024
    check(path, native=True)


def test_an_input_joined_to_itself(tmp_path: Path) -> None:
    builder = TfliteBuilder()
    source, result = builder.tensor((4, 5), scale=0.1), builder.tensor((4, 10), scale=0.1)
    builder.operator(
        "CONCATENATION", [source, source], [result], schema.ConcatenationOptionsT(axis=1)
    )
    check(builder.save(tmp_path / "m.tflite", [source], [result]), native=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"scale": 0.2}, "another scale or zero point than the output"),
        ({"zero_point": 5}, "another scale or zero point than the output"),
        ({"activation": 1}, "has no fused activation"),
        ({"axis": 2}, "there is no axis 2 among 2 dimensions"),
        ({"result": (2, 5)}, "is not what the input"),
        ({"shapes": [(2, 3), (1, 1)]}, "is not what the input"),
        ({"shapes": [(2, 3), (2,)]}, "has not 2 dimensions"),
        ({"code": "PACK"}, "is not what the input"),
        ({"dtype": "uint8"}, "the type is uint8"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    check_refusal(one_join(tmp_path / "m.tflite", **change), sentence)
