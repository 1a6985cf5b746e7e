"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR equal TFLM at all sizes and conventions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.operators.one_move import one_move
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.importer import import_tflite

OPTIONS = {
    "RESIZE_NEAREST_NEIGHBOR": schema.ResizeNearestNeighborOptionsT,
    "RESIZE_BILINEAR": schema.ResizeBilinearOptionsT,
}
TYPES = {"RESIZE_NEAREST_NEIGHBOR": ("int8", "int16", "float32"), "RESIZE_BILINEAR": ("int8",)}
# align_corners, half_pixel_centers.
CONVENTIONS = ((False, False), (True, False), (False, True))


def random_resize(rng: np.random.Generator, path: Path, code: str, dtype: str = "int8") -> Path:
    """A one-layer model; a third are whole factors."""
    rows, columns, channels = (int(n) for n in rng.integers(1, 9, 3))
    size = tuple(int(n) for n in rng.integers(1, 20, 2))
    if rng.random() < 0.3:
        size = (rows * int(rng.integers(1, 4)), columns * int(rng.integers(1, 4)))
    conventions = CONVENTIONS[rng.integers(3)]
    return one_resize(path, code, (rows, columns, channels), size, conventions, dtype)


def one_resize(
    path: Path,
    code: str,
    shape: tuple[int, int, int],
    size: tuple[int, ...],
    conventions: tuple[bool, bool] = (False, False),
    dtype: str = "int8",
) -> Path:
    options = OPTIONS[code](alignCorners=conventions[0], halfPixelCenters=conventions[1])
    result = (1, *size, shape[2])
    return one_move(path, code, (1, *shape), [result], dtype, [size], options)


@pytest.mark.parametrize("code", OPTIONS)
def test_reference_equals_tflm(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(1)
    for index in range(120):
        dtype = TYPES[code][index % len(TYPES[code])]
        check(random_resize(rng, tmp_path / f"{index}.tflite", code, dtype), native=False)


@pytest.mark.parametrize("code", OPTIONS)
def test_generated_c_equals_tflm(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(2)
    for index in range(9):
        dtype = TYPES[code][index % len(TYPES[code])]
        check(random_resize(rng, tmp_path / f"{index}.tflite", code, dtype), native=True)


@pytest.mark.parametrize("conventions", CONVENTIONS)
@pytest.mark.parametrize("code", OPTIONS)
def test_every_size_up_to_forty_equals_tflm(
    tmp_path: Path, code: str, conventions: tuple[bool, bool]
) -> None:
    # float32 and fixed-point positions must round as TFLM's do wherever they fall.
    for size in range(1, 41):
        path = one_resize(tmp_path / "m.tflite", code, (7, 11, 1), (size, 41 - size), conventions)
        check(path, native=False)


def test_doubling_has_no_tables_and_writes_over_its_input(tmp_path: Path) -> None:
    path = one_resize(tmp_path / "m.tflite", "RESIZE_NEAREST_NEIGHBOR", (16, 16, 8), (32, 32))
    assert import_tflite(path).operators[0].kernel().header == "vpr_repeat.h"
    assert compile_model(path).arena_bytes <= 32 * 32 * 8 + 32 * 8
    check(path, native=True)


@pytest.mark.parametrize(
    ("code", "change", "sentence"),
    [
        ("RESIZE_NEAREST_NEIGHBOR", {"results": [(1, 8, 7, 2)]}, "is not what the input"),
        ("RESIZE_NEAREST_NEIGHBOR", {"constants": [[8]]}, "is not what the input"),
        ("RESIZE_NEAREST_NEIGHBOR", {"dtype": "int32"}, "the type is int32"),
        ("RESIZE_BILINEAR", {"dtype": "int16"}, "the type is int16"),
        ("RESIZE_BILINEAR", {"conventions": (True, True)}, "both align_corners and half_pixel"),
        ("RESIZE_BILINEAR", {"shape": (1, 2, 2, 1), "size": (150, 2)}, "leads out of the 2 pixels"),
        ("RESIZE_BILINEAR", {"size": (1 << 15, 1)}, "32768 pixels or longer"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, code: str, change: dict[str, Any], sentence: str
) -> None:
    given: dict[str, Any] = {
        "shape": (1, 4, 4, 2),
        "size": (8, 8),
        "conventions": (False, False),
    } | change
    shape, size, (aligned, half) = (given.pop(key) for key in ("shape", "size", "conventions"))
    given = {"results": [(1, *size, shape[3])], "constants": [size]} | given
    options = OPTIONS[code](alignCorners=aligned, halfPixelCenters=half)
    path = one_move(tmp_path / "m.tflite", code, shape, options=options, **given)
    check_refusal(path, sentence)
