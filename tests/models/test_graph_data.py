"""A checkpoint carries its graph; nothing that reads it asks how the graph was made."""

import json
from dataclasses import replace

import numpy as np
import pytest

from vpr_edge.errors import CheckpointError
from vpr_edge.export.onnx import write_qdq_onnx
from vpr_edge.export.tflite import write_tflite
from vpr_edge.models.checkpoint import (
    find_checkpoint,
    load_checkpoint,
    save_checkpoint,
    shipped_checkpoints,
)
from vpr_edge.models.graph_data import graph_from_data, graph_to_data
from vpr_edge.models.zoo import ZOO, build_graph
from vpr_edge.quantize.model import Int8Model


@pytest.mark.parametrize("name", ["nano-gem", "nano-ghostvlad", "nano-vs-slam-s-a-fused-mcu"])
def test_a_graph_survives_as_json(name) -> None:
    graph = build_graph(ZOO[name])
    assert graph_from_data(json.loads(json.dumps(graph_to_data(graph)))) == graph


def test_a_checkpoint_without_configuration_exports_the_same_bytes(tmp_path) -> None:
    shipped = load_checkpoint(find_checkpoint("nano-int8"))
    stranger = replace(shipped, config=None, described=shipped.graph)
    read = load_checkpoint(save_checkpoint(tmp_path / "own.safetensors", stranger))
    assert read.config is None
    files = []
    for number, checkpoint in enumerate((shipped, read)):
        onnx_path = tmp_path / f"{number}.onnx"
        write_qdq_onnx(Int8Model.from_checkpoint(checkpoint), onnx_path)
        files.append(write_tflite(onnx_path, tmp_path / f"{number}.tflite").read_bytes())
    assert files[0] == files[1]
    with pytest.raises(CheckpointError, match="a network of your own"):
        read.resized(240, 320)


@pytest.mark.parametrize("path", shipped_checkpoints().values(), ids=shipped_checkpoints())
def test_shipped_checkpoints_load_whatever_their_age(path, tmp_path) -> None:
    old = load_checkpoint(path)
    new = load_checkpoint(save_checkpoint(tmp_path / "new.safetensors", old))
    assert new.graph == old.graph and new.config == old.config
    assert all(np.array_equal(new.tensors[name], value) for name, value in old.tensors.items())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 99}, "version 99"),
        ({"outputs": ["nowhere"]}, "not nodes"),
        ({"op": "telepathy"}, "telepathy"),
        ({"inputs": ["later"]}, "later"),
        ({"colour": 1}, "colour"),
        ({"shape": [1, 0, 1]}, "shape"),
    ],
)
def test_a_broken_graph_is_refused_with_a_sentence(change, said, tmp_path, monkeypatch) -> None:
    shipped = load_checkpoint(find_checkpoint("nano"))
    data = graph_to_data(shipped.graph)
    target = data if set(change) <= set(data) else data["nodes"][3]
    target.update(change)
    monkeypatch.setattr("vpr_edge.models.checkpoint.graph_to_data", lambda _graph: data)
    path = save_checkpoint(tmp_path / "broken.safetensors", shipped)
    with pytest.raises(CheckpointError, match=said):
        load_checkpoint(path)
