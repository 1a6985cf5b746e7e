"""A network grown from a smaller one computes what that one computed, and can learn more."""

from dataclasses import replace

import pytest
import torch

from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint
from vpr_edge.models.network import Network
from vpr_edge.models.zoo import ZOO, build_graph
from vpr_edge.training.grow import take_over

LARGER = replace(ZOO["small"], stem=20)


@pytest.fixture
def nano() -> Network:
    return Network.from_checkpoint(load_checkpoint(find_checkpoint("nano")))


@pytest.mark.parametrize(
    "config",
    [ZOO["small"], LARGER, ZOO["nano-affine"], replace(ZOO["small"], norm="affine")],
    ids=["small", "wider-stem", "affine", "small-affine"],
)
def test_a_grown_network_computes_the_smaller_ones_outputs(nano: Network, config) -> None:
    torch.manual_seed(0)
    grown = Network(build_graph(config))
    taken = take_over(grown, nano)
    assert set(taken) == set(nano.layers)
    picture = torch.rand(2, 3, 120, 160)
    with torch.no_grad():
        wanted, found = nano(picture), grown.eval()(picture)
    for name, value in wanted.items():
        assert torch.allclose(found[name], value, atol=1e-5 * float(value.abs().max())), name


def test_an_affine_network_becomes_one_with_batch_norm(nano: Network) -> None:
    affine, back = (Network(build_graph(ZOO[name])).eval() for name in ("nano-affine", "nano"))
    take_over(affine, nano)
    take_over(back, affine)
    picture = torch.rand(1, 3, 120, 160)
    with torch.no_grad():
        assert torch.allclose(back(picture)["place"], nano(picture)["place"], atol=1e-4)


def test_what_was_added_has_gradients_from_the_first_step(nano: Network) -> None:
    torch.manual_seed(0)
    grown = Network(build_graph(ZOO["small"]))
    take_over(grown, nano)
    sum(o.square().mean() for o in grown(torch.rand(2, 3, 120, 160)).values()).backward()
    before = nano.graph["stage3_block2_project"].shape[0]
    read = grown.layers["stage3_block3_expand"].weight
    assert (read[: nano.layers["stage3_block3_expand"].weight.shape[0], before:] == 0).all()
    assert read.grad[:, before:].abs().max() > 0
    assert grown.layers["stage3_block4_project"].norm.weight.grad.abs().max() > 0


def test_a_layer_of_another_shape_is_left_as_it_was(nano: Network) -> None:
    torch.manual_seed(0)
    narrower = Network(build_graph(replace(ZOO["nano"], decoder_channels=32)))
    before = narrower.layers["detail"].weight.clone()
    taken = take_over(narrower, nano)
    assert "stem" in taken and "detail" not in taken
    assert torch.equal(narrower.layers["detail"].weight, before)
