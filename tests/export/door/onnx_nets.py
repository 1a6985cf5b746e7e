"""ONNX files written node by node, for what no exporter would write."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

IMAGE = ("image", (1, 3, 8, 8))


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    constants: dict[str, Any] | None = None,
    inputs: tuple[tuple[str, tuple[int | str, ...]], ...] = (IMAGE,),
    outputs: tuple[str, ...] = ("y",),
    opset: int = 17,
    domains: tuple[str, ...] = (),
) -> Path:
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs],
        [_open(*text.split(":")) for text in outputs],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def _open(name: str, rank: str = "4") -> onnx.ValueInfoProto:
    """An output whose sizes are left open; "name:2" has two dimensions."""
    shape = [f"{name}{axis}" for axis in range(int(rank))]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def node(kind: str, *inputs: str, output: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, list(inputs), [output], f"the_{kind}", **attributes)


def conv(source: str = "image", output: str = "y", **attributes: Any) -> onnx.NodeProto:
    return node("Conv", source, "w", "b", output=output, **attributes)


def weights(seed: int = 0, outputs: int = 4, inputs: int = 3, kernel: int = 3) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    shape = (outputs, inputs, kernel, kernel)
    return {
        "w": random.normal(size=shape).astype(np.float32),
        "b": random.normal(size=outputs).astype(np.float32),
    }
