"""The inlier-outlier loss: descriptors learn what makes a match trustworthy (KP2D's IO-Net)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from vpr_edge.training.losses.keypoints import Matches

POINTS = 300
RIGHT_WITHIN = 0.25
"""Cells between a mapped point and its match up to which the match is right."""


class InlierNet(nn.Module):
    """Judges matches by their coordinates and descriptor distance; used in training only.

    Pointwise layers in residual blocks with instance normalisation over the matches of a picture,
    so that each match is judged against all others (arXiv 1711.05971, as KP2D uses it).

    Args:
        width: channels.
        blocks: residual blocks.
    """

    def __init__(self, width: int = 32, blocks: int = 4) -> None:
        super().__init__()
        self.enter = nn.Conv1d(5, width, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width, width, 1), nn.InstanceNorm1d(width), nn.ReLU(),
                nn.Conv1d(width, width, 1), nn.InstanceNorm1d(width), nn.ReLU(),
            )
            for _ in range(blocks)
        )  # fmt: skip
        self.judge = nn.Conv1d(width, 1, 1)

    def forward(self, matches: Tensor) -> Tensor:
        """Matches [N, 5, K] (x, y, x', y', distance) to judgements [N, K]; outliers positive."""
        x = self.enter(matches)
        for block in self.blocks:
            x = x + block(x)
        return self.judge(x)[:, 0]


def inliers(m: Matches, found: Tensor, other: Tensor, score: Tensor, net: InlierNet) -> Tensor:
    """KP2D's inlier-outlier loss (arXiv 1912.10615).

    Each of the best-scored points of view a is matched to the point of view b with the nearest
    descriptor; the net shall say -1 for right matches and +1 for wrong ones, and through the
    distance that it is given the descriptors learn to tell them apart.

    Args:
        m: the matches by geometry.
        found: unit descriptors of a at its points, [N, K, C].
        other: unit descriptors of b at its points, [N, K, C].
        score: score logits of a, [N, K].
        net: learned along.
    """
    chosen = score.masked_fill(~m.inside, -torch.inf).topk(min(POINTS, score.shape[1]), 1).indices

    def pick(values: Tensor) -> Tensor:
        return values.gather(1, chosen[..., None].expand(-1, -1, values.shape[2]))

    distance, guess = torch.cdist(pick(found), other).min(2)
    matched = m.there.gather(1, guess[..., None].expand(-1, -1, 2))
    with torch.no_grad():
        gap = (pick(m.mapped) - matched).norm(dim=2)
        truth = torch.where(gap > RIGHT_WITHIN * m.cell, 1.0, -1.0)
        counted = m.inside.gather(1, chosen)
        size = m.there.new_tensor([m.size[1], m.size[0]])
        places = torch.cat([pick(m.here) / size, matched / size], 2) * 2 - 1
    judged = net(torch.cat([places, distance[..., None]], 2).transpose(1, 2))
    error = functional.mse_loss(judged, truth, reduction="none") / 2
    return (error * counted).sum() / counted.sum().clamp(min=1)
