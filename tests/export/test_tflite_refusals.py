"""What the int8 TFLite writer refuses, and that one sentence says what and why."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.export.qdq_net import (
    ASYMMETRIC,
    FIXED,
    Build,
    Net,
    conv,
    fixed,
    from_input,
    pooled,
    resized,
)
from vpr_edge.errors import ModelError
from vpr_edge.export.tflite import write_tflite


def float_model(net: Net) -> str:
    net.nodes.clear()
    return net.node("Relu", ["image"], "y")


def no_quantisation_between(net: Net) -> str:
    net.node("MaxPool", [net.image], "bare", kernel_shape=[2, 2])
    return net.op("Sigmoid", ["bare"], "y", FIXED["Sigmoid"])


def bare_output(net: Net) -> str:
    return net.node("Sigmoid", [net.image], "y")


def unsigned(net: Net) -> str:
    scale, zero = net.constant("s", np.float32(0.1)), net.constant("z", np.uint16(3))
    net.node("QuantizeLinear", [net.image, scale, zero], "q")
    return net.node("DequantizeLinear", ["q", scale, zero], "y")


def changed_constant(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Build:
    """A convolution with one of its constants changed."""

    def build(net: Net) -> str:
        result = net.layer("Conv", net.image, "y", (4, 6, 1, 1))
        tensor = next(c for c in net.constants if c.name == name)
        tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), name))
        return result

    return build


def float_bias(net: Net) -> str:
    weights = net.dequantized("w", np.ones((4, 6, 1, 1), np.int8), np.float32(0.01))
    bias = net.constant("b", np.ones(4, np.float32))
    return net.op("Conv", [net.image, weights, bias], "y")


def shared_shuffle(net: Net) -> str:
    x = net.layer("Conv", net.image, "x", (12, 6, 1, 1))
    up = net.op("DepthToSpace", [x], "up", net.parameters[x], blocksize=2, mode="CRD")
    pooled_up = net.op(
        "MaxPool", [up], "small", net.parameters[x], kernel_shape=[2, 2], strides=[2, 2]
    )
    return net.op("Concat", [x, pooled_up], "y", net.parameters[x], axis=1)


def quantised_twice(net: Net) -> str:
    net.node("MaxPool", [net.image], "m", kernel_shape=[2, 2])
    a, b = net.quantize("m", (0.01, 0), result="a"), net.quantize("m", (0.02, 0), result="b")
    return net.op("Add", [a, b], "y")


def stepped_slice(net: Net) -> str:
    limits = [
        net.constant(name, np.array([value], np.int64))
        for name, value in (("starts", 0), ("ends", 6), ("axes", 1), ("steps", 2))
    ]
    return net.op("Slice", [net.image, *limits], "y")


def product_of_rows(net: Net) -> str:
    net.node("Transpose", [net.image], "a", perm=[0, 2, 1, 3])
    net.node("Transpose", [net.image], "b", perm=[0, 2, 3, 1])
    return net.op("MatMul", ["a", "b"], "y")


REFUSED: dict[str, tuple[Build, str]] = {
    "float": (float_model, "is a float ONNX model"),
    "between": (no_quantisation_between, "'bare' .* has no int8 quantisation parameters"),
    "output": (bare_output, "Tensor 'y' .* has no int8 quantisation parameters"),
    "uint16": (unsigned, "quantised to uint16, not int8"),
    "twice": (quantised_twice, "'m' is quantised twice"),
    "transpose": (
        from_input("Transpose", perm=[0, 2, 3, 1]),
        "Transpose node 'node_y_float' .output tensor 'y'.*--converter onnx2tf.*tensorflow",
    ),
    "clip": (from_input("Clip"), r"limits to \[-inf, inf\]"),
    "elu": (from_input("Elu"), "Elu node 'node_y_float' .output tensor 'y'"),
    "softmax axis": (fixed("Softmax", axis=2), "its axis is not the channels"),
    "l1": (fixed("LpNormalization", axis=1, p=1), "p=1"),
    "bicubic": (resized("cubic", (24, 20)), "its mode is cubic, half_pixel"),
    "nearest exact": (resized("nearest", (24, 20)), "round_prefer_floor"),
    "nearest rounding": (
        resized("nearest", (12, 410), **ASYMMETRIC),
        "TFLite rounds the resize from 10 to 410 differently",
    ),
    "ceil": (
        pooled("MaxPool", kernel_shape=[5, 5], strides=[5, 5], ceil_mode=1),
        "not that of a floored window",
    ),
    "flat output": (pooled("Flatten"), "only fully connected layers may read"),
    "float bias": (float_bias, "bias is not int32"),
    "bias scale": (changed_constant("y_b_scale", lambda s: s + s), "bias scale is not"),
    "bias zero": (changed_constant("y_b_zero", lambda z: z + 1), "bias is not a constant int32"),
    "weights zero": (changed_constant("y_w_zero", lambda z: z + 1), "zero point 0"),
    "weights range": (changed_constant("y_w", lambda w: np.full_like(w, -128)), "-128"),
    "scale zero": (changed_constant("y_scale", np.zeros_like), "not a positive number"),
    "scale nan": (
        changed_constant("y_w_scale", lambda s: np.full_like(s, np.nan)),
        "not a positive number",
    ),
    "shared shuffle": (shared_shuffle, "CRD order"),
    "slice steps": (stepped_slice, "steps other than 1"),
    "matrix product": (product_of_rows, "not two maps of one row"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_covered_is_refused_with_one_sentence(case: str, tmp_path: Path) -> None:
    build, message = REFUSED[case]
    net = Net(6)
    path = net.save(tmp_path, build(net))
    with pytest.raises(ModelError, match=message) as caught:
        write_tflite(path, tmp_path / "net.tflite")
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.onnx"]


def test_dynamic_shapes_are_refused(tmp_path: Path) -> None:
    net = Net()
    model = net.model([conv((4, 6, 1, 1))(net)])
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(ModelError, match=r"'image' .* dynamic dimension 'batch'"):
        write_tflite(tmp_path / "net.onnx", tmp_path / "net.tflite")


def test_a_batch_is_refused(tmp_path: Path) -> None:
    net = Net()
    net.input("many", (2, 6, 5, 5), (0.1, 0))
    path = net.save(tmp_path, net.op("Relu", ["many_dq"], "y"))
    with pytest.raises(ModelError, match=r"has the shape \(2, 6, 5, 5\)"):
        write_tflite(path, tmp_path / "net.tflite")


@pytest.mark.parametrize("damage", ["missing", "empty", "noise", "cut"])
def test_a_damaged_onnx_file_is_refused(damage: str, tmp_path: Path) -> None:
    net = Net()
    path = net.save(tmp_path, conv((4, 6, 1, 1))(net))
    whole = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"empty": b"", "noise": b"\xff" * 500, "cut": whole[:-200]}[damage])
    with pytest.raises(ModelError, match=r"is not a (file|valid ONNX model)") as caught:
        write_tflite(path, tmp_path / "net.tflite")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "net.tflite").exists()
