"""Losses of place descriptors: what shows one place attracts, what shows others repels.

InfoNCE takes pairs. The others take unit vectors [N, D] with two masks [N, N]: `positive[i, j]`
says that i and j show one place, `negative[i, j]` that they do not; what is neither is left out.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from vpr_edge.models.config import NetworkConfig
from vpr_edge.models.heads import part_gain


def place_vectors(place: Tensor, config: NetworkConfig) -> Tensor:
    """Place output [N, C, h, w] of a network to unit vectors [N, C h w]."""
    gain = part_gain(config, place[0].numel())
    if gain is not None:
        place = place * place.new_tensor(gain)[:, None, None]
    if config.head == "gem":
        # The output is the mean of cubes; its root is taken after dequantisation.
        place = place.clamp(min=1e-6) ** (1 / 3)
    return functional.normalize(place.flatten(1), dim=1)


def place_parts(place: Tensor, cells: tuple[int, int, int], overview: int) -> tuple[Tensor, Tensor]:
    """The parts of a pyramid's output [N, L, 1, 1].

    Args:
        place: the output.
        cells: channels, rows and columns of the grid.
        overview: values of the whole picture's vector.

    Returns:
        The grid [N, channels, rows, columns], each cell of length 1, and the overview
        [N, K, 1, 1], of length 1.
    """
    channels, rows, columns = cells
    length = channels * rows * columns
    grid = place[:, :length].reshape(len(place), rows, columns, channels)
    return grid.permute(0, 3, 1, 2), place[:, len(place[0]) - overview :]


@dataclass(frozen=True)
class Relations:
    """Which vectors of a batch show one place and which do not, bool [N, N] each."""

    positive: Tensor
    negative: Tensor


def pair_relations(ignore: Tensor) -> Relations:
    """The relations of P pairs whose first pictures come first, then the second ones.

    Args:
        ignore: bool [P, P]; pairs of places too close to be told apart (the diagonal is not used).

    Returns:
        Masks [2P, 2P].
    """
    own = torch.eye(len(ignore), dtype=torch.bool, device=ignore.device)
    nothing = torch.zeros_like(own)
    positive = torch.cat([torch.cat([nothing, own], 1), torch.cat([own, nothing], 1)])
    return Relations(positive, ~(ignore | ignore.T | own).repeat(2, 2))


def contrastive(a: Tensor, b: Tensor, ignore: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE (arXiv 1807.03748) over pairs of unit vectors.

    Args:
        a, b: [P, D]; row i of both shows one place.
        ignore: bool [P, P]; pairs of places too close to be told apart (the diagonal is not used).
        temperature: divisor of the cosines.
    """
    target = torch.arange(len(a), device=a.device)
    off_diagonal = ignore & ~torch.eye(len(a), dtype=torch.bool, device=a.device)
    blocked = torch.zeros_like(off_diagonal, dtype=a.dtype).masked_fill(off_diagonal, -torch.inf)
    across = a @ b.T / temperature
    # The other anchors are negatives too: more of them at no cost.
    within = blocked + torch.diag(torch.full_like(a[:, 0], -torch.inf))
    forward = torch.cat([across + blocked, a @ a.T / temperature + within], 1)
    backward = torch.cat([across.T + blocked.T, b @ b.T / temperature + within.T], 1)
    return (
        functional.cross_entropy(forward, target) + functional.cross_entropy(backward, target)
    ) / 2


def hardest_triplet(vectors: Tensor, relations: Relations, margin: float) -> Tensor:
    """Triplet loss with each anchor's farthest positive and nearest negative (arXiv 1703.07737).

    Args:
        vectors: unit vectors [N, D].
        relations: anchors without a positive or a negative are left out.
        margin: of Euclidean distances.

    Returns:
        The mean over anchors of max(0, margin + d(positive) - d(negative)).
    """
    gaps = torch.cdist(vectors, vectors)
    farthest = gaps.masked_fill(~relations.positive, -torch.inf).amax(1)
    nearest = gaps.masked_fill(~relations.negative, torch.inf).amin(1)
    judged = torch.isfinite(farthest) & torch.isfinite(nearest)
    found = functional.relu(margin + farthest[judged] - nearest[judged])
    return found.sum() / judged.sum().clamp(min=1)


def all_pairs_hinge(vectors: Tensor, relations: Relations, margin: float) -> Tensor:
    """Hinge over every positive and every negative of every anchor, on cosines.

    As Kuse and Shen (arXiv 1904.06962) train NetVLAD for loop detection: a negative's cosine shall
    stay below each positive's by the margin.

    Args:
        vectors: unit vectors [N, D].
        relations: which are positives and negatives.
        margin: of cosines.

    Returns:
        The mean over (anchor, positive, negative) of max(0, margin + s(negative) - s(positive)).
    """
    cosines = vectors @ vectors.T
    anchor, positive = relations.positive.nonzero(as_tuple=True)
    lacking = margin + cosines[anchor] - cosines[anchor, positive][:, None]
    counted = relations.negative[anchor]
    return (functional.relu(lacking) * counted).sum() / counted.sum().clamp(min=1)


def multi_similarity(
    vectors: Tensor,
    relations: Relations,
    alpha: float = 2.0,
    beta: float = 50.0,
    threshold: float = 0.5,
    slack: float = 0.1,
) -> Tensor:
    """Multi-similarity loss with its pair mining (arXiv 1904.06627).

    Args:
        vectors: unit vectors [N, D].
        relations: which are positives and negatives.
        alpha, beta: sharpness on positives and on negatives.
        threshold: the cosine that parts them (lambda).
        slack: epsilon of the mining: a negative counts when it is more alike than the least alike
            positive less the slack, a positive when it is less alike than the most alike negative
            plus the slack.
    """
    cosines = vectors @ vectors.T
    least = cosines.masked_fill(~relations.positive, torch.inf).amin(1, keepdim=True)
    most = cosines.masked_fill(~relations.negative, -torch.inf).amax(1, keepdim=True)
    positive = relations.positive & (cosines - slack < most)
    negative = relations.negative & (cosines + slack > least)
    pull = _log_one_plus_sum(-alpha * (cosines - threshold), positive) / alpha
    push = _log_one_plus_sum(beta * (cosines - threshold), negative) / beta
    return (pull + push).mean()


def _log_one_plus_sum(exponents: Tensor, counted: Tensor) -> Tensor:
    """log(1 + sum of exp) over the counted entries of each row, without overflow."""
    kept = exponents.masked_fill(~counted, -torch.inf)
    return torch.cat([torch.zeros_like(kept[:, :1]), kept], 1).logsumexp(1)
