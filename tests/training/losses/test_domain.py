"""Gradient reversal, and what the discriminator is asked."""

import torch

from vpr_edge.training.losses.domain import Discriminator, domain, reverse_gradient


def test_reversal_keeps_values_and_turns_the_gradient() -> None:
    x = torch.randn(3, 4, requires_grad=True)
    turned = reverse_gradient(x, 0.25)
    assert torch.equal(turned, x)
    weight = torch.randn(3, 4)
    (turned * weight).sum().backward()
    assert torch.equal(x.grad, -0.25 * weight)


def test_both_domains_weigh_the_same_however_many_there_are() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(5)
    one, other = torch.randn(2, 1, 5, 12, 16)
    few = domain(torch.cat([one, other]), torch.tensor([True, False]), discriminator, 1.0)
    many = domain(
        torch.cat([one, other, other, other]),
        torch.tensor([True] + 3 * [False]),
        discriminator,
        1.0,
    )
    assert torch.allclose(few, many)
    alone = domain(one, torch.tensor([True]), discriminator, 1.0)
    assert alone.item() == 0.0


def test_a_network_against_the_discriminator_makes_two_domains_alike() -> None:
    """Two domains that differ by a constant, and a bias that can take it back."""
    torch.manual_seed(0)
    rendered = torch.arange(16) < 8
    pictures = torch.randn(16, 5, 12, 16)
    pictures[rendered, 0] += 3.0
    gap = torch.zeros(5, requires_grad=True)
    discriminator = Discriminator(5, 8)
    groups = [{"params": [gap], "lr": 0.05}, {"params": discriminator.parameters(), "lr": 0.01}]
    optimizer = torch.optim.Adam(groups, betas=(0.5, 0.9))
    for _ in range(100):
        moved = pictures + rendered.float()[:, None, None, None] * gap[:, None, None]
        optimizer.zero_grad()
        domain(moved, rendered, discriminator, 1.0).backward()
        optimizer.step()
    # What is left of the difference: softmax does not see a constant on all classes.
    left = torch.tensor([3.0, 0, 0, 0, 0]) + gap.detach()
    assert float((left - left.mean()).norm()) < 0.5 * 3 * (4 / 5) ** 0.5
