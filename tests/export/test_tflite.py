"""A whole int8 TFLite file: what it carries over from the QDQ ONNX, and that it runs alike."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from onnx import numpy_helper

from tests.export.qdq_net import ASYMMETRIC, METADATA, Net, conv, nhwc, run_litert, run_tflm
from vpr_edge.errors import ModelError
from vpr_edge.export.tflite import write_tflite
from vpr_edge.tflite.read import op_list, read_metadata, read_tflite


def deployed(net: Net) -> tuple[str, ...]:
    """A small network with the operations of ours; returns its outputs."""
    same: dict[str, Any] = {"pads": [0, 0, 1, 1], "strides": [2, 2]}
    stem = net.layer("Conv", net.image, "stem", (8, 3, 3, 3), activation="relu", **same)
    wide = net.layer("Conv", stem, "wide", (8, 1, 3, 3), activation="relu6", group=8, pads=[1] * 4)
    narrow = net.layer("Conv", wide, "narrow", (8, 8, 1, 1))
    added = net.op("Add", [stem, narrow], "added", activation="relu")
    sizes = net.constant("sizes", np.array([1, 8, 16, 24], np.int64))
    up = net.op(
        "Resize", [added, "", "", sizes], "up", net.parameters[added], mode="nearest", **ASYMMETRIC
    )
    down = net.op(
        "AveragePool", [up], "down", net.parameters[added], kernel_shape=[4, 4], strides=[4, 4]
    )
    score = net.layer("Conv", down, "score", (1, 8, 1, 1))
    folded = net.layer("Conv", down, "folded", (12, 8, 1, 1))
    shuffled = net.op(
        "DepthToSpace", [folded], "shuffled", net.parameters[folded], blocksize=2, mode="DCR"
    )
    segmentation = net.layer("Conv", shuffled, "segmentation", (11, 3, 3, 3), pads=[1] * 4)
    both = net.op(
        "Concat",
        [
            down,
            net.op(
                "MaxPool",
                [down],
                "highest",
                net.parameters[down],
                kernel_shape=[3, 3],
                pads=[1] * 4,
            ),
        ],
        "both",
        net.parameters[down],
        axis=1,
    )
    axes = net.constant("axes", np.array([2, 3], np.int64))
    place = net.op("ReduceMean", [both, axes], "place", keepdims=1)
    return score, segmentation, place


@pytest.fixture
def network(tmp_path: Path) -> tuple[Net, Path]:
    net = Net(3, (16, 24))
    return net, write_tflite(net.save(tmp_path, *deployed(net)), tmp_path / "net.tflite")


def test_int8_tflite_keeps_learned_scales_weights_and_biases(network: tuple[Net, Path]) -> None:
    net, path = network
    tensors = {tensor.name: tensor for tensor in read_tflite(path).tensors}
    for dequantized, (scale, zero_point) in net.parameters.items():
        name = {"image_dq": "image"}.get(dequantized, dequantized)
        # A tensor inside the network is named as the float tensor that was quantised.
        inside = [
            n for n in (name, f"{name}_relu6", f"{name}_relu", f"{name}_float") if n in tensors
        ]
        tensor = tensors[inside[0]]
        assert tensor.dtype == np.int8
        assert tensor.scale.tobytes() == np.float32(scale).tobytes()
        assert tensor.zero_point.tolist() == [zero_point]
    constants = {c.name: numpy_helper.to_array(c) for c in net.constants}
    layers = [name.removesuffix("_w") for name in constants if name.endswith("_w")]
    assert len(layers) == 6
    for layer in layers:
        weights, bias = (
            next(t for n, t in tensors.items() if n.startswith(layer) and n.endswith(suffix))
            for suffix in ("/weights", "/bias")
        )
        depthwise = constants[f"{layer}_w"].shape[1] == 1
        order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
        np.testing.assert_array_equal(
            weights.values, constants[f"{layer}_w"].transpose(order), strict=True
        )
        assert weights.axis == (3 if depthwise else 0)
        assert weights.scale.tobytes() == constants[f"{layer}_w_scale"].tobytes()
        assert not weights.zero_point.any()
        np.testing.assert_array_equal(bias.values, constants[f"{layer}_b"], strict=True)
        assert bias.scale.tobytes() == constants[f"{layer}_b_scale"].tobytes()
        assert not bias.zero_point.any()


def test_network_is_nhwc_without_a_transpose_and_keeps_its_names(network: tuple[Net, Path]) -> None:
    _, path = network
    assert Counter(op_list(path)) == {
        "CONV_2D v3": 5,
        "DEPTHWISE_CONV_2D v3": 1,
        "ADD v2": 1,
        "RESIZE_NEAREST_NEIGHBOR v2": 1,
        "AVERAGE_POOL_2D v2": 1,
        "MAX_POOL_2D v2": 1,
        "CONCATENATION v2": 1,
        "DEPTH_TO_SPACE v1": 1,
        "MEAN v2": 1,
    }
    model = read_tflite(path)
    assert [(t.name, t.shape) for t in model.inputs] == [("image", (1, 16, 24, 3))]
    assert [(t.name, t.shape) for t in model.outputs] == [
        ("score", (1, 4, 6, 1)),
        ("segmentation", (1, 8, 12, 11)),
        ("place", (1, 1, 1, 16)),
    ]


def test_network_equals_litert_reference_and_follows_onnx_runtime(
    network: tuple[Net, Path],
) -> None:
    net, path = network
    for _ in range(5):
        integers = net.integers()
        outputs = run_tflm(path, integers)
        for name, tflm, litert in zip(
            ("score", "segmentation", "place"), outputs, run_litert(path, integers), strict=True
        ):
            np.testing.assert_array_equal(tflm, litert)
            scale, zero_point = net.parameters[name]
            real = ((tflm.astype(np.float32) - zero_point) * scale).ravel()
            expected = nhwc(net.run(name, integers)).ravel()
            # Roundings add up over layers; each operation alone is checked above.
            cosine = real @ expected / np.linalg.norm(real) / np.linalg.norm(expected)
            assert cosine > 0.999


def test_network_runs_by_signature_in_optimised_litert(network: tuple[Net, Path]) -> None:
    net, path = network
    integers = net.integers()
    run = Interpreter(str(path), num_threads=1).get_signature_runner("serving_default")
    outputs = run(image=nhwc(integers["image"]))
    for name, tflm in zip(
        ("score", "segmentation", "place"), run_tflm(path, integers), strict=True
    ):
        assert np.abs(outputs[name].astype(int) - tflm).max() <= 3


def test_metadata_comes_back(network: tuple[Net, Path]) -> None:
    assert read_metadata(network[1]) == METADATA


def test_file_follows_the_rules_of_the_schema(network: tuple[Net, Path]) -> None:
    data = network[1].read_bytes()
    assert data[4:8] == b"TFL3"
    model = schema.ModelT.InitFromPackedBuf(bytearray(data))
    assert model.version == 3
    assert model.buffers[0].data is None
    assert all(c.deprecatedBuiltinCode == min(c.builtinCode, 127) for c in model.operatorCodes)
    assert all(t.shapeSignature is None and min(t.shape) > 0 for t in model.subgraphs[0].tensors)
    view = schema.Model.GetRootAs(bytearray(data))
    starts = [
        view.Buffers(i)._tab.Vector(schema_offset)
        for i in range(1, view.BuffersLength())
        if (schema_offset := view.Buffers(i)._tab.Offset(4))
    ]
    assert len(starts) == view.BuffersLength() - 1
    assert all(start % 16 == 0 for start in starts)


def test_writing_twice_gives_the_same_bytes(network: tuple[Net, Path], tmp_path: Path) -> None:
    again = write_tflite(tmp_path / "net.onnx", tmp_path / "again.tflite")
    assert again.read_bytes() == network[1].read_bytes()


def test_a_damaged_tflite_file_is_refused(network: tuple[Net, Path], tmp_path: Path) -> None:
    whole = network[1].read_bytes()
    damaged = tmp_path / "damaged.tflite"
    for length in range(8, len(whole) - 16, len(whole) // 40):
        damaged.write_bytes(whole[:length])
        with pytest.raises(ModelError, match="cut short or corrupt"):
            read_metadata(damaged)
    damaged.write_bytes(b"not a model at all")
    with pytest.raises(ModelError, match="is not a TFLite model"):
        op_list(damaged)
    with pytest.raises(ModelError, match="is not a file"):
        op_list(tmp_path / "nowhere.tflite")


def test_a_model_without_our_metadata_is_named(tmp_path: Path) -> None:
    net = Net()
    model = net.model([conv((4, 6, 1, 1))(net)])
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "net.onnx")
    path = write_tflite(tmp_path / "net.onnx", tmp_path / "net.tflite")
    with pytest.raises(ModelError, match="carries no 'vpr_edge' metadata"):
        read_metadata(path)
