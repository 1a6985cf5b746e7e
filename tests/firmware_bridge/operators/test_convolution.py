"""CONV_2D and DEPTHWISE_CONV_2D: the reference and the C equal TFLM to the last bit."""

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.golden import random_inputs
from vpr_edge.firmware_bridge.compile.host import FLAGS, WARNINGS, NativeModel
from vpr_edge.firmware_bridge.compile.importer import import_tflite
from vpr_edge.firmware_bridge.operators.shared.program import run_reference
from vpr_edge.tflite.tflm import Tflm

ACTIVATIONS = (
    schema.ActivationFunctionType.NONE,
    schema.ActivationFunctionType.RELU,
    schema.ActivationFunctionType.RELU6,
)


def random_convolution(rng: np.random.Generator, path: Path, depthwise: bool) -> Path:
    """A one-layer model with any geometry that TFLM takes."""
    rows, columns = (int(n) for n in rng.integers(3, 12, 2))
    channels = int(rng.choice([1, 2, 3, 4, 5, 8, 12]))
    kernel = tuple(int(n) for n in rng.integers(1, 4, 2))
    stride = tuple(int(n) for n in rng.integers(1, 4, 2))
    dilation = (1, 1) if rng.random() < 0.6 else tuple(int(n) for n in rng.integers(1, 3, 2))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    same = rng.random() < 0.5 or reach[0] > rows or reach[1] > columns
    multiplier = int(rng.integers(1, 4))
    outputs = channels * multiplier if depthwise else int(rng.integers(1, 10))
    shape = (1, *kernel, outputs) if depthwise else (outputs, *kernel, channels)
    if same:
        size = [-(-n // s) for n, s in zip((rows, columns), stride, strict=True)]
    else:
        size = [(n - r) // s + 1 for n, r, s in zip((rows, columns), reach, stride, strict=True)]
    per_channel = rng.random() < 0.8
    builder = TfliteBuilder()
    input_scale = rng.uniform(0.01, 0.1)
    source = builder.tensor(
        (1, rows, columns, channels), scale=input_scale, zero_point=int(rng.integers(-128, 128))
    )
    scales = rng.uniform(0.001, 0.05, outputs if per_channel else 1).astype(np.float32)
    weights = builder.tensor(
        shape,
        scale=scales,
        axis=3 if depthwise and per_channel else 0,
        values=rng.integers(-127, 128, shape),
    )
    inputs = [source, weights]
    if rng.random() < 0.8:
        inputs.append(
            builder.tensor(
                (outputs,),
                "int32",
                scale=np.float32(input_scale) * scales,
                values=rng.integers(-3000, 3000, outputs),
            )
        )
    elif not depthwise and rng.random() < 0.5:
        # TFLM's depthwise convolution crashes on a bias that is named and absent.
        inputs.append(-1)
    # From far too small to large: multipliers both above and below 1.
    output = builder.tensor(
        (1, *size, outputs),
        scale=float(10 ** rng.uniform(-4.5, 0)),
        zero_point=int(rng.integers(-128, 128)),
    )
    geometry = {
        "padding": schema.Padding.SAME if same else schema.Padding.VALID,
        "strideH": stride[0],
        "strideW": stride[1],
        "dilationHFactor": dilation[0],
        "dilationWFactor": dilation[1],
        "fusedActivationFunction": ACTIVATIONS[rng.integers(3)],
    }
    options = (
        schema.DepthwiseConv2DOptionsT(**geometry, depthMultiplier=multiplier)
        if depthwise
        else schema.Conv2DOptionsT(**geometry)
    )
    code = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    builder.operator(code, inputs, [output], options, version=3)
    return builder.save(path, [source], [output])


@pytest.mark.parametrize("depthwise", [False, True])
def test_reference_equals_tflm(tmp_path: Path, depthwise: bool) -> None:
    rng = np.random.default_rng(1)
    for index in range(60):
        path = random_convolution(rng, tmp_path / f"{index}.tflite", depthwise)
        program, oracle = import_tflite(path), Tflm(path)
        for inputs in random_inputs(program, 2, index):
            found = run_reference(program, *inputs)[program.outputs[0]]
            np.testing.assert_array_equal(found, oracle.run(*inputs)[0])


@pytest.mark.parametrize("depthwise", [False, True])
def test_generated_c_equals_tflm(tmp_path: Path, depthwise: bool) -> None:
    rng = np.random.default_rng(2)
    for index in range(12):
        path = random_convolution(rng, tmp_path / f"{index}.tflite", depthwise)
        plan, oracle = compile_model(path), Tflm(path)
        native = NativeModel(plan, (*FLAGS, *WARNINGS))
        for inputs in random_inputs(plan.program, 3, index):
            np.testing.assert_array_equal(native.run(*inputs)[0], oracle.run(*inputs)[0])


def one_layer(path: Path, weights_zero_point: int = 0, bias: int = 0, batch: int = 1) -> Path:
    builder = TfliteBuilder()
    source = builder.tensor((batch, 2, 2, 1), scale=0.1)
    weights = builder.tensor(
        (1, 1, 1, 1), scale=0.1, zero_point=weights_zero_point, values=np.ones((1, 1, 1, 1))
    )
    biases = builder.tensor((1,), "int32", scale=0.01, values=np.array([bias]))
    output = builder.tensor((batch, 2, 2, 1), scale=0.1)
    options = schema.Conv2DOptionsT(padding=schema.Padding.VALID, strideH=1, strideW=1)
    builder.operator("CONV_2D", [source, weights, biases], [output], options, version=3)
    return builder.save(path, [source], [output])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"bias": 2**31 - 1}, "overflow a 32-bit sum"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, change: dict[str, int], sentence: str
) -> None:
    with pytest.raises(ModelError, match=sentence) as refusal:
        import_tflite(one_layer(tmp_path / "m.tflite", **change))
    assert "Layer 0 (CONV_2D)" in str(refusal.value)
