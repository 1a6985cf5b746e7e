"""Rendered and real pictures made alike: a discriminator behind a gradient reversal."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse_gradient(x: Tensor, strength: float) -> Tensor:
    """`x` itself, whose gradient is turned round (arXiv 1505.07818, section 4.2)."""
    result: Tensor = _Reverse.apply(x, strength)
    return result


class Discriminator(nn.Module):
    """Tells rendered pictures from real ones by their class probabilities; used in training only.

    Convolutions over the output space, after AdaSegNet (arXiv 1802.10349), small as the networks
    here are.

    Args:
        classes: channels that it sees.
        width: channels of its first layer.
    """

    def __init__(self, classes: int, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(classes, width, 3, stride=2, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 1),
        )  # fmt: skip

    def forward(self, probabilities: Tensor) -> Tensor:
        """[N, classes, h, w] to logits [N], positive for rendered pictures."""
        return self.layers(probabilities).mean((1, 2, 3))


def domain(
    logits: Tensor, rendered: Tensor, discriminator: Discriminator, strength: float
) -> Tensor:
    """How badly the discriminator tells the domains apart; the network learns to make it worse.

    Args:
        logits: of the segmentation, [N, K, h, w].
        rendered: bool [N].
        discriminator: learned along, at full weight.
        strength: of the reversed gradient that reaches the network.

    Returns:
        Cross-entropy with both domains at equal weight; 0 where the batch has but one.
    """
    seen = discriminator(reverse_gradient(logits.softmax(1), strength))
    entropy = functional.binary_cross_entropy_with_logits(seen, rendered.float(), reduction="none")
    both = bool(rendered.any()) and not bool(rendered.all())
    if not both:
        return entropy.sum() * 0.0
    return (entropy[rendered].mean() + entropy[~rendered].mean()) / 2
