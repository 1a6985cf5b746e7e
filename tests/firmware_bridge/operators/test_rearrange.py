"""TRANSPOSE, DEPTH_TO_SPACE, SPACE_TO_DEPTH equal TFLM; runs are as long as they can be."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.operators.one_move import one_move, random_shape
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.importer import import_tflite
from vpr_edge.firmware_bridge.operators.shared.rearrangement import Rearrangement

TYPES = {
    "TRANSPOSE": ("int8", "int16", "float32"),
    "DEPTH_TO_SPACE": ("int8", "float32"),
    "SPACE_TO_DEPTH": ("int8", "float32"),
}
CODES = tuple(TYPES)


def random_rearrangement(
    rng: np.random.Generator, path: Path, code: str, dtype: str = "int8"
) -> Path:
    """A one-layer model."""
    if code == "TRANSPOSE":
        shape = random_shape(rng, (1, 5), 5)
        return one_transpose(
            path, shape, [int(axis) for axis in rng.permutation(len(shape))], dtype
        )
    n, rows, columns, channels = (int(n) for n in rng.integers(1, 5, 4))
    block = int(rng.integers(1, 4))
    small = (n, rows, columns, channels * block**2)
    large = (n, rows * block, columns * block, channels)
    if code == "DEPTH_TO_SPACE":
        options: Any = schema.DepthToSpaceOptionsT(blockSize=block)
        return one_move(path, code, small, [large], dtype, options=options)
    options = schema.SpaceToDepthOptionsT(blockSize=block)
    return one_move(path, code, large, [small], dtype, options=options)


def one_transpose(
    path: Path, shape: tuple[int, ...], order: list[int], dtype: str = "int8"
) -> Path:
    result = tuple(shape[axis] for axis in order if axis < len(shape))
    options = schema.TransposeOptionsT()
    return one_move(path, "TRANSPOSE", shape, [result], dtype, [order], options)


@pytest.mark.parametrize("code", CODES)
def test_reference_equals_tflm(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(1)
    for index in range(60):
        dtype = TYPES[code][index % len(TYPES[code])]
        check(random_rearrangement(rng, tmp_path / f"{index}.tflite", code, dtype), native=False)


@pytest.mark.parametrize("code", CODES)
def test_generated_c_equals_tflm(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(2)
    for index in range(6):
        dtype = TYPES[code][index % len(TYPES[code])]
        check(random_rearrangement(rng, tmp_path / f"{index}.tflite", code, dtype), native=True)


def test_a_transposition_of_five_dimensions_without_runs(tmp_path: Path) -> None:
    check(one_transpose(tmp_path / "m.tflite", (2, 3, 4, 5, 6), [4, 3, 2, 1, 0]), native=True)


@pytest.mark.parametrize(
    ("shape", "order", "run", "loops"),
    [
        ((1, 8, 9, 16), [0, 2, 1, 3], 16, 2),
        ((1, 8, 9, 16), [0, 3, 1, 2], 1, 2),
        ((2, 3, 4, 5), [2, 3, 0, 1], 1, 2),
        ((7, 1, 3, 4), [1, 0, 2, 3], 84, 0),
    ],
)
def test_dimensions_that_stay_together_are_one(
    tmp_path: Path, shape: tuple[int, ...], order: list[int], run: int, loops: int
) -> None:
    operator = import_tflite(one_transpose(tmp_path / "m.tflite", shape, order)).operators[0]
    assert isinstance(operator, Rearrangement)
    (copy,) = operator.copies
    assert (copy.run, len(copy.count)) == (run, loops)


def test_moving_a_dimension_of_one_costs_nothing(tmp_path: Path) -> None:
    path = one_transpose(tmp_path / "m.tflite", (1, 8, 9, 16), [1, 2, 0, 3])
    assert compile_model(path).arena_bytes == 8 * 9 * 16


def test_depth_to_space_writes_over_most_of_its_input(tmp_path: Path) -> None:
    options = schema.DepthToSpaceOptionsT(blockSize=2)
    path = one_move(
        tmp_path / "m.tflite", "DEPTH_TO_SPACE", (1, 8, 8, 16), [(1, 16, 16, 4)], options=options
    )
    # A row of blocks is read twice.
    assert compile_model(path).arena_bytes <= 1024 + 64
    check(path, native=True)


@pytest.mark.parametrize(
    ("code", "change", "sentence"),
    [
        ("TRANSPOSE", {"constants": [[0, 1, 1, 2]]}, "is no order of 4 dimensions"),
        ("TRANSPOSE", {"constants": [[0, 1, 2]]}, "is no order of 4 dimensions"),
        ("TRANSPOSE", {"results": [(1, 4, 4, 9)]}, "is not what the input"),
        ("TRANSPOSE", {"shape": (1,) * 6, "results": [(1,) * 6]}, "more than 5 dimensions"),
        ("TRANSPOSE", {"dtype": "int32"}, "the type is int32"),
        ("DEPTH_TO_SPACE", {}, "the block size is 0"),
        (
            "DEPTH_TO_SPACE",
            {"options": schema.DepthToSpaceOptionsT(blockSize=2)},
            "is not what the input",
        ),
        (
            "SPACE_TO_DEPTH",
            {"options": schema.SpaceToDepthOptionsT(blockSize=3)},
            "is not what the input",
        ),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, code: str, change: dict[str, Any], sentence: str
) -> None:
    constants = [[0, 2, 1, 3]] if code == "TRANSPOSE" else []
    settings = {"shape": (1, 4, 4, 8), "results": [(1, 4, 4, 8)], "constants": constants}
    path = one_move(tmp_path / "m.tflite", code, **(settings | change))
    check_refusal(path, sentence)
