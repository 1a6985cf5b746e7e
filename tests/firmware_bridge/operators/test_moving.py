"""FILL, BROADCAST_TO, REVERSE_V2, MIRROR_PAD, GATHER_ND, the batches of blocks: equal TFLM."""

from math import prod
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.operators.one_layer import T, constant, one_layer
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.golden import random_inputs
from vpr_edge.firmware_bridge.compile.host import NativeModel


@pytest.mark.parametrize("dtype", ["int8", "int32", "float32"])
def test_fill_equals_tflm(tmp_path: Path, dtype: str) -> None:
    inputs = [constant([2, 3]), T((), dtype)]
    check(one_layer(tmp_path / "m.tflite", "FILL", inputs, T((2, 3), dtype)), native=True)


def test_zeros_like_equals_tflm(tmp_path: Path) -> None:
    tensor = T((2, 3), scale=0.1, zero_point=5)
    check(one_layer(tmp_path / "m.tflite", "ZEROS_LIKE", [tensor], tensor), native=True)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("shapes", [((3, 1), (2, 3, 4)), ((1,), (5,)), ((2, 1, 2), (2, 4, 2))])
def test_broadcast_to_equals_tflm(
    tmp_path: Path, dtype: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    inputs = [T(shapes[0], dtype), constant(list(shapes[1]))]
    check(
        one_layer(tmp_path / "m.tflite", "BROADCAST_TO", inputs, T(shapes[1], dtype)), native=True
    )


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_reverse_equals_tflm(tmp_path: Path, dtype: str, axis: int) -> None:
    tensor = T((2, 3, 4), dtype)
    path = one_layer(tmp_path / "m.tflite", "REVERSE_V2", [tensor, constant([axis])], tensor)
    check(path, native=True)


@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_mirror_pad_equals_tflm(tmp_path: Path, mode: int, dtype: str) -> None:
    amounts = [[0, 0], [1, 2], [2, 1], [0, 1]]
    shape = (1, 3, 4, 2)
    result = tuple(n + a + b for n, (a, b) in zip(shape, amounts, strict=True))
    options = schema.MirrorPadOptionsT(mode=mode)
    inputs = [T(shape, dtype), constant(amounts)]
    check(one_layer(tmp_path / "m.tflite", "MIRROR_PAD", inputs, T(result, dtype), options), True)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_gather_nd_equals_tflm(tmp_path: Path, dtype: str, depth: int) -> None:
    shape = (3, 4, 5)
    indices = np.random.default_rng(1).integers(0, 3, (2, 3, depth))
    result = T((2, 3, *shape[depth:]), dtype)
    inputs = [T(shape, dtype), constant(indices)]
    check(one_layer(tmp_path / "m.tflite", "GATHER_ND", inputs, result), native=True)


def test_gather_nd_beyond_its_input_is_refused(tmp_path: Path) -> None:
    inputs = [T((3, 4)), constant([[3, 0]])]
    check_refusal(one_layer(tmp_path / "m.tflite", "GATHER_ND", inputs, T((1,))), "is not in")


BLOCKS = [
    # Images, block, edges (before, after) of rows and columns.
    ((1, 4, 6, 3), (2, 3), ((0, 0), (0, 0))),
    ((2, 4, 4, 1), (2, 2), ((0, 0), (0, 0))),
    ((2, 5, 4, 1), (2, 2), ((1, 0), (2, 2))),
    ((1, 8, 1, 2), (3, 1), ((1, 3), (0, 0))),
]


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize(("shape", "block", "edges"), BLOCKS)
def test_space_to_batch_and_back_equal_tflm(
    tmp_path: Path,
    dtype: str,
    shape: tuple[int, ...],
    block: tuple[int, int],
    edges: tuple[tuple[int, int], ...],
) -> None:
    parts = [(n + sum(edge)) // b for n, b, edge in zip(shape[1:3], block, edges, strict=True)]
    small = (shape[0] * prod(block), *parts, shape[3])
    more = {"scale": 0.1, "zero_point": -9} if dtype == "int8" else {}
    given = [constant(list(block)), constant(edges)]
    large, part = T(shape, dtype, **more), T(small, dtype, **more)
    check(one_layer(tmp_path / "b.tflite", "BATCH_TO_SPACE_ND", [part, *given], large), True)
    path = one_layer(tmp_path / "a.tflite", "SPACE_TO_BATCH_ND", [large, *given], part)
    if not np.any(edges):
        check(path, True)
        return
    # TFLM's edges are memory that it never sets: 0 in a fresh process, and so here.
    plan = compile_model(path)
    ((image,),) = random_inputs(plan.program, 1)
    padded = np.pad(image, ((0, 0), *edges, (0, 0)))
    split = padded.reshape(shape[0], parts[0], block[0], parts[1], block[1], shape[3])
    expected = split.transpose(2, 4, 0, 1, 3, 5).reshape(small)
    np.testing.assert_array_equal(NativeModel(plan).run(image)[0], expected)


@pytest.mark.parametrize("code", ["REDUCE_MAX", "REDUCE_MIN"])
@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("axes", [[0], [1, 2], [-1], [0, 2], [0, 1, 2]])
def test_greatest_and_smallest_equal_tflm(
    tmp_path: Path, code: str, dtype: str, axes: list[int]
) -> None:
    shape = (3, 4, 5)
    kept = tuple(1 if axis in [a % 3 for a in axes] else n for axis, n in enumerate(shape))
    more = {"scale": 0.1, "zero_point": 3} if dtype == "int8" else {}
    options = schema.ReducerOptionsT(keepDims=True)
    inputs = [T(shape, dtype, **more), constant(axes)]
    path = one_layer(tmp_path / "m.tflite", code, inputs, T(kept, dtype, **more), options)
    check(path, native=True)


def test_reduce_all_equals_tflm(tmp_path: Path) -> None:
    options = schema.ReducerOptionsT(keepDims=False)
    inputs = [T((6, 2), "bool"), constant([1])]
    path = one_layer(tmp_path / "m.tflite", "REDUCE_ALL", inputs, T((6,), "bool"), options)
    check(path, native=True)
