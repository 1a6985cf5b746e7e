"""The CMSIS-NN backend: which layers call it, and, where it is at hand, that no bit changes.

The tests that run CMSIS-NN need VPR_EDGE_CMSIS_NN to name a folder that holds

- Include/, as in CMSIS-NN's own tree (with arm_nnfunctions.h), and
- libcmsis-nn.a, built from it for this machine as position-independent code.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.conftest import CMSIS_NN
from tests.firmware_bridge.conftest import TRAINED
from tests.firmware_bridge.operators.one_input import one_input
from tests.firmware_bridge.operators.test_convolution import random_convolution
from tests.firmware_bridge.operators.test_dense import one_dense, random_dense
from tests.firmware_bridge.operators.test_elementwise import random_elementwise
from tests.firmware_bridge.operators.test_pool import one_pool, random_pool
from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.cmsis_nn import Call
from vpr_edge.firmware_bridge.cmsis_nn.convolution import ConvolutionCall
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.emit import Emitter
from vpr_edge.firmware_bridge.compile.golden import random_inputs
from vpr_edge.firmware_bridge.compile.host import FLAGS, WARNINGS, NativeModel
from vpr_edge.firmware_bridge.compile.project import RUNTIME, write_project
from vpr_edge.tflite.tflm import Tflm


@pytest.fixture(scope="session")
def cmsis_nn() -> Path:
    """The folder with CMSIS-NN; the root conftest skips where none is named."""
    return Path(os.environ[CMSIS_NN])


def one_convolution(
    path: Path,
    size: tuple[int, int] = (6, 7),
    channels: tuple[int, int] = (5, 3),
    kernel: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (1, 1),
    dilation: int = 1,
    groups: int = 1,
    depthwise: bool = False,
    padding: int = 0,
) -> Path:
    """A one-layer SAME convolution; `padding` puts a PAD of that much after the image before it."""
    rng, builder = np.random.default_rng(7), TfliteBuilder()
    read, written = channels
    shape = (1, *kernel, written) if depthwise else (written, *kernel, read // groups)
    source = image = builder.tensor((1, *size, read), scale=0.05, zero_point=9)
    if padding:
        size = (size[0] + padding, size[1] + padding)
        image = builder.tensor((1, *size, read), scale=0.05, zero_point=9)
        table = np.array([[0, 0], [0, padding], [0, padding], [0, 0]])
        amounts = builder.tensor((4, 2), "int32", values=table)
        builder.operator("PAD", [source, amounts], [image], schema.PadOptionsT())
    values = rng.integers(-127, 128, shape)
    weights = builder.tensor(
        shape, scale=rng.uniform(0.01, 0.02, written), axis=3 if depthwise else 0, values=values
    )
    result = [-(-n // s) for n, s in zip(size, stride, strict=True)]
    output = builder.tensor((1, *result, written), scale=0.2, zero_point=-3)
    options = schema.DepthwiseConv2DOptionsT if depthwise else schema.Conv2DOptionsT
    geometry = options(padding=schema.Padding.SAME, strideH=stride[0], strideW=stride[1])
    geometry.dilationHFactor = geometry.dilationWFactor = dilation
    if depthwise:
        geometry.depthMultiplier = written // read
    code = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    builder.operator(code, [image, weights], [output], geometry, version=3)
    return builder.save(path, [source], [output])


def one_binary(path: Path, code: str, second: tuple[int, ...] = (1, 2, 3, 4)) -> Path:
    builder, shape = TfliteBuilder(), (1, 2, 3, 4)
    inputs = [builder.tensor(s, scale=0.1, zero_point=4) for s in (shape, second)]
    output = builder.tensor(shape, scale=0.3)
    builder.operator(code, inputs, [output])
    return builder.save(path, inputs, [output])


def one_softmax(path: Path, bits: int = 8) -> Path:
    options, output = schema.SoftmaxOptionsT(beta=1.0), (2.0**-bits, -(2 ** (bits - 1)))
    return one_input(path, "SOFTMAX", (0.1, 3), output, ("int8", f"int{bits}"), options, (2, 9))


CALLED = {
    "arm_convolve_wrapper_s8": one_convolution,
    "arm_depthwise_conv_wrapper_s8": lambda path: one_convolution(
        path, channels=(5, 5), depthwise=True
    ),
    "arm_fully_connected_s8": one_dense,
    "arm_fully_connected_per_channel_s8": lambda path: one_dense(path, scales=[0.1, 0.2, 0.3]),
    "arm_avgpool_s8": one_pool,
    "arm_max_pool_s8": lambda path: one_pool(path, "MAX_POOL_2D"),
    "arm_softmax_s8": one_softmax,
    "arm_elementwise_add_s8": lambda path: one_binary(path, "ADD"),
    "arm_elementwise_mul_s8": lambda path: one_binary(path, "MUL"),
}
KEPT = {
    "SUB has no function": lambda path: one_binary(path, "SUB"),
    "ADD repeats an input": lambda path: one_binary(path, "ADD", (4,)),
    "MUL repeats an input": lambda path: one_binary(path, "MUL", (1, 1, 3, 1)),
    "the output is int16": lambda path: one_softmax(path, bits=16),
    "one row, strided, padded": lambda path: one_convolution(
        path, (1, 11), (12, 3), (1, 6), (1, 3)
    ),
    "a middle column outside the image": lambda path: one_convolution(
        path, channels=(5, 5), depthwise=True, padding=1
    ),
    "windows outside the image": lambda path: one_convolution(
        path, (1, 4), kernel=(1, 1), padding=2
    ),
}


@pytest.mark.parametrize("function", CALLED)
def test_a_layer_is_a_call_that_can_fail(tmp_path: Path, function: str) -> None:
    plan = compile_model(CALLED[function](tmp_path / "m.tflite"), "cmsis-nn")
    write_project(plan, "one", tmp_path / "one")
    text = (tmp_path / "one/one.c").read_text()
    assert f"{function}(" in text
    assert "return ONE_LAYER_FAILED;" in text
    assert "ONE_LAYER_FAILED" in (tmp_path / "one/one.h").read_text()
    assert [path.name for path in (tmp_path / "one" / RUNTIME).iterdir()] == ["vpr_cmsis_nn.h"]


@pytest.mark.parametrize("why", KEPT)
def test_what_cmsis_nn_lacks_or_rounds_otherwise_keeps_our_kernel(tmp_path: Path, why: str) -> None:
    plan = compile_model(KEPT[why](tmp_path / "m.tflite"), "cmsis-nn")
    assert not any(isinstance(operator, Call) for operator in plan.program.operators)
    assert not Emitter(plan, "one").is_fallible


@pytest.mark.parametrize("function", CALLED)
def test_the_default_calls_no_library(tmp_path: Path, function: str) -> None:
    plan = compile_model(CALLED[function](tmp_path / "m.tflite"))
    write_project(plan, "one", tmp_path)
    text = (tmp_path / "one.c").read_text() + (tmp_path / "one.h").read_text()
    assert "arm_" not in text and "LAYER_FAILED" not in text
    assert not (tmp_path / RUNTIME / "vpr_cmsis_nn.h").exists()


@pytest.mark.parametrize("depthwise", [False, True])
def test_weights_lie_as_in_the_file(tmp_path: Path, depthwise: bool) -> None:
    path = one_convolution(tmp_path / "m.tflite", channels=(5, 5), depthwise=depthwise)
    plan = compile_model(path, "cmsis-nn")
    weights = plan.program.operators[0].inputs[1]
    assert weights is not None and weights.values is not None
    arrays = {array.symbol: array for array in Emitter(plan, "one").arrays}
    found = arrays["one_layer0_weights"].values.reshape(-1)
    np.testing.assert_array_equal(found[: weights.values.size], weights.values.reshape(-1))
    # Helium loads constants of four channels at once; these are five.
    assert arrays["one_layer0_shift"].values.size == 8
    assert found.size == weights.values.size + (3 if depthwise else 0)


# The largest that CMSIS-NN's `..._get_buffer_size`, `..._dsp` and `..._mve` return for these; for
# 1x1 with a stride of 1 that is the DSP build by Arm's own compiler.
SCRATCH = [
    ({}, 192),
    ({"channels": (16, 4)}, 576),
    ({"channels": (4, 2), "kernel": (1, 1)}, 16),
    ({"channels": (4, 2), "kernel": (1, 1), "stride": (2, 2)}, 0),
    ({"channels": (8, 4), "groups": 2}, 320),
    ({"channels": (5, 5), "depthwise": True}, 4464),
    ({"channels": (300, 300), "depthwise": True, "kernel": (2, 2)}, 2400),
    ({"channels": (5, 10), "depthwise": True}, 0),
    ({"channels": (1, 4), "depthwise": True}, 100),
]


@pytest.mark.parametrize(("layer", "needed"), SCRATCH)
def test_scratch_memory_is_that_of_the_hungriest_build(
    tmp_path: Path, layer: dict[str, Any], needed: int
) -> None:
    plan = compile_model(one_convolution(tmp_path / "m.tflite", **layer), "cmsis-nn")
    assert isinstance(plan.program.operators[0], Call)
    assert sum(buffer.bytes for buffer, _ in plan.buffers if buffer.tensor is None) == needed


def test_only_elementwise_layers_overlap_their_inputs(tmp_path: Path) -> None:
    for index, build in enumerate(CALLED.values()):
        (layer,) = compile_model(build(tmp_path / f"{index}.tflite"), "cmsis-nn").program.operators
        expected = 0 if layer.code in ("ADD", "MUL", "SOFTMAX") else None
        assert layer.clearance(0) == expected


def native(path: Path, cmsis_nn: Path) -> NativeModel:
    """The model's C, linked with CMSIS-NN; its headers are not held to our warnings."""
    flags = (*FLAGS, *WARNINGS, "-isystem", str(cmsis_nn / "Include"))
    libraries = [cmsis_nn / "libcmsis-nn.a"]
    return NativeModel(compile_model(path, "cmsis-nn"), flags, libraries=libraries)


