"""Executions of one quantised network side by side, and what its TFLite file carries."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.quantize.networks import CONVAP, GEM, MODELS, exported, images, int8_model
from vpr_edge.arithmetic.affine import Affine
from vpr_edge.benchmarks.tasks.parity import (
    EXACT,
    FAKE,
    ORT,
    REFERENCE,
    TFLM,
    XNNPACK,
    layer_parity,
    parity_table,
)
from vpr_edge.export.carried import tflite_differences
from vpr_edge.models.zoo import NetworkConfig
from vpr_edge.quantize.model import Int8Model


@pytest.mark.parametrize("config", [CONVAP, GEM], ids=lambda c: c.head)
def test_integer_executions_are_equal_and_the_others_close(
    config: NetworkConfig, tmp_path: Path
) -> None:
    model = int8_model(config)
    rows = parity_table(model, *exported(model, tmp_path), images(3, seed=6))
    assert len(rows) == 15 * len(model.graph.outputs)
    for row in rows:
        pair = {row.first, row.second}
        if pair <= {EXACT, TFLM, REFERENCE}:
            assert (row.unequal_fraction, row.max_lsb) == (0, 0), row
        elif pair <= {FAKE, ORT, XNNPACK}:
            # ONNX does not say how the many ties of a 2x2 average round.
            ties = ORT in pair and row.output == "place" and config.head == "convap"
            assert row.max_lsb <= 1 and row.unequal_fraction < (0.3 if ties else 0.005), row
        else:
            # Random networks amplify the flips of double rounding: only gross errors show here.
            assert row.max_lsb <= 32, row
        assert (row.min_cosine is not None) == (row.output in ("descriptor", "place"))
        assert row.min_cosine is None or row.min_cosine > 0.95, row


@pytest.mark.parametrize("name", MODELS)
def test_each_operation_alone_differs_by_one_step_at_most(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    onnx_path, _ = exported(model, tmp_path)
    rows = layer_parity(model, onnx_path, images(2, seed=6))
    assert len(rows) == 2 * (len(model.graph.nodes) - 1)
    for row in rows:
        assert row.max_lsb <= 1, row
        # ONNX rounds the many ties of an even pool as its floats fall. TFLite rounds twice, which
        # shows where the second rounding drops few bits: in a mean or sum, whose factor is large.
        ties = row.op == "average_pool" and row.execution == ORT
        coarse = ties or row.op in ("mean", "sum")
        # The smallest maps of these networks have 140 elements: three flips are 2 %.
        assert row.unequal_fraction < (0.4 if coarse else 0.04), row


@pytest.mark.parametrize("name", MODELS)
def test_tflite_carries_the_models_numbers(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    assert tflite_differences(exported(model, tmp_path)[1], model) == []


def changed(model: Int8Model, what: str) -> Int8Model:
    """The model with one number another."""
    layer = model.layers["stem"]
    match what:
        case "weights":
            layer = replace(layer, weight=layer.weight // 2)
        case "weight scales":
            layer = replace(layer, weight_scale=np.nextafter(layer.weight_scale, np.float32(1)))
        case "biases":
            layer = replace(layer, bias=layer.bias + np.int32(1))
        case "scale":
            old = model.activations["stem"]
            new = Affine(np.nextafter(old.scale, np.float32(1)), old.zero_point)
            return replace(model, activations={**model.activations, "stem": new})
    return replace(model, layers={**model.layers, "stem": layer})


@pytest.mark.parametrize("what", ["weights", "weight scales", "biases", "scale"])
def test_one_changed_number_is_named(what: str, tmp_path: Path) -> None:
    model = int8_model(CONVAP)
    _, tflite_path = exported(model, tmp_path)
    found = tflite_differences(tflite_path, changed(model, what))
    assert found and found[0].startswith("stem: ") and what in found[0]
