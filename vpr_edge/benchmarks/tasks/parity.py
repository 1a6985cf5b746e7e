"""Parity: how far the executions of one quantised network lie apart.

There are two roundings. The integer-exact pass, TFLM and LiteRT's reference kernels round twice, as
TFLite's integers do, and agree bit for bit. Fake quantisation, ONNX Runtime's int8 kernels and
XNNPACK round an exact accumulator times a float once, and agree up to rare ties (and those of an
even average pool, which ONNX leaves open). Between the two, one operation rounds a few elements in
a thousand the other way; tens of layers amplify that until many elements differ, by up to tens of
LSB. So `parity_table` compares end to end, and `layer_parity` one operation at a time on equal
inputs.
"""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from vpr_edge.export.onnx import dequantized_name, output_transforms
from vpr_edge.models.graph import Node
from vpr_edge.places.describe import place_vector
from vpr_edge.quantize.integer import IntegerNetwork
from vpr_edge.quantize.model import Int8Model
from vpr_edge.quantize.passes import RoundedNetwork
from vpr_edge.runtimes.integers import (
    Outputs,
    run_litert,
    run_onnx_runtime,
    run_tflm,
    to_integers,
)

FAKE, ORT, XNNPACK, REFERENCE, TFLM, EXACT = (
    "fake-quantised torch",
    "ONNX Runtime (QDQ)",
    "LiteRT XNNPACK",
    "LiteRT reference",
    "TFLM",
    "integer-exact",
)
DESCRIPTORS = ("descriptor", "place")


@dataclass(frozen=True)
class ParityRow:
    """Two executions of one output.

    Attributes:
        output: its name.
        first, second: the executions.
        unequal_fraction: share of int8 elements that differ.
        max_lsb: largest difference in steps of the output.
        min_cosine: least cosine between descriptors (of a cell, or of a place); None for outputs
            that are not descriptors.
    """

    output: str
    first: str
    second: str
    unequal_fraction: float
    max_lsb: int
    min_cosine: float | None


@dataclass(frozen=True)
class LayerParity:
    """One operation on equal int8 inputs, against TFLM's integers.

    Attributes:
        node, op: name and operation.
        execution: which one is compared.
        unequal_fraction, max_lsb: as in `ParityRow`.
    """

    node: str
    op: str
    execution: str
    unequal_fraction: float
    max_lsb: int


def parity_table(
    model: Int8Model, onnx_path: Path, tflite_path: Path, images: NDArray[np.uint8]
) -> tuple[ParityRow, ...]:
    """Compare every pair of executions end to end.

    Args:
        model: the quantised network.
        onnx_path: its QDQ ONNX.
        tflite_path: its int8 TFLite.
        images: uint8 RGB [N, H, W, 3], fitted to the input.

    Returns:
        A row for each output and each pair.
    """
    runs: dict[str, Outputs] = {
        FAKE: RoundedNetwork(model).run(images),
        ORT: run_onnx_runtime(model, onnx_path, images),
        XNNPACK: run_litert(tflite_path, images),
        REFERENCE: run_litert(tflite_path, images, reference=True),
        TFLM: run_tflm(tflite_path, images),
        EXACT: IntegerNetwork(model).run(images),
    }
    return tuple(
        _row(model, output, (first, second), runs)
        for output in model.graph.outputs
        for first, second in combinations(runs, 2)
    )


def layer_parity(
    model: Int8Model, onnx_path: Path, images: NDArray[np.uint8]
) -> tuple[LayerParity, ...]:
    """Compare each operation by itself, all inputs being the integer-exact pass's.

    Args:
        model: the quantised network.
        onnx_path: its QDQ ONNX.
        images: uint8 RGB [N, H, W, 3].

    Returns:
        For each node a row of ideal rounding in torch and one of ONNX Runtime, unoptimised.
    """
    graph = model.graph
    exact = IntegerNetwork(model).run(images, tuple(node.name for node in graph.nodes))
    rounded = RoundedNetwork(model)
    whole = onnx.utils.Extractor(onnx.load(onnx_path))
    rows = []
    for node in graph.nodes[1:]:
        expected = exact[node.name]
        for execution, found in (
            (FAKE, rounded.run_node(node, [exact[name] for name in node.inputs])),
            (ORT, _one_node(model, whole, node, exact)),
        ):
            fraction, largest = _difference(expected, found)
            rows.append(LayerParity(node.name, node.op, execution, fraction, largest))
    return tuple(rows)


def _row(
    model: Int8Model, output: str, pair: tuple[str, str], runs: dict[str, Outputs]
) -> ParityRow:
    first, second = (runs[name][output] for name in pair)
    fraction, largest = _difference(first, second)
    cosine = None
    if output in DESCRIPTORS:
        affine = model.activations[output]
        a, b = (
            affine.scale * (values.astype(np.float32) - affine.zero_point)
            for values in (first, second)
        )
        if output == "place":
            transform = output_transforms(model.graph, model.place_gain)["place"]["transform"]
            a, b = (
                np.stack([place_vector(image, transform) for image in values]) for values in (a, b)
            )
        cosine = _least_cosine(a, b)
    return ParityRow(output, *pair, fraction, largest, cosine)


def _difference(a: NDArray[np.int8], b: NDArray[np.int8]) -> tuple[float, int]:
    distance = np.abs(a.astype(int) - b.astype(int))
    return float((distance > 0).mean()), int(distance.max())


def _least_cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Least cosine of the vectors along the last axis; vectors of zeros are left out."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    lengths = np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1)
    products = np.sum(x * y, axis=-1)
    return float((products[lengths > 0] / lengths[lengths > 0]).min(initial=1.0))


def _one_node(
    model: Int8Model, whole: onnx.utils.Extractor, node: Node, exact: Outputs
) -> NDArray[np.int8]:
    """ONNX Runtime on the part of the QDQ graph that is one operation."""
    sources = {dequantized_name(model.graph, name): name for name in node.inputs}
    result = dequantized_name(model.graph, node.name)
    part = whole.extract_model(list(sources), [result])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        part.SerializeToString(), options, ["CPUExecutionProvider"]
    )
    rows = []
    for index in range(len(exact[node.name])):
        feeds = {}
        for tensor, name in sources.items():
            affine = model.activations[name]
            stored = exact[name][index : index + 1].astype(np.float32)
            feeds[tensor] = np.moveaxis((stored - affine.zero_point) * affine.scale, -1, 1)
        rows.append(to_integers(np.asarray(session.run([result], feeds)[0]), model, node.name))
    return np.concatenate(rows)
