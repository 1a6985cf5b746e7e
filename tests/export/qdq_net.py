"""QDQ ONNX graphs made for the tests, and the runtimes that judge what is written from them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from onnx import TensorProto, helper, numpy_helper
from tflite_micro.python.tflite_micro import runtime

from vpr_edge.tflite.read import read_tflite

METADATA = {"preprocessing": {"height": 12}, "outputs": {"score": {"head": "gemäß"}}}
FIXED = {"Sigmoid": (1 / 256, -128), "Softmax": (1 / 256, -128), "Tanh": (1 / 128, 0)}
ASYMMETRIC: dict[str, Any] = {
    "coordinate_transformation_mode": "asymmetric",
    "nearest_mode": "floor",
}


# Scale, in whatever float type, and zero point.
Parameters = tuple[Any, int]


class Net:
    """Builds QDQ ONNX graphs whose scales follow the ranges seen on random input."""

    def __init__(self, channels: int = 6, size: tuple[int, int] = (12, 10), seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.parameters: dict[str, Parameters] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.inputs: dict[str, tuple[int, ...]] = {}
        self.image = self.input("image", (1, channels, *size), (1 / 255, -128))

    def input(self, name: str, shape: tuple[int, ...], parameters: Parameters) -> str:
        """A graph input that takes int8 integers exactly; returns its dequantised tensor."""
        self.inputs[name] = shape
        self.parameters[f"{name}_dq"] = (np.float32(parameters[0]), parameters[1])
        return self.quantize(name, parameters)

    def constant(self, name: str, values: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], f"node_{output}", **attributes))
        return output

    def quantize(self, name: str, parameters: Parameters | None = None, **how: str) -> str:
        """Q and DQ behind a float tensor; returns the name of the dequantised tensor."""
        seen = self.run(name)
        if parameters is None:
            low, high = min(float(seen.min()), 0.0), max(float(seen.max()), 1e-3)
            scale = (high - low) / 255
            parameters = (scale, int(np.clip(round(-128 - low / scale), -128, 127)))
        result = how.get("result", f"{name}_dq")
        scale_name = self.constant(f"{result}_scale", np.float32(parameters[0]))
        zero_name = self.constant(f"{result}_zero", np.int8(parameters[1]))
        self.node("QuantizeLinear", [name, scale_name, zero_name], f"{result}_q")
        self.node("DequantizeLinear", [f"{result}_q", scale_name, zero_name], result)
        self.parameters[result] = (np.float32(parameters[0]), parameters[1])
        self.shapes[result] = seen.shape
        return result

    def dequantized(self, name: str, values: np.ndarray, scale: Any, axis: int = 0) -> str:
        """A constant and its DequantizeLinear."""
        zeros = np.zeros(np.shape(scale), values.dtype)
        inputs = [
            self.constant(name, values),
            self.constant(f"{name}_scale", np.asarray(scale, np.float32)),
            self.constant(f"{name}_zero", zeros),
        ]
        return self.node("DequantizeLinear", inputs, f"{name}_dq", axis=axis)

    def op(
        self,
        kind: str,
        inputs: list[str],
        output: str,
        parameters: Parameters | None = None,
        activation: str = "none",
        **attributes: Any,
    ) -> str:
        """An operation, its activation, Q and DQ."""
        result = self.node(kind, inputs, f"{output}_float", **attributes)
        if activation == "relu":
            result = self.node("Relu", [result], f"{output}_relu")
        elif activation == "relu6":
            low = self.constant(f"{output}_low", np.float32(0))
            high = self.constant(f"{output}_high", np.float32(6))
            result = self.node("Clip", [result, low, high], f"{output}_relu6")
        return self.quantize(result, parameters, result=output)

    def layer(
        self, kind: str, x: str, output: str, shape: tuple[int, ...], axis: int = 0, **more: Any
    ) -> str:
        """A convolution or fully connected layer with random weights and biases."""
        channels = shape[axis]
        weights = self.random.integers(-127, 128, shape, np.int8)
        scale = self.random.uniform(0.002, 0.02, channels).astype(np.float32)
        bias = self.random.integers(-3000, 3000, channels, np.int32)
        inputs = [
            x,
            self.dequantized(f"{output}_w", weights, scale, axis),
            self.dequantized(f"{output}_b", bias, self.parameters[x][0] * scale),
        ]
        return self.op(kind, inputs, output, **more)

    def model(self, outputs: list[str]) -> onnx.ModelProto:
        shapes = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs]
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in self.inputs.items()
        ]
        graph = helper.make_graph(self.nodes, "net", inputs, shapes, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
        helper.set_model_props(model, {"vpr_edge": json.dumps(METADATA)})
        return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)

    def integers(self) -> dict[str, np.ndarray]:
        """Random int8 values for every input."""
        return {
            name: self.random.integers(-128, 128, shape).astype(np.int8)
            for name, shape in self.inputs.items()
        }

    def run(self, name: str, integers: dict[str, np.ndarray] | None = None) -> np.ndarray:
        """Float tensor `name` in ONNX Runtime, unoptimised, on these int8 inputs (or random)."""
        feeds = {}
        for key, values in (integers or self.integers()).items():
            scale, zero_point = self.parameters[f"{key}_dq"]
            feeds[key] = (values.astype(np.float32) - zero_point) * scale
        if name in feeds:
            return feeds[name]
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        model = self.model([name]).SerializeToString()
        session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
        return session.run([name], feeds)[0]

    def save(self, folder: Path, *outputs: str) -> Path:
        model = self.model(list(outputs))
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, folder / "net.onnx")
        return folder / "net.onnx"


def nhwc(array: np.ndarray) -> np.ndarray:
    return np.moveaxis(array, 1, -1) if array.ndim == 4 else array


def run_tflm(path: Path, integers: dict[str, np.ndarray]) -> list[np.ndarray]:
    interpreter = runtime.Interpreter.from_bytes(path.read_bytes(), arena_size=1 << 20)
    for index, values in enumerate(integers.values()):
        interpreter.set_input(nhwc(values), index)
    interpreter.invoke()
    return [interpreter.get_output(i) for i in range(len(read_tflite(path).outputs))]


def run_litert(path: Path, integers: dict[str, np.ndarray]) -> list[np.ndarray]:
    interpreter = Interpreter(
        str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    for detail, values in zip(interpreter.get_input_details(), integers.values(), strict=True):
        interpreter.set_tensor(detail["index"], nhwc(values))
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


def differences(net: Net, result: str, path: Path, repeats: int = 4) -> np.ndarray:
    """LSB between TFLM and ONNX Runtime on random input; LiteRT must equal TFLM."""
    scale, zero_point = net.parameters[result]
    found = []
    for _ in range(repeats):
        integers = net.integers()
        expected = np.rint(nhwc(net.run(result, integers)) / scale).astype(int) + zero_point
        assert len(np.unique(expected)) > 3, "the test would not notice a wrong output"
        tflm = run_tflm(path, integers)[0]
        assert tflm.shape == expected.shape
        np.testing.assert_array_equal(run_litert(path, integers)[0], tflm)
        found.append(np.abs(tflm.astype(int) - expected).ravel())
    return np.concatenate(found)


Build = Callable[[Net], str]


def conv(shape: tuple[int, ...], activation: str = "none", **attributes: Any) -> Build:
    return lambda net: net.layer("Conv", net.image, "y", shape, activation=activation, **attributes)


def pooled(kind: str, parameters: Parameters = (1 / 255, -128), **attributes: Any) -> Build:
    return lambda net: net.op(kind, [net.image], "y", parameters, **attributes)


def resized(mode: str, size: tuple[int, int], **attributes: Any) -> Build:
    def build(net: Net) -> str:
        sizes = net.constant("sizes", np.array([*net.inputs["image"][:2], *size], np.int64))
        inputs = [net.image, "", "", sizes]
        return net.op("Resize", inputs, "y", (1 / 255, -128), mode=mode, **attributes)

    return build


def fixed(kind: str, **attributes: Any) -> Build:
    def build(net: Net) -> str:
        x = net.input("x", (1, 8, 5, 4), (0.04, 3))
        return net.op(kind, [x], "y", FIXED.get(kind, (1 / 128, 0)), **attributes)

    return build


def from_input(kind: str, parameters: Parameters | None = None, **more: Any) -> Build:
    """One operation on an input with signed values."""

    def build(net: Net) -> str:
        x = net.input("x", (1, 4, 9, 7), (0.1, 20))
        return net.op(kind, [x], "y", parameters, **more)

    return build
