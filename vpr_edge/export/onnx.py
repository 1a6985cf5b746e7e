"""Writes the network as ONNX, straight from its graph: float, or int8 with QDQ pairs. No torch.

Both have one float32 input `image` (1, 3, H, W), float32 outputs (1, C, h, w) under their names,
opset 21 (IR 10), and the metadata `vpr_edge`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from vpr_edge import __version__
from vpr_edge.arithmetic.affine import Affine
from vpr_edge.errors import CheckpointError, ModelError
from vpr_edge.files import atomic_file
from vpr_edge.models.checkpoint import Checkpoint
from vpr_edge.models.graph import CONSTANTS, CONVOLUTIONS, Graph, Node
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.quantize.gem import find_gem
from vpr_edge.quantize.model import Int8Model

OPSET = 21
IR_VERSION = 10
METADATA = "vpr_edge"
# torch.nn.BatchNorm2d's default, which the networks use.
BATCH_NORM_EPSILON = 1e-5


def write_onnx(checkpoint: Checkpoint, path: Path) -> Path:
    """Write a float checkpoint as float ONNX, norms folded.

    Args:
        checkpoint: of kind "float".
        path: the file to write.

    Returns:
        `path`.

    Raises:
        CheckpointError: the checkpoint is of another kind.
        ModelError: it does not run in ONNX Runtime, or not to finite values.
        OutputError: the file could not be written.
    """
    if checkpoint.kind != "float":
        raise CheckpointError(
            f"float ONNX needs a float checkpoint, and this one is of kind {checkpoint.kind!r}; "
            "export it with --target onnx-int8."
        )
    graph = checkpoint.graph
    writer = _Writer(graph)
    for node in graph.nodes[1:]:
        weights = [
            writer.constant(f"{node.name}.{part}", values)
            for part, values in _learned(checkpoint.tensors, node).items()
        ]
        writer.operation(node, [*node.inputs, *weights], node.name, real=True)
    papers = _papers(graph, checkpoint.preprocessing, checkpoint.provenance)
    model = writer.finish(graph.name, papers)
    _check_runs(model, graph, path)
    return _save(model, path)


def _check_runs(model: onnx.ModelProto, graph: Graph, path: Path) -> None:
    """Run it once, on zeros, in ONNX Runtime.

    Raises:
        ModelError: it does not run, or gives maps of another shape or that are not finite.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, ["CPUExecutionProvider"]
        )
        inputs = {one.name: np.zeros(one.shape, np.float32) for one in session.get_inputs()}
        found = session.run(None, inputs)
    except Exception as error:  # ONNX Runtime's exceptions have no common base but this
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"ONNX Runtime does not run {path.name} ({reason}); report the checkpoint."
        ) from error
    for output, value in zip(session.get_outputs(), found, strict=True):
        if value.shape != (1, *graph[output.name].shape) or not np.isfinite(value).all():
            raise ModelError(
                f"the output {output.name!r} of {path.name} is not finite in ONNX Runtime, so a "
                "weight of the checkpoint is not; train it again."
            )


def write_qdq_onnx(model: Int8Model, path: Path) -> Path:
    """Write a quantised network as ONNX with QuantizeLinear/DequantizeLinear around every tensor.

    Weights are int8 and biases int32 initialisers behind a DequantizeLinear, with exactly the
    model's integers, scales and zero points. The graph holds nothing to simplify, and must not be
    passed through onnxsim: it folds the weights' DequantizeLinear into float weights.

    Args:
        model: the quantised network.
        path: the file to write.

    Returns:
        `path`.

    Raises:
        OutputError: the file could not be written.
    """
    graph = model.graph
    writer = _Writer(graph)
    image = graph.input.name
    writer.quantize(image, dequantized_name(graph, image), model.activations[image])
    for node in graph.nodes[1:]:
        weights = []
        if node.name in model.layers:
            layer = model.layers[node.name]
            # One scale for all is a scalar in ONNX.
            scale = layer.weight_scale if node.op in CONVOLUTIONS else layer.weight_scale[0]
            weights = [writer.dequantized(f"{node.name}.weight", layer.weight, scale)]
            if node.op in CONVOLUTIONS:
                bias = writer.dequantized(f"{node.name}.bias", layer.bias, model.bias_scale(node))
                weights.append(bias)
        # Writers of int8 files name an inner tensor after what is quantised, an output after its
        # dequantised value: both are to be the node's name.
        result = dequantized_name(graph, node.name)
        computed = f"{node.name}_real" if result == node.name else node.name
        sources = [dequantized_name(graph, name) for name in node.inputs]
        writer.operation(node, [*sources, *weights], computed)
        writer.quantize(computed, result, model.activations[node.name])
    papers = _papers(graph, model.preprocessing, model.provenance, model.place_gain)
    return _save(writer.finish(graph.name, papers), path)


