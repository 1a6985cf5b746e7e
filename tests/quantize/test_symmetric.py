"""`quantize --symmetric`: zero points 0, as TensorRT demands, and otherwise what int8 is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.quantize.networks import CONVAP, FIT, GEM, images, random_network, tensor
from tests.quantize.test_calibrate import histogram, squared_error
from vpr_edge.models.checkpoint import find_checkpoint
from vpr_edge.models.zoo import NetworkConfig, build_graph
from vpr_edge.quantize.calibrate import best_affine, calibrate
from vpr_edge.quantize.fake import FakeQuantNetwork, to_int8_model
from vpr_edge.quantize.integer import IntegerNetwork
from vpr_edge.quantize.model import Int8Model
from vpr_edge.quantize.post_training import post_training
from vpr_edge.workflows.quantize import qat_recipe


def symmetric(config: NetworkConfig) -> FakeQuantNetwork:
    network = FakeQuantNetwork(random_network(build_graph(config)), symmetric=True)
    return calibrate(network, [tensor(images(8, seed=1))])


@pytest.mark.parametrize("config", [CONVAP, GEM], ids=["convap", "gem"])
def test_every_zero_point_but_the_image_s_is_0(config: NetworkConfig) -> None:
    model = to_int8_model(symmetric(config), config, FIT, {})
    image = model.graph.input.name
    assert model.activations[image].zero_point == -128
    assert {a.zero_point for name, a in model.activations.items() if name != image} == {0}


def test_it_computes_what_the_integer_pass_computes() -> None:
    fake = symmetric(CONVAP)
    fake.integer_exact = True
    pictures = images(2, seed=3)
    model = to_int8_model(fake, CONVAP, FIT, {})
    stored = IntegerNetwork(Int8Model.from_checkpoint(model.to_checkpoint())).run(pictures)
    found = fake(tensor(pictures))
    for name, values in stored.items():
        real = values.astype(np.float32) * model.activations[name].scale
        np.testing.assert_array_equal(found[name].detach().permute(0, 2, 3, 1).numpy(), real)


@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_the_symmetric_clip_has_almost_the_least_error_of_all(low: float) -> None:
    rng = np.random.default_rng(0)
    values = np.append(np.maximum(rng.normal(size=100_000), low), 45.0)
    affine = best_affine(*histogram(values), symmetric=True)
    assert affine.zero_point == 0
    steps = np.linspace(0.2, 1, 41) * 45 / 127
    errors = [squared_error(values, float(step), 0) for step in steps]
    found = squared_error(values, float(affine.scale), 0)
    # It is chosen on a histogram, where rounding is taken to be uniform within a step.
    assert found < 1.2 * min(errors) < max(errors)


def test_a_dead_map_is_symmetric_too() -> None:
    assert best_affine(np.zeros(8), 0.0, 0.0, symmetric=True).zero_point == 0


def test_calibration_and_recipe_take_the_setting() -> None:
    model = post_training(find_checkpoint("nano"), list(images(4)), {}, symmetric=True)
    zero_points = {name: a.zero_point for name, a in model.activations.items()}
    assert zero_points.pop(model.graph.input.name) == -128 and not any(zero_points.values())
    assert qat_recipe("nano", None, ("symmetric=true",)).symmetric
    assert not qat_recipe("nano", None, ()).symmetric


def test_the_exact_pass_of_a_network_with_softmax_agrees_with_the_rounded_one() -> None:
    fake = symmetric(replace(CONVAP, detector="corners"))
    pictures = tensor(images(2, seed=3))
    with torch.no_grad():
        rounded = fake(pictures)
        fake.integer_exact = True
        exact = fake(pictures)
    for name, values in rounded.items():
        assert float((exact[name] - values).norm() / values.norm()) < 0.2, name
