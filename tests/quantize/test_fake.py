"""The fake-quantised network: its grid, its gradients, and what is stored of it."""

import math

import numpy as np
import pytest
import torch

from tests.quantize.networks import (
    CONVAP,
    FIT,
    GEM,
    fake_quantized,
    images,
    moving_graph,
    odd_graph,
    random_network,
    tensor,
)
from vpr_edge.arithmetic.affine import Affine
from vpr_edge.models.graph import Graph, GraphBuilder
from vpr_edge.models.zoo import build_graph
from vpr_edge.quantize.fake import (
    ActivationQuantizer,
    FakeQuantConvolution,
    FakeQuantNetwork,
    to_int8_model,
)
from vpr_edge.quantize.integer import IntegerNetwork
from vpr_edge.quantize.passes import RoundedNetwork
from vpr_edge.quantize.straight_through import round_clamp

GRAPHS = {"convap": build_graph(CONVAP), "gem": build_graph(GEM), "odd": odd_graph()}


@pytest.fixture(scope="module")
def trained() -> FakeQuantNetwork:
    """A network a few optimiser steps after calibration."""
    network = fake_quantized(GRAPHS["convap"])
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    pictures = tensor(images(4, seed=3))
    for _ in range(3):
        optimizer.zero_grad()
        torch.stack([v.square().mean() for v in network(pictures).values()]).sum().backward()
        optimizer.step()
    return network


@pytest.mark.parametrize("name", GRAPHS)
def test_without_rounding_it_is_the_float_network(name: str) -> None:
    network = random_network(GRAPHS[name])
    pictures = tensor(images(2))
    with torch.no_grad():
        expected, folded = network(pictures), FakeQuantNetwork(network).real(pictures)
    for output, values in expected.items():
        torch.testing.assert_close(folded[output], values, atol=1e-4, rtol=1e-4)


@pytest.mark.exact
def test_stored_numbers_compute_what_was_trained(trained: FakeQuantNetwork) -> None:
    model = to_int8_model(trained, CONVAP, FIT, {})
    pictures = images(3, seed=4)
    with torch.no_grad():
        values = trained(tensor(pictures))
    stored = RoundedNetwork(model).run(pictures)
    for name, integers in stored.items():
        affine = model.activations[name]
        real = np.moveaxis(values[name].numpy(), 1, -1)
        np.testing.assert_array_equal(np.rint(real / affine.scale) + affine.zero_point, integers)


@pytest.mark.exact
def test_integer_exact_mode_computes_the_integer_pass(trained: FakeQuantNetwork) -> None:
    model = to_int8_model(trained, CONVAP, FIT, {})
    pictures = images(3, seed=4)
    trained.integer_exact = True
    with torch.no_grad():
        values = trained(tensor(pictures))
    trained.integer_exact = False
    for name, integers in IntegerNetwork(model).run(pictures).items():
        affine = model.activations[name]
        real = np.moveaxis(values[name].numpy(), 1, -1)
        np.testing.assert_array_equal(np.rint(real / affine.scale) + affine.zero_point, integers)


def test_integer_exact_mode_holds_for_what_strangers_bring() -> None:
    fake = fake_quantized(moving_graph())
    model, pictures = to_int8_model(fake, None, FIT, {}), images(2, seed=5)
    names = tuple(node.name for node in fake.graph.nodes)
    fake.integer_exact = True
    with torch.no_grad():
        values = fake(tensor(pictures), names)
    for name, integers in IntegerNetwork(model).run(pictures, names).items():
        affine = model.activations[name]
        real = np.moveaxis(values[name].numpy(), 1, -1)
        np.testing.assert_array_equal(np.rint(real / affine.scale) + affine.zero_point, integers)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", GRAPHS)
def test_every_parameter_learns_in_both_passes(name: str, exact: bool) -> None:
    network = fake_quantized(GRAPHS[name])
    network.integer_exact = exact
    outputs = network(tensor(images(4, seed=3)))
    torch.stack([v.square().mean() for v in outputs.values()]).sum().backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.abs().max() > 0, parameter_name


def one_layer(activation: str) -> Graph:
    g = GraphBuilder(8, 8)
    y = g.conv("y", g.image, 4, kernel=3, activation=activation, batch_norm=False)
    return g.finish((y.name,))


@pytest.mark.parametrize("activation", ["none", "relu"])
@pytest.mark.parametrize("exact", [False, True])
def test_scale_gradient_is_that_of_learned_step_sizes(activation: str, exact: bool) -> None:
    graph = one_layer(activation)
    network = fake_quantized(graph)
    network.integer_exact = exact
    quantizer = network.quantizer("y")
    with torch.no_grad():
        quantizer.log_factor -= 0.7  # so that some values are clipped
    pictures = tensor(images(1))[:, :, :8, :8]
    upstream = torch.randn(1, 4, 8, 8)
    network(pictures)["y"].backward(upstream)
    # Esser et al., arXiv 1902.08153, equations 3 and 6, on the unrounded result.
    scale = float(quantizer.affine().scale)
    low, high = -128 - int(quantizer.zero_point), 127 - int(quantizer.zero_point)
    weights = network.layer("y").quantized(torch.tensor(np.float32(1 / 255)))
    w = weights.weight * weights.weight_scale[:, None, None, None]
    b = weights.bias * weights.weight_scale / 255
    v = torch.nn.functional.conv2d(pictures, w, b, padding=1).detach() / scale
    low = 0 if activation == "relu" else low
    inside = (v > low) & (v < high)
    slope = torch.where(inside, v.round() - v, v.clamp(low, high))
    factor = 1 / math.sqrt(4 * 8 * 8 * 255)
    expected = float((upstream * slope).sum()) * factor * scale
    assert (~inside).any()
    assert quantizer.log_factor.grad is not None
    assert float(quantizer.log_factor.grad) == pytest.approx(expected, rel=0.02, abs=1e-5)