def dequantized_name(graph: Graph, name: str) -> str:
    """Name of a node's float tensor in the QDQ ONNX, behind its DequantizeLinear."""
    return name if name in graph.outputs else f"{name}_dequantized"


def output_transforms(
    graph: Graph, place_gain: ArrayLike | None = None
) -> dict[str, dict[str, Any]]:
    """What a consumer does to each output after dequantisation, as the metadata declares it.

    The place map is flattened in (row, column, channel) order; then `root` is taken of each value
    and it is multiplied by the `gain` of its channel, or by one of its own, where these are not
    null; then L2.
    """
    root = 3 if _is_gem(graph) else None
    given = graph.place_gain if place_gain is None else place_gain
    gain = None if given is None else [float(value) for value in np.asarray(given)]
    place = {"transform": {"root": root, "gain": gain}}
    reach = {} if graph.keypoint_reach == 1 else {"transform": {"reach": graph.keypoint_reach}}
    declared: dict[str, dict[str, Any]] = {"place": place, "location": reach}
    return {name: declared.get(name, {}) for name in graph.outputs}


def _is_gem(graph: Graph) -> bool:
    """Whether the place vector is a mean of powers, whose root a consumer takes."""
    gem = find_gem(graph)
    return "place" in graph.outputs and (
        graph["place"].op == "gem" or (gem is not None and gem.output.name == "place")
    )


