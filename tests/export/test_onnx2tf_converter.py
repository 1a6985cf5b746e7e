"""The converter for float networks that the native writer does not cover."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.export.qdq_net import METADATA, Net, conv, nhwc, run_tflm
from vpr_edge.errors import DataError, ModelError, ToolMissingError
from vpr_edge.export.onnx2tf_converter import convert_with_onnx2tf
from vpr_edge.tflite.read import read_metadata, read_tflite


def float_network() -> onnx.ModelProto:
    """A float network with an operator that the native writer does not cover."""
    random = np.random.default_rng(5)
    weights = {
        "w": random.normal(0, 0.3, (8, 3, 3, 3)),
        "b": random.normal(0, 0.1, 8),
        "w2": random.normal(0, 0.3, (2, 8, 1, 1)),
    }
    same: dict[str, Any] = {"pads": [0, 0, 1, 1], "strides": [2, 2]}
    nodes = [
        helper.make_node("Conv", ["image", "w", "b"], ["a"], **same),
        helper.make_node("LeakyRelu", ["a"], ["l"], alpha=0.1),
        helper.make_node("Conv", ["l", "w2"], ["score"]),
        helper.make_node("GlobalAveragePool", ["l"], ["place"]),
    ]
    # The outputs stand in another order than they are computed in.
    shapes = {"image": (1, 3, 16, 24), "place": (1, 8, 1, 1), "score": (1, 2, 8, 12)}
    image, *outputs = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    )
    constants = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()]
    graph = helper.make_graph(nodes, "float", [image], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {"vpr_edge": json.dumps(METADATA)})
    return model


@pytest.mark.needs("onnx2tf", "tensorflow")
def test_onnx2tf_calibrates_a_float_network_the_native_writer_refuses(tmp_path: Path) -> None:
    model = float_network()
    onnx.save(model, tmp_path / "net.onnx")
    random = np.random.default_rng(6)
    images = [random.integers(0, 256, (16, 24, 3)).astype(np.uint8) for _ in range(8)]
    path = convert_with_onnx2tf(tmp_path / "net.onnx", tmp_path / "net.tflite", images)
    assert read_metadata(path) == METADATA
    read = read_tflite(path)
    assert [t.name for t in (*read.inputs, *read.outputs)] == ["image", "place", "score"]
    assert read.inputs[0].scale == np.float32(1 / 255)
    assert read.inputs[0].zero_point == -128
    assert {tensor.dtype for tensor in read.tensors} <= {np.dtype(np.int8), np.dtype(np.int32)}
    image = images[3].transpose(2, 0, 1)[None]
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    expected = session.run(["place", "score"], {"image": image.astype(np.float32) / 255})
    integers = (image.astype(np.int16) - 128).astype(np.int8)
    for tensor, ours, theirs in zip(
        read.outputs, run_tflm(path, {"image": integers}), expected, strict=True
    ):
        real = (ours.astype(np.float32) - tensor.zero_point[0]) * tensor.scale[0]
        assert np.abs(real - nhwc(theirs)).max() < 6 * tensor.scale[0]


@pytest.mark.needs("onnx2tf", "tensorflow")
def test_onnx2tf_refuses_what_it_would_spoil(tmp_path: Path) -> None:
    onnx.save(float_network(), tmp_path / "net.onnx")
    target = tmp_path / "net.tflite"
    with pytest.raises(DataError, match="no images"):
        convert_with_onnx2tf(tmp_path / "net.onnx", target, [])
    with pytest.raises(DataError, match=r"needs uint8 \(16, 24, 3\)"):
        convert_with_onnx2tf(tmp_path / "net.onnx", target, [np.zeros((8, 8, 3), np.uint8)])
    net = Net(3)
    quantized = net.save(tmp_path, conv((4, 3, 1, 1))(net))
    with pytest.raises(ModelError, match="would drop its scales"):
        convert_with_onnx2tf(quantized, target, [np.zeros((12, 10, 3), np.uint8)])


@pytest.mark.skipif(find_spec("onnx2tf") is not None, reason="onnx2tf is installed")
def test_a_missing_onnx2tf_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    onnx.save(float_network(), tmp_path / "net.onnx")
    with pytest.raises(ToolMissingError, match=r"-e '\.\[tensorflow\]'"):
        convert_with_onnx2tf(tmp_path / "net.onnx", tmp_path / "net.tflite", [])
