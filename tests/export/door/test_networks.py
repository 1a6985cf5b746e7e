"""Networks that know nothing of us come in, compute the same, and go out to TFLM bit for bit."""

import importlib.util
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from vpr_edge.benchmarks.diagnosis.diagnose import int8_model
from vpr_edge.export.carried import tflite_differences
from vpr_edge.export.door.enter import Wish, enter_onnx
from vpr_edge.export.onnx import write_qdq_onnx
from vpr_edge.export.tflite import write_tflite
from vpr_edge.firmware_bridge.compile.golden import random_inputs
from vpr_edge.firmware_bridge.compile.importer import import_tflite
from vpr_edge.models.checkpoint import load_checkpoint, save_checkpoint
from vpr_edge.quantize.integer import IntegerNetwork
from vpr_edge.quantize.model import Int8Model
from vpr_edge.tflite.tflm import Tflm
from vpr_edge.workflows.quantize_own import quantize_own, stored_inputs

FILE = Path(__file__).parents[3] / "examples" / "own_networks" / "networks.py"
# Of decibels: what is left of the original. GELU is approximated, the rest is exact.
FLOAT_DB = {"convnext_block": 45.0, "vision_transformer": 30.0}


def networks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("own_networks", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NETWORKS = networks()


@pytest.mark.parametrize("name", NETWORKS.NETWORKS)
def test_a_strangers_network_computes_the_same_and_equals_tflm(name: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = NETWORKS.write(name, tmp_path)
    # Arrays for all, so that the test is about the network and not about pictures.
    found = enter_onnx(path, Wish(values=True))
    assert min(found.snr_db.values()) > FLOAT_DB.get(name, 90.0)
    checkpoint = load_checkpoint(save_checkpoint(tmp_path / "own.safetensors", found.checkpoint))
    assert checkpoint.config is None and checkpoint.graph == found.checkpoint.graph
    inputs = np.random.default_rng(0).random((12, *checkpoint.graph.input.shape), np.float32)
    np.save(tmp_path / "inputs.npy", inputs)
    quantized = quantize_own(checkpoint, tmp_path / "inputs.npy", steps=0)
    assert min(quantized.calibrated.values()) > 5
    model = Int8Model.from_checkpoint(quantized.checkpoint)
    write_qdq_onnx(model, tmp_path / "own.onnx")
    tflite = write_tflite(tmp_path / "own.onnx", tmp_path / "own.tflite")
    assert tflite_differences(tflite, model) == []
    # What `bench --layers` reads back is what was written.
    read = int8_model(tflite, checkpoint)
    assert read.activations == model.activations and read.graph == model.graph
    stored = stored_inputs(model, inputs[:2])
    ours, oracle = IntegerNetwork(model).run_stored(stored), Tflm(tflite)
    for index in range(len(stored)):
        for tensor, value in zip(
            oracle.file.outputs, oracle.run(stored[index : index + 1]), strict=True
        ):
            assert np.array_equal(ours[tensor.name][index], value[0]), tensor.name
    # The compiler's own evaluation of each operator is the twin of its C.
    program = import_tflite(tflite)
    assert random_inputs(program, 1)[0][0].shape == stored[:1].shape


def test_both_of_torchs_exporters_give_the_same_network(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    graphs = []
    for dynamo in (False, True):
        folder = tmp_path / str(dynamo)
        folder.mkdir()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = NETWORKS.write("shuffle_unit", folder, dynamo)
        graphs.append(enter_onnx(path).checkpoint.graph)
    kinds = [[(n.op, n.shape, n.activation, n.groups) for n in graph.nodes] for graph in graphs]
    assert kinds[0] == kinds[1]