def random_scales(count: int) -> np.ndarray:
    """float32 of every mantissa, over twenty octaves."""
    rng = np.random.default_rng(11)
    mantissas = rng.integers(1 << 23, 1 << 24, count).astype(np.float32)
    return np.ldexp(mantissas, rng.integers(-40, -20, count)).astype(np.float32)


@pytest.mark.exact
def test_a_given_scale_is_kept_to_the_last_bit() -> None:
    quantizer = ActivationQuantizer(100, False)
    for scale in random_scales(2000):
        quantizer.set(Affine(scale, 3))
        assert quantizer.affine() == Affine(scale, 3)


@pytest.mark.exact
def test_a_given_scale_of_weights_is_kept_to_the_last_bit_and_follows_them() -> None:
    scales = random_scales(2000)
    # Most live weights ask for the scale they were stored with; these ask for the next float.
    assert (scales * np.float32(127) / np.float32(127) != scales).any()
    rows = torch.from_numpy(scales)
    # The widest is -127, but for a channel that leaves a quarter of the range unused.
    integers = torch.tensor([-127.0, 64.0, 1.0]).repeat(len(scales), 1)
    integers[0, 0] = -95.0
    weight = (integers * rows[:, None])[:, :, None, None]
    layer, input_scale = FakeQuantConvolution(weight, 1000 * rows / 255), torch.tensor(1 / 255)
    layer.keep(rows, input_scale)
    found = layer.quantized(input_scale)
    assert torch.equal(found.weight_scale, rows)
    assert torch.equal(found.weight[:, :, 0, 0], integers)
    with torch.no_grad():
        layer.weight.mul_(2)
        layer.bias.mul_(2)
    found = layer.quantized(input_scale)
    assert torch.equal(found.weight_scale, 2 * rows)
    assert torch.equal(found.weight[:, :, 0, 0], integers)


def test_rounding_passes_gradients_inside_the_range_only() -> None:
    x = torch.tensor([-3.0, -0.4, 0.6, 1.5, 2.5, 9.0], requires_grad=True)
    y = round_clamp(x, 0, 5)
    y.backward(torch.ones(6))
    assert y.tolist() == [0, 0, 1, 2, 2, 5]
    assert x.grad is not None and x.grad.tolist() == [0, 0, 1, 1, 1, 0]


def test_weights_are_symmetric_and_biases_int32(trained: FakeQuantNetwork) -> None:
    model = to_int8_model(trained, CONVAP, FIT, {})
    for node in model.graph.convolutions():
        layer, live = model.layers[node.name], trained.layer(node.name)
        weight, bias = live.weight.detach().numpy(), live.bias.detach().numpy()
        assert layer.weight.dtype == np.int8 and layer.weight.min() >= -127
        largest = np.abs(weight).max(axis=(1, 2, 3)) / np.float32(127)
        np.testing.assert_array_equal(layer.weight_scale, largest)
        step = layer.weight_scale[:, None, None, None]
        assert np.abs(layer.weight * step - weight).max() <= layer.weight_scale.max() * 0.5001
        assert (np.abs(layer.bias * model.bias_scale(node) - bias) <= 0.51 * largest).all()


def test_a_bias_that_dwarfs_its_weights_still_fits() -> None:
    network = fake_quantized(one_layer("none"))
    with torch.no_grad():
        network.layer("y").weight[0] = 1e-9
        network.layer("y").bias[0] = 0.5
    model = to_int8_model(network, CONVAP, FIT, {})
    layer = model.layers["y"]
    real = layer.bias[0] * np.float32(1 / 255) * layer.weight_scale[0]
    assert real == pytest.approx(0.5, rel=1e-5)


def test_rectified_groups_spend_no_integers_below_zero() -> None:
    model = to_int8_model(fake_quantized(GRAPHS["convap"]), CONVAP, FIT, {})
    assert model.activations["stem"].zero_point == -128
    shared = [model.activations[name] for name in ("context", "context_up", "detail", "features")]
    assert all(affine == shared[0] for affine in shared) and shared[0].zero_point == -128
    assert model.activations["score"].zero_point > -128


def test_a_relu_that_shares_with_a_signed_map_keeps_its_zero_point() -> None:
    network = fake_quantized(GRAPHS["odd"])
    affines = network.affines()
    assert affines["rectified"] == affines["signed"] and affines["rectified"].zero_point > -128
    with torch.no_grad():
        values = network(tensor(images(1)), ("signed", "rectified"))
    assert values["rectified"].min() == 0 > values["signed"].min()
