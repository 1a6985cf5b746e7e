"""UNIDIRECTIONAL_SEQUENCE_LSTM: the reference and the C equal TFLM, from run to run too."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tflite_micro.python.tflite_micro import runtime

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.golden import random_inputs
from vpr_edge.firmware_bridge.compile.host import NativeModel

pytestmark = pytest.mark.exact

TANH = schema.ActivationFunctionType.TANH
HIDDEN, CELL = 18, 19


def random_lstm(rng: np.random.Generator, path: Path) -> Path:
    """A one-layer model: either layout, one or several in the batch, often clipped."""
    steps, batches, inputs, units = (int(n) for n in rng.integers(1, (7, 4, 10, 12)))
    return one_lstm(
        path,
        (steps, batches, inputs, units),
        time_major=bool(rng.integers(2)),
        cell_scale=2.0 ** int(rng.integers(-16, -8)),
        clip=float(rng.choice([0.0, 0.5, 3.0, 10.0])),
        input_scale=float(10 ** rng.uniform(-2.5, -0.5)),
        weight_scale=float(10 ** rng.uniform(-3.5, -1.5)),
        hidden_scale=float(10 ** rng.uniform(-2.5, -1.7)),
        zero_points=(int(rng.integers(-128, 128)), int(rng.integers(-128, 128))),
        seed=int(rng.integers(1 << 30)),
    )


def one_lstm(
    path: Path,
    sizes: tuple[int, int, int, int] = (3, 1, 4, 5),
    time_major: bool = False,
    cell_scale: float = 2.0**-11,
    clip: float = 10.0,
    input_scale: float = 0.02,
    weight_scale: float = 0.01,
    hidden_scale: float = 1 / 128,
    zero_points: tuple[int, int] = (3, -4),
    seed: int = 0,
    activation: int = TANH,
    variable: bool = True,
    bias: int = 3000,
    cell_zero_point: int = 0,
    output_scale: float | None = None,
    weights_zero_point: int = 0,
    change: dict[int, int] | None = None,
    extra: int | None = None,
) -> Path:
    """A one-layer model.

    `sizes` are steps, batches, inputs, units; `change` gives inputs of the layer the tensor of
    another; `extra` is an input that must be absent and is not.
    """
    (steps, batches, inputs, units), rng = sizes, np.random.default_rng(seed)
    builder, layer = TfliteBuilder(), [-1] * 24
    shape = (steps, batches) if time_major else (batches, steps)
    source = builder.tensor((*shape, inputs), scale=input_scale, zero_point=zero_points[0])
    layer[0] = source
    for first, columns in ((1, inputs), (5, units)):
        for index in range(first, first + 4):
            values = rng.integers(-127, 128, (units, columns))
            layer[index] = builder.tensor(
                values.shape,
                scale=weight_scale * rng.uniform(0.7, 1.3),
                zero_point=weights_zero_point,
                values=values,
            )
    for index in range(12, 16):
        values = rng.integers(-bias, bias, units)
        layer[index] = builder.tensor((units,), "int32", scale=0.001, values=values)
    layer[HIDDEN] = builder.tensor(
        (batches, units), scale=hidden_scale, zero_point=zero_points[1], variable=variable
    )
    layer[CELL] = builder.tensor(
        (batches, units),
        "int16",
        scale=cell_scale,
        zero_point=cell_zero_point,
        variable=variable,
    )
    result = builder.tensor(
        (*shape, units), scale=output_scale or hidden_scale, zero_point=zero_points[1]
    )
    for index, other in (change or {}).items():
        layer[index] = layer[other]
    if extra is not None:
        layer[extra] = builder.tensor((units,), scale=0.1, values=np.ones(units))
    options = schema.UnidirectionalSequenceLSTMOptionsT(
        fusedActivationFunction=activation, cellClip=clip, timeMajor=time_major
    )
    builder.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", layer, [result], options, version=3)
    inputs_of_model = [source] if variable else [source, layer[HIDDEN], layer[CELL]]
    return builder.save(path, inputs_of_model, [result])


def test_reference_equals_tflm(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for index in range(120):
        check(random_lstm(rng, tmp_path / f"{index}.tflite"), native=False)


def test_generated_c_equals_tflm_and_carries_its_state_from_run_to_run(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for index in range(12):
        path = random_lstm(rng, tmp_path / f"{index}.tflite")
        native = NativeModel(compile_model(path))
        oracle = runtime.Interpreter.from_bytes(path.read_bytes(), arena_size=1 << 20)
        runs = random_inputs(native.plan.program, 4, index)
        first = []
        for attempt in range(2):
            oracle.reset()
            native.reset()
            for (given,) in runs:
                oracle.set_input(given, 0)
                oracle.invoke()
                (found,) = native.run(given)
                np.testing.assert_array_equal(found, oracle.get_output(0))
                if attempt == 0:
                    first.append(found)
        # The same last input after other ones: the second pass began anew.
        np.testing.assert_array_equal(found, first[-1])


def test_states_differ_from_run_to_run(tmp_path: Path) -> None:
    native = NativeModel(compile_model(one_lstm(tmp_path / "m.tflite")))
    given = random_inputs(native.plan.program, 1)[0]
    first, second = native.run(*given)[0], native.run(*given)[0]
    assert np.any(first != second)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"activation": schema.ActivationFunctionType.RELU}, "activation is not TANH"),
        ({"extra": 9}, "peepholes"),
        ({"extra": 16}, "peepholes"),
        ({"extra": 23}, "peepholes"),
        ({"variable": False}, "not a variable"),
        ({"cell_scale": 0.003}, "power of two"),
        ({"cell_scale": 2.0**-30}, "power of two"),
        ({"cell_zero_point": 1}, "power of two"),
        ({"output_scale": 0.1}, "different scales"),
        ({"weights_zero_point": 2}, "zero point 2"),
        ({"hidden_scale": 2.0**-40}, "too small"),
        ({"bias": 2**31}, "overflow a 32-bit sum"),
        ({"input_scale": 1e30, "weight_scale": 1e30}, "scaled up by more than"),
        ({"change": {2: 6}}, "are needed"),
        ({"change": {13: 0}}, "the type is int8 where int32"),
        ({"change": {13: 9}}, "input 13 is absent"),
        ({"change": {2: 18}}, "computed at run time"),
        ({"change": {19: 18}}, "the type is int8 where int16"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, arguments: dict[str, Any], sentence: str
) -> None:
    check_refusal(one_lstm(tmp_path / "m.tflite", **arguments), sentence)
