"""Golden vectors come from TFLM, whatever it does."""

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.operators.test_convolution import random_convolution
from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.compile.golden import golden_vectors, random_inputs
from vpr_edge.firmware_bridge.compile.importer import import_tflite
from vpr_edge.tflite.tflm import Tflm


def test_golden_vectors_hold_what_tflm_computes(tmp_path: Path) -> None:
    path = random_convolution(np.random.default_rng(0), tmp_path / "m.tflite", False)
    program, oracle = import_tflite(path), Tflm(path)
    inputs = random_inputs(program, 3)
    for given, vector in zip(inputs, golden_vectors(path, program, inputs), strict=True):
        assert vector.inputs is given
        np.testing.assert_array_equal(vector.outputs[0], oracle.run(*given)[0])


def test_a_model_on_which_tflm_aborts_is_a_sentence(tmp_path: Path) -> None:
    # A depthwise convolution whose bias is named and absent ends TFLM's process.
    builder = TfliteBuilder()
    source = builder.tensor((1, 4, 4, 4), scale=0.1)
    weights = builder.tensor((1, 1, 1, 4), scale=0.1, values=np.ones((1, 1, 1, 4)), axis=3)
    result = builder.tensor((1, 4, 4, 4), scale=0.1)
    options = schema.DepthwiseConv2DOptionsT(strideH=1, strideW=1, depthMultiplier=1)
    builder.operator("DEPTHWISE_CONV_2D", [source, weights, -1], [result], options, version=3)
    path = builder.save(tmp_path / "m.tflite", [source], [result])
    program = import_tflite(path)
    with pytest.raises(ModelError, match=r"does not run in TFLM.*--golden 0"):
        golden_vectors(path, program, random_inputs(program, 1))
    assert golden_vectors(path, program, []) == []