class _Writer:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: ArrayLike) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        name = f"{output}/{kind}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name, **attributes))
        return output

    def quantize(self, source: str, result: str, affine: Affine) -> None:
        parameters = [
            self.constant(f"{result}.scale", np.asarray(affine.scale, np.float32)),
            self.constant(f"{result}.zero_point", np.asarray(affine.zero_point, np.int8)),
        ]
        stored = self.node("QuantizeLinear", [source, *parameters], f"{result}_int8")
        self.node("DequantizeLinear", [stored, *parameters], result)

    def dequantized(self, name: str, values: NDArray[Any], scale: ArrayLike) -> str:
        scale = np.asarray(scale, np.float32)
        inputs = [
            self.constant(name, values),
            self.constant(f"{name}.scale", scale),
            self.constant(f"{name}.zero_point", np.zeros(scale.shape, values.dtype)),
        ]
        axis = {"axis": 0} if scale.ndim else {}
        return self.node("DequantizeLinear", inputs, f"{name}_dequantized", **axis)

    def operation(self, node: Node, inputs: list[str], output: str, real: bool = False) -> None:
        """The ONNX nodes of one operation and its activation; the result is named `output`.

        With `real` values are clipped to the node's limits; int8 parameters do that by themselves.
        """
        clipped = node.limits is not None and real
        linear = f"{output}_linear" if node.activation != "none" or clipped else output
        if node.op == "transpose_conv":
            # ONNX has the inputs first.
            turned = self.node("Transpose", [inputs[1]], f"{linear}_turned", perm=(1, 0, 2, 3))
            sources = [inputs[0], turned, inputs[2]]
            attributes = {"kernel_shape": node.kernel, "strides": node.stride}
            self.node("ConvTranspose", sources, linear, **attributes)
        elif node.op in CONVOLUTIONS:
            source = self.graph[node.inputs[0]].shape
            dilations = {"dilations": node.dilation} if node.dilation != (1, 1) else {}
            self.node(
                "Conv",
                inputs,
                linear,
                kernel_shape=node.kernel,
                strides=node.stride,
                pads=list(self.graph.padding(node)),
                group=source[0] if node.op == "depthwise" else node.groups,
                **dilations,
            )
        elif node.op == "resize_bilinear":
            sizes = self.constant(f"{node.name}.sizes", np.array([1, *node.shape], np.int64))
            self.node("Resize", [*inputs, "", "", sizes], linear, mode="linear")
        elif node.op == "pad":
            top, left, bottom, right = self.graph.padding(node)
            amounts = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
            self.node("Pad", [*inputs, self.constant(f"{node.name}.pads", amounts)], linear)
        elif node.op == "permute":
            split, shape = (
                self.constant(f"{node.name}.{part}", np.array([1, *sizes], np.int64))
                for part, sizes in (("split", node.split), ("shape", node.shape))
            )
            apart = self.node("Reshape", [*inputs, split], f"{linear}_apart")
            order = (0, *(axis + 1 for axis in node.order))
            moved = self.node("Transpose", [apart], f"{linear}_moved", perm=order)
            self.node("Reshape", [moved, shape], linear)
        elif node.op == "resize_nearest":
            sizes = self.constant(f"{node.name}.sizes", np.array([1, *node.shape], np.int64))
            self.node(
                "Resize",
                [*inputs, "", "", sizes],
                linear,
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        elif node.op in ("mean", "sum"):
            axes = self.constant(f"{node.name}.axes", np.array([2, 3], np.int64))
            self.node(f"Reduce{node.op.capitalize()}", [*inputs, axes], linear, keepdims=1)
        elif node.op == "reshape":
            shape = self.constant(f"{node.name}.shape", np.array([1, *node.shape], np.int64))
            self.node("Reshape", [*inputs, shape], linear)
        elif node.op == "vector":
            moved = self.node("Transpose", inputs, f"{linear}_rows", perm=(0, 2, 3, 1))
            shape = self.constant(f"{node.name}.shape", np.array([1, *node.shape], np.int64))
            self.node("Reshape", [moved, shape], linear)
        elif node.op == "crop":
            limits = [
                self.constant(f"{node.name}.{part}", np.array(values, np.int64))
                for part, values in (
                    ("starts", node.begin),
                    ("ends", [b + size for b, size in zip(node.begin, node.shape, strict=True)]),
                    ("axes", (1, 2, 3)),
                )
            ]
            self.node("Slice", [*inputs, *limits], linear)
        elif node.op == "matmul":
            # [1, C, 1, W] to the matrix [W, C], or [C, W] where that is wanted.
            matrices = [
                self.node("Transpose", [x], f"{linear}_factor{number}", perm=(0, 2, *order))
                for number, (x, order) in enumerate(
                    zip(inputs, [((3, 1), (1, 3))[flip] for flip in node.transposed], strict=True)
                )
            ]
            product = self.node("MatMul", matrices, f"{linear}_product")
            self.node("Transpose", [product], linear, perm=(0, 3, 1, 2))
        elif node.op == "gem":
            x, power, root, axes = inputs
            raised = self.node("Pow", [x, power], f"{linear}_raised")
            mean = self.node("ReduceMean", [raised, axes], f"{linear}_mean", keepdims=1)
            self.node("Pow", [mean, root], linear)
        else:
            kind, attributes = _SIMPLE[node.op](node)
            self.node(kind, inputs, linear, **attributes)
        if node.activation == "relu":
            self.node("Relu", [linear], output)
        elif node.activation == "relu6":
            limits = [
                self.constant(f"{node.name}.low", np.float32(0)),
                self.constant(f"{node.name}.high", np.float32(6)),
            ]
            self.node("Clip", [linear, *limits], output)
        elif clipped and node.limits is not None:
            limits = [
                self.constant(f"{node.name}.{part}", np.float32(value))
                for part, value in zip(("low", "high"), node.limits, strict=True)
            ]
            self.node("Clip", [linear, *limits], output)

    def finish(self, name: str, papers: dict[str, Any]) -> onnx.ModelProto:
        """The checked model with inferred shapes."""
        image, *outputs = (
            helper.make_tensor_value_info(node.name, TensorProto.FLOAT, (1, *node.shape))
            for node in (self.graph.input, *(self.graph[name] for name in self.graph.outputs))
        )
        graph = helper.make_graph(self.nodes, name, [image], outputs, self.constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="vpr-edge",
            producer_version=__version__,
        )
        helper.set_model_props(model, {METADATA: json.dumps(papers)})
        onnx.checker.check_model(model, full_check=True)
        return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)


