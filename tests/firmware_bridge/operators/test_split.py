"""SPLIT, SPLIT_V and UNPACK equal TFLM, output for output."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.operators.one_move import one_move, random_shape

CODES = ("SPLIT", "SPLIT_V", "UNPACK")
TYPES = ("int8", "int16", "int32", "float32")


def random_split(rng: np.random.Generator, path: Path, code: str, dtype: str = "int8") -> Path:
    """A one-layer model of one to four outputs."""
    shape = list(random_shape(rng, (1, 5), 4))
    axis = int(rng.integers(len(shape)))
    given = axis - len(shape) if rng.random() < 0.3 else axis
    parts = [int(n) for n in rng.integers(1, 4, int(rng.integers(1, 5)))]
    if code != "SPLIT_V":
        parts = [1 if code == "UNPACK" else parts[0]] * len(parts)
    shape[axis] = sum(parts)
    results = [(*shape[:axis], part, *shape[axis + 1 :]) for part in parts]
    if code == "UNPACK":
        options: Any = schema.UnpackOptionsT(num=len(parts), axis=given)
        results = [(*shape[:axis], *shape[axis + 1 :])] * len(parts)
        return one_move(path, code, tuple(shape), results, dtype, options=options)
    if code == "SPLIT":
        options = schema.SplitOptionsT(numSplits=len(parts))
        return one_move(path, code, tuple(shape), results, dtype, [given], options, place=1)
    options = schema.SplitVOptionsT(numSplits=len(parts))
    sizes = [-1, *parts[1:]] if rng.random() < 0.3 else parts
    return one_move(path, code, tuple(shape), results, dtype, [sizes, given], options)


@pytest.mark.parametrize("code", CODES)
def test_reference_equals_tflm(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(1)
    for index in range(60):
        path = random_split(rng, tmp_path / f"{index}.tflite", code, TYPES[index % 4])
        check(path, native=False)


@pytest.mark.parametrize("code", CODES)
def test_generated_c_equals_tflm(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(2)
    for index in range(4):
        path = random_split(rng, tmp_path / f"{index}.tflite", code, TYPES[index % 4])
        check(path, native=True)


@pytest.mark.parametrize(
    ("code", "change", "sentence"),
    [
        ("SPLIT", {"results": [(2, 3), (2, 1)]}, "is not what the input"),
        ("SPLIT", {"results": [(2, 2)]}, "is not what the input"),
        ("SPLIT", {"results": [(2, 2), (4,)]}, "is not what the input"),
        ("SPLIT", {"constants": [2]}, "there is no axis 2 among 2 dimensions"),
        ("SPLIT_V", {"constants": [[3, 1], 1]}, "is not what the input"),
        ("SPLIT_V", {"constants": [[2, 2, 2], 1]}, "is not what the input"),
        ("UNPACK", {"results": [(2,)]}, "is not what the input"),
        ("UNPACK", {"results": [(2,), (3,)]}, "is not what the input"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, code: str, change: dict[str, Any], sentence: str
) -> None:
    defaults: dict[str, dict[str, Any]] = {
        "SPLIT": {"constants": [1], "place": 1},
        "SPLIT_V": {"constants": [[2, 2], 1]},
        "UNPACK": {"options": schema.UnpackOptionsT(num=2, axis=0)},
    }
    settings = {"shape": (2, 4), "results": [(2, 2), (2, 2)]} | defaults[code] | change
    check_refusal(one_move(tmp_path / "m.tflite", code, **settings), sentence)
