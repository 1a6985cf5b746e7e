"""L2_NORMALIZATION: the reference and the C equal TFLM, int8 and float32 to the last bit."""

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.c_functions import build
from tests.firmware_bridge.operators.one_input import keep_from_float_refusal
from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.arithmetic.fixed_point import inverse_square_root


def random_normalization(rng: np.random.Generator, path: Path, dtype: str = "int8") -> Path:
    """A one-layer model of any rank."""
    rank = int(rng.integers(1, 5))
    shape = (*(int(n) for n in rng.integers(1, 5, rank - 1)), int(rng.integers(1, 70)))
    return one_normalization(path, shape, dtype, int(rng.integers(-128, 128)))


def one_normalization(
    path: Path,
    shape: tuple[int, ...] = (1, 16),
    dtype: str = "int8",
    zero_point: int = 3,
    output: tuple[float, int] = (1 / 128, 0),
    activation: int = 0,
    result_shape: tuple[int, ...] | None = None,
) -> Path:
    """A one-layer model."""
    builder = TfliteBuilder()
    if dtype == "float32":
        source, result = builder.tensor(shape, dtype), builder.tensor(shape, dtype)
    else:
        source = builder.tensor(shape, scale=0.05, zero_point=zero_point)
        result = builder.tensor(result_shape or shape, scale=output[0], zero_point=output[1])
    options = schema.L2NormOptionsT(fusedActivationFunction=activation)
    builder.operator("L2_NORMALIZATION", [source], [result], options, version=2)
    keep_from_float_refusal(builder)
    return builder.save(path, [source], [result])


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_reference_equals_tflm(tmp_path: Path, dtype: str) -> None:
    rng = np.random.default_rng(1)
    for index in range(100):
        check(random_normalization(rng, tmp_path / f"{index}.tflite", dtype), native=False)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_generated_c_equals_tflm(tmp_path: Path, dtype: str) -> None:
    rng = np.random.default_rng(2)
    for index in range(6):
        check(random_normalization(rng, tmp_path / f"{index}.tflite", dtype), native=True)


def test_vectors_of_any_length_equal_tflm(tmp_path: Path) -> None:
    # From the zero vector over sums of squares of 1, 2, 3 .. to the largest that fit 32 bits.
    rng = np.random.default_rng(3)
    rows = np.zeros((200, 130), np.int64)
    for index, row in enumerate(rows):
        row[: index // 2] = rng.integers(-(index % 9), index % 9 + 1, index // 2)
    rows[1, :1], rows[2, :2], rows[3, :3], rows[4, 0] = 1, -1, 1, 2
    path = one_normalization(tmp_path / "m.tflite", rows.shape, zero_point=0)
    check(path, native=True, inputs=[(rows.astype(np.int8),)])
    long = np.full((2, 33000), 127, np.int8)
    long[1] = rng.integers(-128, 128, 33000)
    path = one_normalization(tmp_path / "long.tflite", long.shape, zero_point=-128)
    check(path, native=True, inputs=[(long,)])


def test_inverse_square_roots_in_c_equal_the_reference(tmp_path: Path) -> None:
    library = build(
        '#include "vpr_l2_normalization_s8.h"\n'
        "int64_t root(int32_t sum);\n"
        "int64_t root(int32_t sum)\n{\n"
        "    const struct vpr_inverse_root r = vpr_inverse_square_root(sum);\n"
        "    return (int64_t)r.multiplier * 64 - r.shift;\n}\n",
        tmp_path,
        "gcc",
    )
    library.root.restype = ctypes.c_int64
    edges = [n for bit in range(31) for n in (2**bit - 1, 2**bit, 2**bit + 1)] + [2**31 - 1]
    rng = np.random.default_rng(4)
    for total in [*edges, *(int(n) for n in 2 ** rng.uniform(0, 31, 3000))]:
        expected = inverse_square_root(total)
        assert library.root(total) == int(expected.value) * 64 - int(expected.shift)


def test_floats_at_the_edge_of_their_range_equal_tflm(tmp_path: Path) -> None:
    values = np.array(
        [[0, 0, 0], [1e-8, 0, 0], [1e30, 1, 1], [np.inf, 1, -1], [np.nan, 1, 0]], np.float32
    )
    path = one_normalization(tmp_path / "m.tflite", values.shape, "float32")
    check(path, native=True, inputs=[(values,)])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"shape": (1, 1, 1, 1, 4)}, "more than 4 dimensions"),
        ({"result_shape": (16, 1)}, "is not what the input"),
        ({"output": (1 / 64, 0)}, "scale 1/128 and zero point 0"),
        ({"output": (1 / 128, 1)}, "scale 1/128 and zero point 0"),
        ({"activation": 1}, "fused activation"),
        ({"shape": (1, 140000)}, "overflow a 32-bit sum"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    check_refusal(one_normalization(tmp_path / "m.tflite", **change), sentence)
