"""SLICE and STRIDED_SLICE equal TFLM for every type, bound and step."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.operators.one_move import one_move, random_shape
from vpr_edge.firmware_bridge.compile.compiler import compile_model

TYPES = ("int8", "int16", "int32", "float32")
CODES = ("SLICE", "STRIDED_SLICE")


def random_slice(rng: np.random.Generator, path: Path, code: str, dtype: str = "int8") -> Path:
    """A one-layer model: any bounds; of STRIDED_SLICE also any steps and masks."""
    if code == "STRIDED_SLICE":
        return _random_strided_slice(rng, path, dtype)
    shape = random_shape(rng, (1, 5))
    begin = [int(rng.integers(n)) for n in shape]
    size = [int(rng.integers(1, n - a + 1)) for n, a in zip(shape, begin, strict=True)]
    given = [
        -1 if a + n == length and rng.random() < 0.5 else n
        for a, n, length in zip(begin, size, shape, strict=True)
    ]
    options = schema.SliceOptionsT()
    return one_move(path, code, shape, [tuple(size)], dtype, [begin, given], options)


def _random_strided_slice(rng: np.random.Generator, path: Path, dtype: str) -> Path:
    shape = random_shape(rng, (1, 4))
    while True:
        rank = len(shape)
        begin = [int(rng.integers(-n - 2, n + 3)) for n in shape]
        end = [int(rng.integers(-n - 2, n + 3)) for n in shape]
        steps = [int(rng.choice([1, 1, 2, 3, -1, -2])) for _ in shape]
        masks = [int(rng.integers(1 << rank)) for _ in range(3)]
        masks[2] &= int(rng.integers(1 << rank))
        index = tuple(
            begin[a] if masks[2] >> a & 1 and not masks[0] >> a & 1
            else 0 if masks[2] >> a & 1
            else slice(
                None if masks[0] >> a & 1 else begin[a],
                None if masks[1] >> a & 1 else end[a],
                steps[a],
            )
            for a in range(rank)
        )  # fmt: skip
        if any(isinstance(i, int) and step < 0 for i, step in zip(index, steps, strict=True)):
            continue
        try:
            # numpy slices as TFLM does, but for bounds before the first element.
            result = np.empty(shape)[index].shape
        except IndexError:
            continue
        if 0 not in result:
            break
    options = schema.StridedSliceOptionsT(
        beginMask=masks[0], endMask=masks[1], shrinkAxisMask=masks[2]
    )
    return one_move(path, "STRIDED_SLICE", shape, [result], dtype, [begin, end, steps], options)


@pytest.mark.parametrize("code", CODES)
def test_reference_equals_tflm(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(1)
    for index in range(120):
        path = random_slice(rng, tmp_path / f"{index}.tflite", code, TYPES[index % 4])
        check(path, native=False)


@pytest.mark.parametrize("code", CODES)
def test_generated_c_equals_tflm(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(2)
    for index in range(8):
        path = random_slice(rng, tmp_path / f"{index}.tflite", code, TYPES[index % 4])
        check(path, native=True)


def test_a_crop_writes_over_what_it_crops(tmp_path: Path) -> None:
    path = one_move(
        tmp_path / "m.tflite",
        "SLICE",
        (1, 16, 16, 4),
        [(1, 12, 12, 4)],
        constants=[[0, 2, 2, 0], [1, 12, 12, 4]],
    )
    assert compile_model(path).arena_bytes == 16 * 16 * 4
    check(path, native=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"constants": [[0, 3], [4, 4]]}, "from .* on leave"),
        ({"constants": [[0, -1], [4, 4]]}, "from .* on leave"),
        ({"constants": [[0], [4]]}, "has 1 values for 2 dimensions"),
        ({"results": [(4, 5)]}, "is not what the input"),
        ({"shape": (1,) * 6, "results": [(1,) * 6]}, "more than 5 dimensions"),
        ({"dtype": "uint8"}, "the type is uint8"),
    ],
)
def test_slices_that_cannot_be_compiled_are_refused(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    settings = {"shape": (4, 6), "results": [(4, 4)], "constants": [[0, 1], [4, 4]]} | change
    check_refusal(one_move(tmp_path / "m.tflite", "SLICE", **settings), sentence)


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        ({}, {"ellipsisMask": 1}, "TFLM ignores the option ellipsisMask"),
        ({}, {"newAxisMask": 1}, "TFLM ignores the option newAxisMask"),
        ({"constants": [[0, 1], [4, 5], [1, 0]]}, {}, "the step along axis 1 is 0"),
        ({"constants": [[0, 9], [4, 5], [1, 1]]}, {"shrinkAxisMask": 2}, "index 9 with step 1"),
        ({"constants": [[0, 1], [4, 5], [1, -1]]}, {"shrinkAxisMask": 2}, "with step -1"),
        ({"shape": (1,) * 5, "results": [(1,) * 5]}, {}, "more than 4 dimensions"),
        ({"results": [(4, 3)]}, {}, "is not what the input"),
    ],
)
def test_strided_slices_that_cannot_be_compiled_are_refused(
    tmp_path: Path, change: dict[str, Any], options: dict[str, int], sentence: str
) -> None:
    settings = {"shape": (4, 6), "results": [(4, 4)], "constants": [[0, 1], [4, 5], [1, 1]]}
    path = one_move(
        tmp_path / "m.tflite",
        "STRIDED_SLICE",
        **(settings | change),
        options=schema.StridedSliceOptionsT(**options),
    )
    check_refusal(path, sentence)