def check_call(path: Path, cmsis_nn: Path, runs: int = 3) -> None:
    model, oracle = native(path, cmsis_nn), Tflm(path)
    assert any(isinstance(operator, Call) for operator in model.plan.program.operators)
    for inputs in random_inputs(model.plan.program, runs):
        for found, expected in zip(model.run(*inputs), oracle.run(*inputs), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("function", CALLED)
def test_a_call_gives_tflms_bits(tmp_path: Path, cmsis_nn: Path, function: str) -> None:
    check_call(CALLED[function](tmp_path / "m.tflite"), cmsis_nn)


@pytest.mark.parametrize("layer", [layer for layer, _ in SCRATCH])
def test_a_convolution_gives_tflms_bits(
    tmp_path: Path, cmsis_nn: Path, layer: dict[str, Any]
) -> None:
    check_call(one_convolution(tmp_path / "m.tflite", **layer), cmsis_nn)


RANDOM = {
    "convolution": lambda rng, path: random_convolution(rng, path, False),
    "depthwise": lambda rng, path: random_convolution(rng, path, True),
    "dense": random_dense,
    "average pool": lambda rng, path: random_pool(rng, path, "AVERAGE_POOL_2D"),
    "max pool": lambda rng, path: random_pool(rng, path, "MAX_POOL_2D"),
    "add": lambda rng, path: random_elementwise(rng, path, "ADD"),
    "mul": lambda rng, path: random_elementwise(rng, path, "MUL"),
}


@pytest.mark.parametrize("kind", RANDOM)
def test_random_layers_give_tflms_bits(tmp_path: Path, cmsis_nn: Path, kind: str) -> None:
    rng, checked = np.random.default_rng(3), 0
    for index in range(40):
        path = RANDOM[kind](rng, tmp_path / f"{index}.tflite")
        (layer,) = compile_model(path, "cmsis-nn").program.operators
        if isinstance(layer, Call) and checked < 8:
            check_call(path, cmsis_nn)
            checked += 1
    assert checked == 8


@pytest.mark.parametrize("name", ["ic", "vww", *TRAINED])
def test_networks_give_tflms_bits(
    model_named: Callable[[str], Path], cmsis_nn: Path, name: str
) -> None:
    check_call(model_named(name), cmsis_nn)


def test_a_build_that_needs_more_scratch_memory_ends_the_run(
    tmp_path: Path, cmsis_nn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = one_convolution(tmp_path / "m.tflite")
    monkeypatch.setattr(ConvolutionCall, "scratch_bytes", 16)
    model = native(path, cmsis_nn)
    with pytest.raises(ModelError, match="status 4"):
        model.run(*random_inputs(model.plan.program, 1)[0])
