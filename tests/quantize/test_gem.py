"""GeM in int8: evened channels, and the gain that undoes it."""

import json
from pathlib import Path

import numpy as np
import onnx
import torch

from tests.quantize.networks import FIT, GEM, exported, images, random_network, tensor
from vpr_edge.models.checkpoint import load_checkpoint, save_checkpoint
from vpr_edge.models.network import Network
from vpr_edge.models.zoo import build_graph
from vpr_edge.places.describe import place_vector
from vpr_edge.quantize.calibrate import calibrate
from vpr_edge.quantize.fake import FakeQuantNetwork, to_int8_model
from vpr_edge.quantize.integer import IntegerNetwork
from vpr_edge.quantize.model import Int8Model
from vpr_edge.quantize.sensitivity import layer_errors


def uneven_network() -> Network:
    """A GeM network whose channels differ by a factor of up to 50."""
    network = random_network(build_graph(GEM), seed=2)
    with torch.no_grad():
        parameters = dict(network.named_parameters())
        for name in ("weight", "bias"):
            parameter = parameters[f"layers.place_project.{name}"]
            parameter.mul_(torch.logspace(-1.7, 0, 32).reshape(-1, *[1] * (parameter.ndim - 1)))
    return network


def int8(network: Network) -> Int8Model:
    fake = calibrate(FakeQuantNetwork(network), [tensor(images(8, seed=1))])
    return to_int8_model(fake, GEM, FIT, {})


def test_int8_vector_of_uneven_channels_is_the_float_networks(tmp_path: Path) -> None:
    network = uneven_network()
    saved = save_checkpoint(tmp_path / "gem.safetensors", int8(network).to_checkpoint())
    model = Int8Model.from_checkpoint(load_checkpoint(saved))
    papers = onnx.load(exported(model, tmp_path)[0]).metadata_props
    transform = json.loads(papers[0].value)["outputs"]["place"]["transform"]
    assert transform["root"] == 3 and min(transform["gain"]) < 0.1
    pictures = images(4, seed=2)
    with torch.no_grad():
        real = network(tensor(pictures))["place"].permute(0, 2, 3, 1).numpy()
    affine = model.activations["place"]
    stored = IntegerNetwork(model).run(pictures)["place"].astype(np.float32)
    for index in range(4):
        a = place_vector(real[index], {"root": 3, "gain": None})
        b = place_vector((stored[index] - affine.zero_point) * affine.scale, transform)
        assert a @ b > 0.99


def test_fake_quantised_outputs_are_in_the_float_networks_units() -> None:
    network = uneven_network()
    fake = calibrate(FakeQuantNetwork(network), [tensor(images(8, seed=1))])
    names = ("place_project", "place_square", "place_cube", "place")
    with torch.no_grad():
        expected, found = (n(tensor(images(4, seed=2)), names) for n in (network, fake))
    for name in names:
        a, b = (values[name].flatten() for values in (expected, found))
        assert torch.nn.functional.cosine_similarity(a, b, dim=0) > 0.9, name
        assert 0.5 < float(b.norm() / a.norm()) < 1.5, name


def test_layer_errors_compare_in_the_float_networks_units() -> None:
    network = uneven_network()
    rows = {row.node: row for row in layer_errors(network, int8(network), images(4, seed=2))}
    assert all(rows[name].snr_db > 4 for name in ("place_project", "place_square", "place"))
