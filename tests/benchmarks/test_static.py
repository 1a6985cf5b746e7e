"""What is read off a file equals what its network was built with."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vpr_edge.benchmarks.static import static_rows
from vpr_edge.export.package import export
from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("static")
    made = export(find_checkpoint("nano-int8"), "tflite-int8", folder / "int8")
    return {
        "float": export(find_checkpoint("nano"), "onnx", folder / "float") / "nano.onnx",
        "qdq": made / "nano.onnx",
        "tflite": made / "nano.tflite",
        "checkpoint": find_checkpoint("nano-int8"),
    }


def figures(path: Path) -> dict[str, float]:
    rows = static_rows(path)
    assert {(row.artefact, row.device, row.method) for row in rows} == {(path.name, "", "static")}
    return {row.metric: row.value for row in rows}


@pytest.mark.parametrize("kind", ["float", "qdq", "tflite", "checkpoint"])
def test_parameters_and_macs_of_every_form_are_those_of_the_graph(
    kind: str, artefacts: dict[str, Path]
) -> None:
    graph = load_checkpoint(find_checkpoint("nano")).graph
    found = figures(artefacts[kind])
    assert (found["parameters"], found["macs"]) == (graph.parameters(), graph.macs())
    assert 0 < found["weights_bytes"] < found["file_bytes"] == artefacts[kind].stat().st_size


def test_operators_of_a_tflite_are_those_of_the_graph(artefacts: dict[str, Path]) -> None:
    found = figures(artefacts["tflite"])
    ops = [node.op for node in load_checkpoint(find_checkpoint("nano")).graph.nodes]
    for name, op in (("CONV_2D", "conv"), ("DEPTHWISE_CONV_2D", "depthwise"), ("ADD", "add")):
        assert found[f"operator_{name}"] == ops.count(op)


def test_fully_connected_layers_of_a_foreign_onnx_are_counted(tmp_path: Path) -> None:
    weights = {"a": np.zeros((7, 5), np.float32), "b": np.zeros((5, 3), np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["h"]),
        helper.make_node("Gemm", ["h", "b", "c"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "two layers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 7])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])],
        [numpy_helper.from_array(v, k) for k, v in (weights | {"c": np.zeros(3, "f")}).items()],
    )
    path = tmp_path / "foreign.onnx"
    onnx.save(helper.make_model(graph), path)
    found = figures(path)
    assert found["parameters"] == 7 * 5 + 5 * 3 + 3
    assert found["macs"] == 2 * 5 * 7 + 2 * 3 * 5
    assert found["weights_bytes"] == 4 * found["parameters"]
