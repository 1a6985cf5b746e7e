"""ONNX for TensorRT: zero points 0, nothing that its parser refuses, and the same values."""

import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from tests.quantize.networks import CONVAP, FIT, GEM, images, random_network, tensor
from vpr_edge.errors import ModelError
from vpr_edge.export.onnx import write_qdq_onnx
from vpr_edge.export.package import export
from vpr_edge.export.tensorrt import read_onnx, tensorrt_onnx, without_quantization
from vpr_edge.models.checkpoint import find_checkpoint, save_checkpoint
from vpr_edge.models.zoo import NetworkConfig, build_graph
from vpr_edge.quantize.calibrate import calibrate
from vpr_edge.quantize.fake import FakeQuantNetwork, to_int8_model
from vpr_edge.quantize.model import Int8Model

BOTH = pytest.mark.parametrize("config", [CONVAP, GEM], ids=["convap", "gem"])


def symmetric_model(config: NetworkConfig) -> Int8Model:
    fake = FakeQuantNetwork(random_network(build_graph(config)), symmetric=True)
    return to_int8_model(calibrate(fake, [tensor(images(8, seed=1))]), config, FIT, {})


def run(model: onnx.ModelProto, picture: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    options = onnxruntime.SessionOptions()
    # Not to have ONNX Runtime fuse int8 kernels, which round otherwise.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    names = [entry.name for entry in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": FIT.to_float(picture)}), strict=True))


@BOTH
def test_the_int8_form_computes_what_the_qdq_onnx_computes(
    config: NetworkConfig, tmp_path: Path
) -> None:
    model = symmetric_model(config)
    qdq = onnx.load(write_qdq_onnx(model, tmp_path / "net.onnx"))
    form = tensorrt_onnx(qdq, tmp_path / "net.onnx")
    picture = images(1, seed=5)
    expected, found = run(qdq, picture), run(form, picture)
    assert set(found) == set(expected)
    steps = [
        np.abs(found[name] - values).ravel() / model.activations[name].scale
        for name, values in expected.items()
    ]
    apart = np.concatenate(steps)
    # A tie of a sum in floats may fall to either side.
    assert apart.max() <= 1.01 and (apart > 0.5).mean() < 0.03


@BOTH
def test_the_int8_form_holds_nothing_that_tensorrt_refuses(
    config: NetworkConfig, tmp_path: Path
) -> None:
    path = write_qdq_onnx(symmetric_model(config), tmp_path / "net.onnx")
    form = tensorrt_onnx(onnx.load(path), path)
    arrays = {entry.name: numpy_helper.to_array(entry) for entry in form.graph.initializer}
    quantizers = {n.output[0]: n for n in form.graph.node if n.op_type == "QuantizeLinear"}
    made = {name for node in form.graph.node for name in node.output}
    assert quantizers and form.opset_import[0].version == 13
    for node in form.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert not arrays[node.input[2]].any()
            assert arrays[node.input[2]].dtype == np.int8
        if node.op_type == "DequantizeLinear":
            assert node.input[0] in quantizers
        if node.op_type == "Conv":
            of_image = node.input[0] == "image"
            assert (node.input[1] in made) != of_image
            assert arrays[node.input[2]].dtype == np.float32
    assert all(array.dtype != np.int32 for array in arrays.values())
    assert quantizers.keys().isdisjoint({"image"})


def test_the_grid_of_the_weights_survives_the_way_through_floats(tmp_path: Path) -> None:
    model = symmetric_model(CONVAP)
    path = write_qdq_onnx(model, tmp_path / "net.onnx")
    form = tensorrt_onnx(onnx.load(path), path)
    arrays = {entry.name: numpy_helper.to_array(entry) for entry in form.graph.initializer}
    checked = 0
    for name, layer in model.layers.items():
        real = arrays.get(f"{name}.weight_dequantized_float")
        if real is not None:
            steps = np.rint(real / layer.weight_scale[:, None, None, None])
            np.testing.assert_array_equal(steps, layer.weight)
            checked += 1
    assert checked == len(model.layers) - 1  # all but the one that meets the image


def test_the_float_form_is_the_network_of_the_dequantised_weights(tmp_path: Path) -> None:
    model = symmetric_model(CONVAP)
    qdq = onnx.load(write_qdq_onnx(model, tmp_path / "net.onnx"))
    form = without_quantization(qdq)
    assert not any("Linear" in node.op_type for node in form.graph.node)
    fake = FakeQuantNetwork(random_network(build_graph(CONVAP)))
    for name, layer in model.layers.items():
        node = model.graph[name]
        weight = layer.weight * layer.weight_scale[:, None, None, None]
        fake.layer(name).weight.data.copy_(tensor_of(weight))
        fake.layer(name).bias.data.copy_(tensor_of(layer.bias * model.bias_scale(node)))
    picture = images(1, seed=5)
    expected = fake.real(tensor(picture))
    for name, values in run(form, picture).items():
        np.testing.assert_allclose(values, expected[name].detach().numpy(), rtol=1e-3, atol=1e-4)


def tensor_of(values: NDArray[np.floating]) -> "object":
    import torch

    return torch.from_numpy(np.asarray(values, np.float32))


def test_a_form_of_a_form_is_the_same(tmp_path: Path) -> None:
    path = write_qdq_onnx(symmetric_model(CONVAP), tmp_path / "net.onnx")
    once = tensorrt_onnx(onnx.load(path), path)
    assert tensorrt_onnx(once, path).graph == once.graph
    bare = without_quantization(once)
    for name, values in run(without_quantization(onnx.load(path)), images(1)).items():
        np.testing.assert_array_equal(run(bare, images(1))[name], values)


def test_a_node_that_opset_13_lacks_keeps_the_opset(tmp_path: Path) -> None:
    path = write_qdq_onnx(symmetric_model(CONVAP), tmp_path / "net.onnx")
    model = onnx.load(path)
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    relu.op_type = "HardSwish"
    assert tensorrt_onnx(model, path).opset_import[0].version == 21


def test_zero_points_other_than_0_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nano-int8\.safetensors is quantised .*--symmetric"):
        export(find_checkpoint("nano-int8"), "tensorrt", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_says_how_engines_are_built(tmp_path: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / "net", symmetric_model(CONVAP).to_checkpoint())
    folder = export(checkpoint, "tensorrt", tmp_path / "out", "net")
    names = {path.name for path in folder.iterdir()}
    assert {"net_int8.onnx", "net_float.onnx", "build_engines.sh", "README.md"} <= names
    script = (folder / "build_engines.sh").read_text()
    assert "--onnx=net_int8.onnx --int8 --fp16 --saveEngine=net_int8.engine" in script
    assert "--onnx=net_float.onnx --fp16 --saveEngine=net_fp16.engine" in script
    subprocess.run(["sh", "-n", folder / "build_engines.sh"], check=True)
    assert "trtexec --onnx=net_int8.onnx --int8 --fp16" in (folder / "README.md").read_text()


def test_a_file_that_is_cut_short_is_one_sentence(tmp_path: Path) -> None:
    path = write_qdq_onnx(symmetric_model(CONVAP), tmp_path / "net.onnx")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="is not a whole ONNX model; export it again"):
        read_onnx(path)
