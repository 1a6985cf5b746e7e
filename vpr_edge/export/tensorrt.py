"""ONNX in the form that TensorRT reads, and how to build engines of it on the device.

TensorRT demands of explicit quantisation that every zero point is 0, takes no int32 into
DequantizeLinear, wants weights as floats that pass a QuantizeLinear, and has no int8 convolution
of three channels. So, of a QDQ ONNX with zero points 0: biases become floats, weights floats on the
grid of their integers, and the pairs on the image (pixel / 255, whose steps floats hold exactly)
go, with those on weights that meet it. The opset is brought down to 13 where that changes nothing,
for the TensorRT 8 of older devices.
Source: https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/work-quantized-types.html
"""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from vpr_edge import __version__
from vpr_edge.errors import ModelError
from vpr_edge.files import atomic_file

OPSET = 13
IR_VERSION = 7
QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
# Flags of trtexec by form; FP16 is what int8 leaves over, and the comparison.
BUILD_FLAGS = {"int8": ("--int8", "--fp16"), "float": ("--fp16",)}
# What copies values: of a tensor without a pair it makes another one.
_COPIES = ("MaxPool", "AveragePool", "DepthToSpace", "Resize", "Concat", "Reshape", "Transpose")


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read an ONNX file.

    Raises:
        ModelError: it is not there, or not whole.
    """
    try:
        return onnx.load(str(path))
    except Exception as error:  # protobuf's exceptions have no common base but this
        raise ModelError(f"{path} is not a whole ONNX model; export it again.") from error


def is_quantized(model: onnx.ModelProto) -> bool:
    """Whether the graph holds QuantizeLinear nodes."""
    return any(node.op_type == QUANTIZE for node in model.graph.node)


def tensorrt_onnx(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """A quantised network as TensorRT's parser takes it.

    Args:
        model: with QDQ pairs whose zero points are 0; those of the image may be any.
        path: where it comes from, for messages.

    Raises:
        ModelError: a zero point is not 0.
    """
    graph = _Graph(model)
    graph.drop_pairs(graph.pairs_on_inputs())
    for node in graph.nodes:
        if node.op_type in (QUANTIZE, DEQUANTIZE) and len(node.input) > 2:
            zero_point = graph.arrays.get(node.input[2])
            if zero_point is None or zero_point.any():
                raise ModelError(
                    f"{path} is quantised with zero points other than 0 (that of "
                    f"{node.input[0]}), which TensorRT does not take; train the other variant with "
                    "vpr-edge quantize --symmetric and export it with --target tensorrt."
                )
    graph.make_constants_float(graph.meets_integers)
    return graph.finish()


def without_quantization(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with its weights but without any rounding: what FP16 and FP32 are built from."""
    graph = _Graph(model)
    graph.make_constants_float(lambda _: False)
    graph.drop_pairs(graph.pairs())
    return graph.finish()


def tensorrt_forms(model: onnx.ModelProto, path: Path) -> dict[str, onnx.ModelProto]:
    """What TensorRT can build of a network: "int8" where it is quantised, and always "float".

    Raises:
        ModelError: a zero point is not 0.
    """
    int8 = {"int8": tensorrt_onnx(model, path)} if is_quantized(model) else {}
    return {**int8, "float": without_quantization(model)}


def write_tensorrt(model: onnx.ModelProto, folder: Path, stem: str, path: Path) -> None:
    """Write what engines are built from: ONNX files, a script and its explanation.

    Args:
        model: float, or QDQ with zero points 0.
        folder: where it goes.
        stem: of the files: `<stem>_int8.onnx` (of a QDQ one) and `<stem>_float.onnx`.
        path: where it comes from, for messages.

    Raises:
        ModelError: a zero point is not 0.
        OutputError: a file could not be written.
    """
    forms = tensorrt_forms(model, path)
    for form, made in forms.items():
        with atomic_file(folder / f"{stem}_{form}.onnx") as scratch:
            scratch.write_bytes(made.SerializeToString())
    commands = [_command(stem, form) for form in forms]
    texts = {
        "build_engines.sh": _SCRIPT.format(commands="\n".join(f'"$T" {c}' for c in commands)),
        "README.md": _README.format(commands="\n".join(f"trtexec {c}" for c in commands)),
    }
    for name, text in texts.items():
        with atomic_file(folder / name) as scratch:
            scratch.write_text(text)


def _command(stem: str, form: str) -> str:
    name = f"{stem}_{'int8' if form == 'int8' else 'fp16'}.engine"
    return shlex.join([f"--onnx={stem}_{form}.onnx", *BUILD_FLAGS[form], f"--saveEngine={name}"])


_SCRIPT = """\
#!/bin/sh
# Builds TensorRT engines in this folder. Run it on the device they are for.
set -eu
cd "$(dirname "$0")"
T=$(command -v trtexec || echo /usr/src/tensorrt/bin/trtexec)
{commands}
"""

_README = """\
# For TensorRT

An engine holds kernels chosen for one GPU and one version of TensorRT, so it is built on the device
that it is for. Copy this folder there and run `sh build_engines.sh`, which calls

```
{commands}
```

(JetPack puts `trtexec` into `/usr/src/tensorrt/bin`.) `vpr-edge bench FILE.onnx --device jetson
--host user@address` copies, builds and times in one step.

`*_int8.onnx` is quantised explicitly, with all zero points 0; only a checkpoint of
`vpr-edge quantize --symmetric` gives it. `*_float.onnx` is the comparison in FP16. Input `image`
(1, 3, H, W) is pixel / 255; outputs are real values under their names.
"""


