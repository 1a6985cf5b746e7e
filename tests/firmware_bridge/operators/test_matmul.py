"""BATCH_MATMUL: the reference and the C equal TFLM to the last bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.tflite_builder import TfliteBuilder


def random_matmul(rng: np.random.Generator, path: Path) -> Path:
    """A one-layer model: any ranks, transpositions and broadcasting; sometimes a constant."""
    rows, terms, columns = (int(n) for n in rng.integers(1, (6, 20, 6)))
    batches = [int(n) for n in rng.integers(1, 4, int(rng.integers(0, 4)))]
    # Either side may lack leading axes, or have 1 where the other repeats it.
    sides = []
    for _ in range(2):
        own = [1 if rng.random() < 0.3 else n for n in batches]
        sides.append(own[int(rng.integers(len(own) + 1)) :] if rng.random() < 0.4 else own)
    adjoint = tuple(bool(n) for n in rng.integers(0, 2, 2))
    return one_matmul(
        path,
        (*sides[0], *((terms, rows) if adjoint[0] else (rows, terms))),
        (*sides[1], *((columns, terms) if adjoint[1] else (terms, columns))),
        (*np.broadcast_shapes(tuple(sides[0]), tuple(sides[1])), rows, columns),
        adjoint,
        zero_points=tuple(int(n) for n in rng.integers(-128, 128, 3)),
        scales=(*rng.uniform(0.01, 0.1, 2), 10 ** rng.uniform(-3.5, 0)),
        constant=(None, None, 0, 1)[rng.integers(4)],
    )


def one_matmul(
    path: Path,
    a: tuple[int, ...] = (2, 3, 4),
    b: tuple[int, ...] = (2, 4, 5),
    result: tuple[int, ...] = (2, 3, 5),
    adjoint: tuple[bool, ...] = (False, False),
    zero_points: tuple[int, ...] = (3, -7, 11),
    scales: tuple[float, ...] = (0.1, 0.1, 0.1),
    constant: int | None = None,
    dtype: str = "int8",
) -> Path:
    """A one-layer model whose factor number `constant` is one."""
    builder, rng = TfliteBuilder(), np.random.default_rng(9)
    tensors = [
        builder.tensor(
            shape,
            dtype,
            scale=scale,
            zero_point=zero_point,
            values=rng.integers(-128, 128, shape) if index == constant else None,
        )
        for index, (shape, scale, zero_point) in enumerate(
            zip((a, b, result), scales, zero_points, strict=True)
        )
    ]
    options = schema.BatchMatMulOptionsT(adjX=adjoint[0], adjY=adjoint[1])
    builder.operator("BATCH_MATMUL", tensors[:2], tensors[2:], options, version=2)
    inputs = [tensor for index, tensor in enumerate(tensors[:2]) if index != constant]
    return builder.save(path, inputs, tensors[2:])


def test_reference_equals_tflm(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for index in range(150):
        check(random_matmul(rng, tmp_path / f"{index}.tflite"), native=False)


def test_generated_c_equals_tflm(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for index in range(16):
        check(random_matmul(rng, tmp_path / f"{index}.tflite"), native=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"b": (2, 5, 5)}, "do not give"),
        ({"result": (2, 3, 4)}, "do not give"),
        ({"b": (3, 4, 5), "result": (3, 3, 5)}, "do not give"),
        ({"a": (1, 1, 1, 2, 3, 4)}, "has not 2 to 5 dimensions"),
        ({"b": (4,)}, "has not 2 to 5 dimensions"),
        ({"dtype": "int16", "zero_points": (1, 0, 0)}, "has a zero point"),
        ({"scales": (0.1, 0.1, 1e-7)}, "overflow a 32-bit sum"),
        ({"scales": (0.1, 0.1, 1e-9)}, "scaled up by more than"),
        ({"scales": (1e30, 1e30, 0.1)}, "scaled up by more than"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    check_refusal(one_matmul(tmp_path / "m.tflite", **change), sentence)
