"""Other generators of C: measured where installed, and elsewhere said how to get."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.benchmarks.devices.host import Job, bench_jobs
from vpr_edge.benchmarks.devices.latency import Protocol, random_inputs
from vpr_edge.benchmarks.results import Facts
from vpr_edge.errors import ModelError, ToolMissingError
from vpr_edge.runtimes.choose import choose_runtimes, left_out, open_runtime, runtimes_for
from vpr_edge.runtimes.peers import PEERS, missing_peer

ONNX_PEERS = [name for name, peer in PEERS.items() if peer.suffix == ".onnx"]


def need(name: str) -> None:
    if reason := missing_peer(name):
        pytest.skip(reason)


@pytest.fixture
def floats(tmp_path: Path) -> Path:
    """A convolution in float ONNX, of other origin."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 3, 3, 3)).astype(np.float32)
    given = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 8, 10])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 4, 6, 8])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["y"])],
        "convolution",
        [given],
        [result],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    path = tmp_path / "convolution.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


@pytest.fixture
def int8(tmp_path: Path) -> Path:
    """A convolution in int8 TFLite as TensorFlow's converter writes it (version 3)."""
    rng = np.random.default_rng(0)
    builder = TfliteBuilder()
    scales = np.full(4, 0.01, np.float32)
    source = builder.tensor((1, 8, 10, 3), scale=1 / 255, zero_point=-128)
    weights = builder.tensor(
        (4, 3, 3, 3), scale=scales, values=rng.integers(-127, 128, (4, 3, 3, 3))
    )
    bias = builder.tensor(
        (4,), "int32", scale=scales / np.float32(255), values=rng.integers(-300, 300, 4)
    )
    result = builder.tensor((1, 6, 8, 4), scale=0.02, zero_point=-10)
    options = schema.Conv2DOptionsT(
        padding=schema.Padding.VALID,
        strideH=1,
        strideW=1,
        dilationHFactor=1,
        dilationWFactor=1,
    )
    builder.operator("CONV_2D", [source, weights, bias], [result], options, version=3)
    return builder.save(tmp_path / "convolution.tflite", [source], [result])


def output(path: Path, name: str) -> NDArray[np.float32]:
    runtime = open_runtime(path, name)
    runtime.feed(random_inputs(runtime.inputs))
    runtime.invoke()
    (value,) = runtime.maps().values()
    return value


@pytest.mark.parametrize("name", ONNX_PEERS)
def test_the_c_of_a_peer_computes_what_onnx_runtime_computes(name: str, floats: Path) -> None:
    need(name)
    expected = output(floats, "onnxruntime")
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(output(floats, name), expected, atol=1e-5)


@pytest.mark.needs("bakenn", "tflite")
def test_the_c_of_bakenn_computes_what_tflm_computes(int8: Path) -> None:
    expected = output(int8, "tflm")
    assert np.ptp(expected) > 1
    np.testing.assert_array_equal(output(int8, "bakenn"), expected)


@pytest.mark.needs("bakenn", "tflite")
def test_a_peer_that_refuses_an_artefact_is_a_failure_only_where_it_was_asked_for(
    int8: Path,
) -> None:
    builder = TfliteBuilder()
    source = builder.tensor((1, 4), scale=0.1)
    results = [builder.tensor((1, 4), scale=0.1) for _ in range(2)]
    for result in results:
        builder.operator("RELU", [source], [result])
    builder.tensor((1,), scale=1.0, values=np.zeros(1))
    path = builder.save(int8.with_name("two.tflite"), [source], results)
    short = Protocol(1, 1, 0.01)
    optional = Job(path, "two", ("litert", "bakenn"), optional=("bakenn",))
    facts = [one for one in bench_jobs([optional], short) if isinstance(one, Facts)]
    assert "one input and one output" in facts[1].values["left out of two"]
    with pytest.raises(ModelError, match="does not run in bakenn"):
        list(bench_jobs([Job(path, "two", ("bakenn",))], short))


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_is_offered_where_it_is_installed_and_otherwise_said_how_to_get(
    name: str, floats: Path, int8: Path
) -> None:
    path = floats if PEERS[name].suffix == ".onnx" else int8
    assert name in runtimes_for(path)
    (offered,) = choose_runtimes([path])
    assert (name in offered) == (not missing_peer(name))
    if missing_peer(name):
        with pytest.raises(ToolMissingError, match=f"{name}.* is not installed; "):
            choose_runtimes([path], [name])
        assert not any(name in reason for reason in left_out(path))