class _Graph:
    """A copy of a model's nodes and constants that can be changed."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        copied = onnx.GraphProto()
        copied.CopyFrom(model.graph)
        self.nodes = list(copied.node)
        self.arrays = {entry.name: numpy_helper.to_array(entry) for entry in copied.initializer}

    def pairs(self) -> dict[str, str]:
        """What passes a QuantizeLinear and a DequantizeLinear: name behind the pair -> before."""
        real = {node.output[0]: node.input[0] for node in self.nodes if node.op_type == QUANTIZE}
        return {
            node.output[0]: real[node.input[0]]
            for node in self.nodes
            if node.op_type == DEQUANTIZE and node.input[0] in real
        }

    def pairs_on_inputs(self) -> dict[str, str]:
        """Those of `pairs` that are on the inputs, or on what only copies the inputs."""
        pairs, found = self.pairs(), {}
        plain = {entry.name for entry in self.model.graph.input}
        for node in self.nodes:
            result = node.output[0]
            if result in pairs:
                if pairs[result] in plain:
                    found[result] = pairs[result]
                    plain.add(result)
            elif node.op_type in _COPIES and plain.issuperset(self._computed(node)):
                plain.add(result)
        return found

    def _computed(self, node: onnx.NodeProto) -> list[str]:
        return [name for name in node.input if name and name not in self.arrays]

    def drop_pairs(self, pairs: dict[str, str]) -> None:
        """Whoever reads behind one of these pairs reads before it."""
        outputs = {entry.name for entry in self.model.graph.output}
        # An output keeps its name: what is before the pair takes it.
        renamed = {before: behind for behind, before in pairs.items() if behind in outputs}

        def name(given: str) -> str:
            while given in pairs:
                given = pairs[given]
            return renamed.get(given, given)

        self.nodes = [node for node in self.nodes if node.output[0] not in pairs]
        for node in self.nodes:
            node.input[:] = [name(given) for given in node.input]
            node.output[:] = [name(given) for given in node.output]
        read = {given for node in self.nodes for given in node.input}
        self.nodes = [n for n in self.nodes if n.op_type != QUANTIZE or n.output[0] in read]

    def meets_integers(self, constant: str) -> bool:
        """Whether the constant is used together with a quantised activation."""
        quantized = set(self.pairs())
        users = [node for node in self.nodes if constant in node.input]
        return any(name in quantized for node in users for name in node.input)

    def make_constants_float(self, keep_grid: Callable[[str], bool]) -> None:
        """Constants behind a DequantizeLinear become floats.

        Args:
            keep_grid: says of its result's name whether an int8 constant stays quantised, by a
                QuantizeLinear between.
        """
        constants = [
            node
            for node in self.nodes
            if node.op_type == DEQUANTIZE and node.input[0] in self.arrays
        ]
        kept = {node.output[0]: keep_grid(node.output[0]) for node in constants}
        for node in constants:
            stored, scale = (self.arrays[name] for name in node.input[:2])
            axis = next((entry.i for entry in node.attribute if entry.name == "axis"), 1)
            if scale.ndim:
                scale = np.moveaxis(scale.reshape([-1] + [1] * (stored.ndim - 1)), 0, axis)
            result, real = node.output[0], stored.astype(np.float32) * scale
            at = self.nodes.index(node)
            if stored.dtype != np.int8 or not kept[result]:
                self.arrays[result] = real
                del self.nodes[at]
                continue
            self.arrays[f"{result}_float"] = real
            grid = helper.make_node(
                QUANTIZE,
                [f"{result}_float", *node.input[1:]],
                [f"{result}_int8"],
                f"{result}/{QUANTIZE}",
                axis=axis,
            )
            node.input[0] = f"{result}_int8"
            self.nodes.insert(at, grid)

    def finish(self) -> onnx.ModelProto:
        """The checked model, at opset 13 where that means the same."""
        lowered = [_lowered(node, self.arrays) for node in self.nodes]
        whole = [node for node in lowered if node is not None]
        (opset,) = (e.version for e in self.model.opset_import if e.domain in ("", "ai.onnx"))
        lower = len(whole) == len(lowered) and opset >= OPSET
        nodes = whole if lower else self.nodes
        read = {name for node in nodes for name in node.input}
        constants = [
            numpy_helper.from_array(np.asarray(values, order="C"), name)
            for name, values in self.arrays.items()
            if name in read
        ]
        old = self.model.graph
        graph = helper.make_graph(nodes, old.name, old.input, old.output, constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)] if lower else self.model.opset_import,
            ir_version=IR_VERSION if lower else self.model.ir_version,
            producer_name="vpr-edge",
            producer_version=__version__,
        )
        helper.set_model_props(model, {p.key: p.value for p in self.model.metadata_props})
        onnx.checker.check_model(model, full_check=True)
        return model


def _lowered(node: onnx.NodeProto, arrays: dict[str, NDArray[Any]]) -> onnx.NodeProto | None:
    """The node in the words of opset 13; None where that lacks them."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    if node.op_type == "ReduceMean" and len(node.input) == 2 and node.input[1] in arrays:
        # An attribute until opset 18.
        copy.attribute.append(helper.make_attribute("axes", arrays[node.input[1]].tolist()))
        del copy.input[1]
    try:
        schema = onnx.defs.get_schema(node.op_type, OPSET, node.domain)
    except onnx.defs.SchemaError:
        return None
    known = {entry.name for entry in copy.attribute} <= set(schema.attributes)
    return copy if known and len(copy.input) <= schema.max_input else None
