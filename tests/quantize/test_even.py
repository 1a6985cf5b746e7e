"""Even channels: the same network, of which int8 loses less."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from tests.quantize.networks import CONVAP, HEIGHT, WIDTH
from vpr_edge.models.network import Network
from vpr_edge.models.zoo import build_graph
from vpr_edge.quantize.even import even_channels

pytestmark = pytest.mark.exact


@pytest.fixture(scope="module")
def uneven() -> Network:
    """Statistics as after training, and channels that differ by up to a hundred."""
    torch.manual_seed(0)
    network = Network(build_graph(CONVAP))
    with torch.no_grad():
        network.train()(torch.rand(8, 3, HEIGHT, WIDTH))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.copy_(10 ** (torch.rand_like(module.weight) * 2 - 1))
                # Some channels hardly rise above zero.
                module.bias.copy_(module.weight * torch.randn_like(module.bias))
    return network.eval()


def ranges(network: Network, images: torch.Tensor, node: str) -> np.ndarray:
    with torch.no_grad():
        found = network(images, (node,))[node]
    return found.amax(dim=(0, 2, 3)).numpy()


def test_every_output_keeps_its_bits(uneven: Network) -> None:
    images = torch.rand(2, 3, HEIGHT, WIDTH)
    with torch.no_grad():
        before, after = uneven(images), even_channels(uneven)(images)
    for name, value in before.items():
        assert torch.equal(value, after[name]), name


@pytest.mark.parametrize("node", ["stem", "stage2_block1_expand"])
def test_faint_channels_become_strong(uneven: Network, node: str) -> None:
    images = torch.rand(8, 3, HEIGHT, WIDTH)
    before, after = (ranges(n, images, node) for n in (uneven, even_channels(uneven)))
    # In powers of two: what a channel is below the strongest, it loses in bits.
    risen = before > 0
    assert risen.sum() >= 6
    spread = [np.log2(found[risen]).std() for found in (before, after)]
    assert spread[1] < 0.75 * spread[0]


def test_factors_are_powers_of_two_of_shift_and_deviations_together(uneven: Network) -> None:
    network = deepcopy(uneven)
    norm = network.layers["stem"].norm
    # By channel the largest value is shift + 4 deviations: 16, 16, 8, 7.99, 4, 0.5, 0.25 and below.
    shift, deviation = [0, 12, 4, 3.99, -4, -1.5, 0.25, -9], [4, -1, 1, 1, 2, 0.5, 0, 1]
    with torch.no_grad():
        norm.bias.copy_(torch.tensor(shift))
        norm.weight.copy_(torch.tensor(deviation))
    even = even_channels(network).layers["stem"].norm
    # The last but one would gain 64, more than the limit; the last never rises.
    gain = [1, 1, 2, 2, 4, 32, 32, 1]
    assert even.bias.tolist() == (torch.tensor(shift) * torch.tensor(gain)).tolist()
    assert even.weight.tolist() == (torch.tensor(deviation) * torch.tensor(gain)).tolist()


def test_what_others_read_too_is_left_alone(uneven: Network) -> None:
    even = even_channels(uneven)
    # Added to another map, projected from, or an output: no depthwise convolution takes it back.
    for name in ("stage1_block1_project", "stage1_block1_depthwise", "descriptor"):
        for a, b in zip(
            uneven.layers[name].state_dict().items(),
            even.layers[name].state_dict().items(),
            strict=True,
        ):
            if name != "stage1_block1_depthwise" or a[0] != "weight":
                assert torch.equal(a[1], b[1]), a[0]
