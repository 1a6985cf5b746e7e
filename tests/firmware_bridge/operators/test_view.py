"""RESHAPE, SQUEEZE, EXPAND_DIMS cost nothing; SHAPE is a constant."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.operators.one_move import one_move
from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.emit import Emitter

MODELS: dict[str, dict[str, Any]] = {
    "RESHAPE": {"results": [(2, 6, 5)], "constants": [[2, -1, 5]]},
    "SQUEEZE": {"results": [(3, 4, 5)], "options": schema.SqueezeOptionsT(squeezeDims=[0])},
    "EXPAND_DIMS": {"results": [(1, 3, 4, 1, 5)], "constants": [-2]},
}
TYPES = {
    "RESHAPE": ("int8", "int16", "int32", "float32"),
    "SQUEEZE": ("int8", "int32", "float32"),
    "EXPAND_DIMS": ("int8", "int16", "float32"),
}


@pytest.mark.parametrize("code", MODELS)
def test_views_equal_tflm_and_no_code_runs(tmp_path: Path, code: str) -> None:
    for dtype in TYPES[code]:
        path = one_move(tmp_path / "m.tflite", code, (1, 3, 4, 5), dtype=dtype, **MODELS[code])
        check(path, native=dtype == "int8")
        assert not Emitter(compile_model(path), "model").layers


def test_layers_that_only_compute_a_new_shape_are_left_out(tmp_path: Path) -> None:
    builder = TfliteBuilder()
    source = builder.tensor((1, 4, 6), scale=0.1)
    shape = builder.tensor((3,), "int32")
    bounds = [builder.tensor((1,), "int32", values=np.array([n])) for n in (1, 2, 1)]
    length = builder.tensor((1,), "int32")
    rest = builder.tensor((1,), "int32", values=np.array([6]))
    new_shape = builder.tensor((2,), "int32")
    result = builder.tensor((4, 6), scale=0.1)
    builder.operator("SHAPE", [source], [shape], schema.ShapeOptionsT(outType=2))
    builder.operator("STRIDED_SLICE", [shape, *bounds], [length], schema.StridedSliceOptionsT())
    builder.operator("CONCATENATION", [length, rest], [new_shape], schema.ConcatenationOptionsT())
    builder.operator("RESHAPE", [source, new_shape], [result], schema.ReshapeOptionsT())
    path = builder.save(tmp_path / "m.tflite", [source], [result])
    check(path, native=True)
    assert [operator.code for operator in compile_model(path).program.operators] == ["RESHAPE"]


def test_a_shape_that_is_asked_for_is_given(tmp_path: Path) -> None:
    builder = TfliteBuilder()
    source, shape = builder.tensor((1, 4, 6), scale=0.1), builder.tensor((3,), "int32")
    builder.operator("SHAPE", [source], [shape], schema.ShapeOptionsT(outType=2))
    check(builder.save(tmp_path / "m.tflite", [source], [shape]), native=True)


def test_a_view_of_a_constant_is_a_constant(tmp_path: Path) -> None:
    builder = TfliteBuilder()
    values = np.arange(12).reshape(3, 4)
    constant = builder.tensor((3, 4), scale=0.1, values=values)
    source, view, total = (builder.tensor((2, 6), scale=0.1) for _ in range(3))
    builder.operator("RESHAPE", [constant], [view])
    builder.operator("ADD", [source, view], [total], schema.AddOptionsT())
    check(builder.save(tmp_path / "m.tflite", [source], [total, view]), native=True)


@pytest.mark.parametrize(
    ("code", "change", "sentence"),
    [
        ("RESHAPE", {"results": [(2, 6, 6)]}, "is not what the input"),
        ("SQUEEZE", {"results": [(3, 5, 4)]}, "is not what the input"),
        ("EXPAND_DIMS", {"results": [(1, 3, 4, 5, 1)]}, "is not what the input"),
        ("EXPAND_DIMS", {"constants": [7]}, "is not what the input"),
        ("SQUEEZE", {"constants": [7]}, "it reads 2 tensors"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, code: str, change: dict[str, Any], sentence: str
) -> None:
    path = one_move(tmp_path / "m.tflite", code, (1, 3, 4, 5), **(MODELS[code] | change))
    check_refusal(path, sentence)
