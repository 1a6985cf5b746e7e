"""Losses that hold a network's outputs at another's: a teacher's, or its own float form's."""

import torch
from torch import Tensor
from torch.nn import functional


def distillation(predicted: Tensor, target: Tensor) -> Tensor:
    """One minus the mean cosine of whole maps [N, C, h, w], and of their cells."""
    whole = functional.cosine_similarity(predicted.flatten(1), target.flatten(1), dim=1)
    cells = functional.cosine_similarity(predicted, target, dim=1)
    return 2 - whole.mean() - cells.mean()


def imitation(outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
    """Mean over the outputs of the squared error, relative to the target's variance."""
    errors = [
        functional.mse_loss(outputs[name], target) / target.var().clamp(min=1e-6)
        for name, target in targets.items()
    ]
    return torch.stack(errors).mean()


def relation(vectors: Tensor, targets: Tensor) -> Tensor:
    """Squared difference of the cosines between all pairs of a batch (arXiv 1904.05068).

    Retrieval compares places with places: what the teacher finds alike, the student shall.

    Args:
        vectors: unit vectors [..., N, D] of the student.
        targets: [..., N, E] of the teacher, any length.

    Returns:
        The mean over pairs, in hundredths, so that it is about as large as the other losses.
    """
    known = functional.normalize(targets, dim=-1)
    return 100 * functional.mse_loss(
        vectors @ vectors.transpose(-1, -2), known @ known.transpose(-1, -2)
    )