_SIMPLE: dict[str, Any] = {
    "add": lambda node: ("Add", {}),
    "sub": lambda node: ("Sub", {}),
    "mul": lambda node: ("Mul", {}),
    "prelu": lambda node: ("PRelu", {}),
    "tanh": lambda node: ("Tanh", {}),
    "hard_swish": lambda node: ("HardSwish", {}),
    "leaky_relu": lambda node: ("LeakyRelu", {"alpha": node.slope}),
    "relu": lambda node: ("Relu", {}),
    "requantize": lambda node: ("Identity", {}),
    "scale": lambda node: ("Mul", {}),
    "offset": lambda node: ("Add", {}),
    "softmax": lambda node: ("Softmax", {"axis": 1}),
    "logistic": lambda node: ("Sigmoid", {}),
    "l2_normalize": lambda node: ("LpNormalization", {"axis": 1, "p": 2}),
    "space_to_depth": lambda node: ("SpaceToDepth", {"blocksize": node.block}),
    "concat": lambda node: ("Concat", {"axis": 1}),
    "depth_to_space": lambda node: ("DepthToSpace", {"blocksize": node.block, "mode": "DCR"}),
    "average_pool": lambda node: (
        "AveragePool",
        _window(node),
    ),
    "max_pool": lambda node: ("MaxPool", _window(node)),
}


def _window(node: Node) -> dict[str, Any]:
    pads = {"pads": node.pads} if node.pads else {}
    return {"kernel_shape": node.kernel, "strides": node.stride, **pads}


def _papers(
    graph: Graph,
    preprocessing: Preprocessing,
    provenance: dict[str, Any],
    place_gain: NDArray[np.float32] | None = None,
) -> dict[str, Any]:
    return {
        "preprocessing": preprocessing.to_dict(),
        "outputs": output_transforms(graph, place_gain),
        "provenance": provenance,
    }


def _learned(tensors: dict[str, NDArray[Any]], node: Node) -> dict[str, NDArray[Any]]:
    """What a node's ONNX operator reads beside its inputs, by name, in order."""
    prefix = f"layers.{node.name}"
    if node.op in CONVOLUTIONS:
        weight, bias = _folded(tensors, node)
        return {"weight": weight, "bias": bias}
    if node.op in CONSTANTS:
        return {"weight": tensors[f"{prefix}.weight"]}
    if node.op == "gem":
        power = tensors[f"{prefix}.power"].astype(np.float32)
        axes = np.array([2, 3], np.int64)
        return {"power": power, "root": np.asarray(3 / power, np.float32), "axes": axes}
    return {}


def _folded(
    tensors: dict[str, NDArray[Any]], node: Node
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights and bias with the norm folded in, computed in float64."""
    prefix = f"layers.{node.name}"
    weight = tensors[f"{prefix}.weight"].astype(np.float64)
    if node.norm == "none":
        return weight.astype(np.float32), tensors[f"{prefix}.bias"].astype(np.float32)
    gain, shift = (tensors[f"{prefix}.norm.{p}"].astype(np.float64) for p in ("weight", "bias"))
    if node.norm == "batch":
        mean, variance = (
            tensors[f"{prefix}.norm.running_{p}"].astype(np.float64) for p in ("mean", "var")
        )
        gain = gain / np.sqrt(variance + BATCH_NORM_EPSILON)
        shift = shift - mean * gain
    folded = weight * gain[:, None, None, None]
    return folded.astype(np.float32), shift.astype(np.float32)


def _save(model: onnx.ModelProto, path: Path) -> Path:
    with atomic_file(path) as scratch:
        scratch.write_bytes(model.SerializeToString())
    return path
