"""The integer-exact pass, against TFLM."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.quantize.networks import (
    CONVAP,
    HEIGHT,
    MODELS,
    WIDTH,
    exported,
    images,
    int8_model,
    tflm_tensors,
)
from vpr_edge.models.checkpoint import load_checkpoint, shipped_checkpoints
from vpr_edge.quantize.integer import FLOAT32_EXACT, IntegerNetwork, convolve
from vpr_edge.quantize.model import Int8Model
from vpr_edge.runtimes.integers import run_tflm


@pytest.mark.exact
@pytest.mark.parametrize("name", MODELS)
def test_integer_pass_equals_tflm_at_every_tensor(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    pictures = images(3, seed=2)
    _, tflite_path = exported(model, tmp_path)
    names = tuple(node.name for node in model.graph.nodes)
    ours = IntegerNetwork(model).run(pictures, names)
    for index, theirs in enumerate(tflm_tensors(tflite_path, pictures)):
        for node in names:
            assert len(np.unique(ours[node])) > 3, f"{node} is too plain to notice an error"
            np.testing.assert_array_equal(ours[node][index], theirs[node][0], err_msg=node)


def test_shipped_int8_checkpoint_equals_tflm_on_the_town(
    frames: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    model = Int8Model.from_checkpoint(load_checkpoint(shipped_checkpoints()["nano-int8"]))
    pictures = np.stack([model.preprocessing.fit(frame) for frame in frames])
    _, tflite_path = exported(model, tmp_path)
    ours, theirs = IntegerNetwork(model).run(pictures), run_tflm(tflite_path, pictures)
    assert len(pictures) == 48 and set(ours) == set(theirs) == set(model.graph.outputs)
    for name, values in ours.items():
        np.testing.assert_array_equal(values, theirs[name], err_msg=name)


def test_single_rounding_is_another_arithmetic() -> None:
    model = int8_model(CONVAP)
    pictures = images(2)
    double = IntegerNetwork(model).run(pictures, ("stem",))["stem"].astype(int)
    single = IntegerNetwork(model, "single").run(pictures, ("stem",))["stem"].astype(int)
    different = np.abs(double - single)
    assert 0 < (different > 0).mean() < 0.02 and different.max() == 1


@pytest.mark.exact
def test_sums_beyond_float32_are_still_exact() -> None:
    graph = int8_model(CONVAP).graph
    node = graph["stem"]
    weight = torch.full(graph.weight_shape(node), 127.0)
    bias = torch.full((node.shape[0],), FLOAT32_EXACT + 1.0, dtype=torch.float64)
    pixels = torch.full((1, 3, HEIGHT, WIDTH), 255.0)
    total = convolve(node, pixels, weight, bias)
    assert total[0, 0, 1, 1] == 27 * 127 * 255 + FLOAT32_EXACT + 1
