"""Streaming models: states in the arena, run after run equal to TFLM, and set back by a reset."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.operators.one_layer import T, constant, one_layer
from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.golden import golden_vectors, random_inputs
from vpr_edge.firmware_bridge.compile.host import FLAGS, WARNINGS, NativeModel
from vpr_edge.firmware_bridge.compile.importer import import_tflite
from vpr_edge.firmware_bridge.operators.shared.program import run_reference
from vpr_edge.tflite.tflm import Tflm

STEPS = 6


def check_stream(path: Path, ulps: int = 0) -> None:
    """Several runs in a row, twice with a reset in between: reference and C equal TFLM."""
    program, oracle = import_tflite(path), Tflm(path)
    native = NativeModel(compile_model(path), (*FLAGS, *WARNINGS))
    for seed in (1, 2):
        oracle.reset()
        native.reset()
        states = None
        for given in random_inputs(program, STEPS, seed):
            expected = oracle.step(*given)
            states = run_reference(program, *given, states=states)
            found = [states[tensor] for tensor in program.outputs]
            for outputs in (found, native.run(*given)):
                for one, other in zip(outputs, expected, strict=True):
                    np.testing.assert_array_equal(one, other)


def handle(builder: TfliteBuilder, name: str, container: str = "") -> int:
    """A VAR_HANDLE and its tensor."""
    index = builder.tensor((), "resource")
    options = schema.VarHandleOptionsT(container=container, sharedName=name)
    builder.operator("VAR_HANDLE", [], [index], options)
    return index


def initialised(builder: TfliteBuilder, first: dict[str, np.ndarray]) -> None:
    """A CALL_ONCE that assigns these constants."""
    inner = builder.further_subgraph()
    for name, values in first.items():
        index = handle(inner, name)
        start = inner.tensor(values.shape, values.dtype.name, values=values)
        inner.operator("ASSIGN_VARIABLE", [index, start], [])
    index = builder.add_subgraph(inner)
    builder.operator("CALL_ONCE", [], [], schema.CallOnceOptionsT(initSubgraphIndex=index))


def streaming(
    path: Path,
    first: Any = 7,
    layers: int = 2,
    assign_early: bool = False,
    state_output: bool = False,
) -> Path:
    """What streaming keyword spotters look like: each convolution keeps the frames it needs.

    state, new frame -> CONCATENATION -> last frames by STRIDED_SLICE -> ASSIGN_VARIABLE, and
    CONV_2D of the concatenation.
    """
    builder, rng = TfliteBuilder(), np.random.default_rng(3)
    channels, kept = 4, 2
    affine = {"scale": 0.05, "zero_point": 7}
    source = builder.tensor((1, 1, 1, channels), **affine)
    if first is not None:
        start = np.full((1, kept, 1, channels), first, np.int8)
        initialised(builder, {f"state{layer}": start for layer in range(layers)})
    frame, outputs = source, []
    for layer in range(layers):
        variable = handle(builder, f"state{layer}")
        before = builder.tensor((1, kept, 1, channels), **affine)
        builder.operator("READ_VARIABLE", [variable], [before])
        whole = builder.tensor((1, kept + 1, 1, channels), **affine)
        builder.operator(
            "CONCATENATION", [before, frame], [whole], schema.ConcatenationOptionsT(axis=1)
        )
        bounds = [
            builder.tensor((4,), "int32", values=np.array(values))
            for values in ([0, 1, 0, 0], [1, kept + 1, 1, channels], [1, 1, 1, 1])
        ]
        after = builder.tensor((1, kept, 1, channels), **affine)
        builder.operator("STRIDED_SLICE", [whole, *bounds], [after], schema.StridedSliceOptionsT())
        weights = builder.tensor(
            (channels, kept + 1, 1, channels),
            scale=rng.uniform(0.003, 0.01, channels),
            values=rng.integers(-127, 128, (channels, kept + 1, 1, channels)),
        )
        frame = builder.tensor((1, 1, 1, channels), **affine)
        options = schema.Conv2DOptionsT(padding=1, strideH=1, strideW=1)
        options.dilationHFactor = options.dilationWFactor = 1
        if assign_early:
            builder.operator("ASSIGN_VARIABLE", [variable, after], [])
        # After an early assignment the old frames are read once more.
        if assign_early:
            sum_ = builder.tensor((1, kept, 1, channels), **affine)
            builder.operator("ADD", [before, before], [sum_], schema.AddOptionsT())
            outputs.append(sum_)
        builder.operator("CONV_2D", [whole, weights], [frame], options, version=3)
        if not assign_early:
            builder.operator("ASSIGN_VARIABLE", [variable, after], [])
        if state_output:
            outputs.append(before)
    return builder.save(path, [source], [frame, *outputs])


@pytest.mark.parametrize("first", [None, 7, -20])
def test_a_streaming_model_equals_tflm_run_after_run(tmp_path: Path, first: int | None) -> None:
    check_stream(streaming(tmp_path / "m.tflite", first))


def test_states_begin_as_any_constant(tmp_path: Path) -> None:
    start = np.arange(8).reshape(1, 2, 1, 4).astype(np.int8)
    check_stream(streaming(tmp_path / "m.tflite", start))


def test_what_is_read_after_the_assignment_is_still_the_old_state(tmp_path: Path) -> None:
    check_stream(streaming(tmp_path / "m.tflite", assign_early=True))


def test_a_state_that_is_an_output_holds_until_the_next_run(tmp_path: Path) -> None:
    check_stream(streaming(tmp_path / "m.tflite", state_output=True))


def test_a_state_is_read_where_it_lies(tmp_path: Path) -> None:
    program = compile_model(streaming(tmp_path / "m.tflite")).program
    reads = [operator for operator in program.operators if operator.code == "READ_VARIABLE"]
    assert len(reads) == 2 and all(operator.is_view for operator in reads)


def test_golden_vectors_start_from_the_first_state(tmp_path: Path) -> None:
    path = streaming(tmp_path / "m.tflite", -20)
    program = compile_model(path).program
    vectors = golden_vectors(path, program, random_inputs(program, 3))
    assert len(vectors) == 3


def test_a_variable_that_nothing_assigns_is_refused(tmp_path: Path) -> None:
    builder = TfliteBuilder()
    source, before = builder.tensor((1, 4), scale=0.1), builder.tensor((1, 4), scale=0.1)
    result = builder.tensor((1, 4), scale=0.1)
    builder.operator("READ_VARIABLE", [handle(builder, "lost")], [before])
    builder.operator("ADD", [source, before], [result])
    path = builder.save(tmp_path / "m.tflite", [source], [result])
    with pytest.raises(ModelError, match="nothing assigns the variable 'lost'"):
        import_tflite(path)


def svdf(path: Path, dtype: str, memory_type: str, rank: int = 2, batches: int = 2) -> Path:
    """One SVDF."""
    rng, units, inputs, memory = np.random.default_rng(4), 5, 6, 7
    filters = units * rank
    if dtype == "float32":
        weights = [
            constant(rng.normal(size=shape), "float32")
            for shape in ((filters, inputs), (filters, memory), (units,))
        ]
        source, state, result = (
            T(shape, dtype, variable=variable)
            for shape, variable in (
                ((batches, inputs), False),
                ((batches, filters * memory), True),
                ((batches, units), False),
            )
        )
    else:
        largest = 127 if memory_type == "int8" else 3000
        step = 0.05 if memory_type == "int8" else 0.001
        weights = [
            constant(rng.integers(-127, 128, (filters, inputs)), dtype, scale=0.01),
            constant(rng.integers(-largest, largest, (filters, memory)), memory_type, scale=0.0005),
            constant(rng.integers(-5000, 5000, units), "int32", scale=np.float32(step * 0.0005)),
        ]
        source = T((batches, inputs), dtype, 0.1, 11)
        state = T((batches, filters * memory), memory_type, step, variable=True)
        result = T((batches, units), dtype, 0.05 if memory_type == "int8" else 0.02, -9)
    options = schema.SVDFOptionsT(rank=rank, fusedActivationFunction=0)
    return one_layer(path, "SVDF", [source, *weights, state], result, options, version=3)


@pytest.mark.parametrize("types", [("int8", "int16"), ("int8", "int8"), ("float32", "float32")])
@pytest.mark.parametrize("rank", [1, 2])
def test_svdf_equals_tflm_run_after_run(tmp_path: Path, types: tuple[str, str], rank: int) -> None:
    check_stream(svdf(tmp_path / "m.tflite", *types, rank))
