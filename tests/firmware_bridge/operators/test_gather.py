"""GATHER with constant indices equals TFLM along every axis."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.operators.one_move import one_move, random_shape

TYPES = ("int8", "float32")


def random_gather(rng: np.random.Generator, path: Path, dtype: str = "int8") -> Path:
    """A one-layer model, its indices a number, a row or a table."""
    shape = random_shape(rng, (1, 4), 5)
    axis = int(rng.integers(-len(shape), len(shape)))
    place = axis % len(shape)
    indices = rng.integers(0, shape[place], random_shape(rng, (0, 2), 4))
    result = (*shape[:place], *np.shape(indices), *shape[place + 1 :])
    options = schema.GatherOptionsT(axis=axis)
    return one_move(path, "GATHER", shape, [result], dtype, [indices], options)


def test_reference_equals_tflm(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for index in range(60):
        check(random_gather(rng, tmp_path / f"{index}.tflite", TYPES[index % 2]), native=False)


def test_generated_c_equals_tflm(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for index in range(6):
        check(random_gather(rng, tmp_path / f"{index}.tflite", TYPES[index % 2]), native=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"constants": [[0, 4]]}, "not in the axis of length 4"),
        ({"constants": [[0, -1]]}, "not in the axis of length 4"),
        ({"options": schema.GatherOptionsT(axis=2)}, "there is no axis 2"),
        ({"options": schema.GatherOptionsT(axis=1, batchDims=1)}, "it gathers by batch"),
        ({"results": [(3, 3)]}, "is not what the input"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    settings: dict[str, Any] = {
        "shape": (3, 4),
        "results": [(3, 2)],
        "constants": [[0, 3]],
        "options": schema.GatherOptionsT(axis=1),
    }
    check_refusal(one_move(tmp_path / "m.tflite", "GATHER", **(settings | change)), sentence)
