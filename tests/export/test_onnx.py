"""ONNX files written from the graph, judged by ONNX Runtime, the checker and onnxsim."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import onnxsim
import pytest
import torch
from onnx import numpy_helper

from tests.quantize.networks import (
    CONVAP,
    FIT,
    GEM,
    MODELS,
    exported,
    images,
    int8_model,
    random_network,
    tensor,
)
from vpr_edge.errors import CheckpointError
from vpr_edge.export.onnx import write_onnx, write_qdq_onnx
from vpr_edge.models.checkpoint import Checkpoint, save_checkpoint
from vpr_edge.models.network import Network
from vpr_edge.models.zoo import NetworkConfig, build_graph


def float_checkpoint(config: NetworkConfig) -> tuple[Network, Checkpoint]:
    network = random_network(build_graph(config))
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    return network, Checkpoint("float", config, tensors, FIT, {"data": "random"})


def run(path: Path, picture: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": picture}), strict=True))


@pytest.mark.parametrize("config", [CONVAP, GEM], ids=lambda c: c.head)
def test_float_onnx_computes_what_torch_does(config: NetworkConfig, tmp_path: Path) -> None:
    network, checkpoint = float_checkpoint(config)
    path = write_onnx(checkpoint, tmp_path / "model.onnx")
    picture = tensor(images(1))
    with torch.no_grad():
        expected = network(picture)
    found = run(path, picture.numpy())
    assert list(found) == list(expected)
    for name, values in expected.items():
        largest = float(values.abs().max())
        np.testing.assert_allclose(found[name], values.numpy(), atol=1e-4 * max(1.0, largest))


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_names_opset_shapes_and_papers(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    if kind == "float":
        write_onnx(float_checkpoint(GEM)[1], path)
    else:
        write_qdq_onnx(int8_model(GEM), path)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert (model.ir_version, model.opset_import[0].version) == (10, 21)
    graph = build_graph(GEM)
    shapes = {
        value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {n: (1, *graph[n].shape) for n in ("image", *graph.outputs)}
    papers = json.loads({p.key: p.value for p in model.metadata_props}["vpr_edge"])
    assert papers["preprocessing"] == FIT.to_dict()
    gain = papers["outputs"]["place"]["transform"].pop("gain")
    assert papers["outputs"]["place"] == {"transform": {"root": 3}}
    assert (gain is None) if kind == "float" else (len(gain) == 32 and max(gain) == 1)
    assert papers["outputs"]["score"] == {} and papers["provenance"] == {"data": "random"}


def test_float_onnx_leaves_onnxsim_nothing_to_do(tmp_path: Path) -> None:
    path = write_onnx(float_checkpoint(CONVAP)[1], tmp_path / "model.onnx")
    before = onnx.load(path)
    after, same = onnxsim.simplify(before)
    assert same and len(after.graph.node) == len(before.graph.node)


@pytest.mark.parametrize("name", MODELS)
def test_qdq_onnx_holds_the_models_integers(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    onnx_path, _ = exported(model, tmp_path)
    written = onnx.load(onnx_path)
    constants = {c.name: numpy_helper.to_array(c) for c in written.graph.initializer}
    nodes = list(written.graph.node)
    for node in model.graph.convolutions():
        layer = model.layers[node.name]
        np.testing.assert_array_equal(constants[f"{node.name}.weight"], layer.weight)
        np.testing.assert_array_equal(constants[f"{node.name}.bias"], layer.bias)
    assert sum(n.op_type == "QuantizeLinear" for n in nodes) == len(model.graph.nodes)
    after = {n.input[0]: n.op_type for n in nodes}
    assert {after[n.output[0]] for n in nodes if n.op_type == "Relu"} == {"QuantizeLinear"}
    floats = {k for k, v in constants.items() if v.dtype == np.float32 and not k.endswith(".scale")}
    assert floats <= {"stem.low", "stem.high"}, "a weight or bias is stored as float"


def test_writing_needs_no_torch(tmp_path: Path) -> None:
    saved = save_checkpoint(tmp_path / "float.safetensors", float_checkpoint(CONVAP)[1])
    program = (
        "import sys; sys.modules['torch'] = None; from pathlib import Path;"
        "from vpr_edge.export.onnx import write_onnx;"
        "from vpr_edge.models.checkpoint import load_checkpoint;"
        "import vpr_edge.export.carried, vpr_edge.quantize.model, vpr_edge.runtimes.integers;"
        "write_onnx(load_checkpoint(Path(sys.argv[1])), Path(sys.argv[2]))"
    )
    target = tmp_path / "model.onnx"
    subprocess.run([sys.executable, "-c", program, str(saved), str(target)], check=True)
    onnx.checker.check_model(onnx.load(target))


def test_int8_checkpoint_is_refused_as_float(tmp_path: Path) -> None:
    checkpoint = int8_model(CONVAP).to_checkpoint()
    with pytest.raises(CheckpointError, match=r"needs a float checkpoint.*kind 'int8'"):
        write_onnx(checkpoint, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
