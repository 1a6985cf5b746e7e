"""The losses of the three tasks."""

import torch
from torch import Tensor
from torch.nn import functional

from vpr_edge.training.augment import apply_homography

CELL = 8


def place_vectors(place: Tensor) -> Tensor:
    """Place output [N, C, h, w] to unit vectors [N, C h w]."""
    return functional.normalize(place.flatten(1), dim=1)


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


def distillation(predicted: Tensor, target: Tensor) -> Tensor:
    """One minus the mean cosine of whole maps [N, C, h, w], and of their cells."""
    whole = functional.cosine_similarity(predicted.flatten(1), target.flatten(1), dim=1)
    cells = functional.cosine_similarity(predicted, target, dim=1)
    return 2 - whole.mean() - cells.mean()


def segmentation(logits: Tensor, labels: Tensor, class_weights: Tensor) -> Tensor:
    """Weighted cross-entropy; logits [N, K, h, w] are enlarged to half the labels' size.

    Args:
        logits: at a quarter of the input.
        labels: int64 [N, H, W]; 11 is ignored.
        class_weights: [K].
    """
    labels = labels[:, ::2, ::2]
    logits = functional.interpolate(
        logits, size=labels.shape[1:], mode="bilinear", align_corners=False
    )
    return functional.cross_entropy(logits, labels, class_weights, ignore_index=11)


def keypoint_positions(location: Tensor) -> Tensor:
    """Location logits [N, 2, h, w] to pixel positions [N, h w, 2] (pixel centres are integers)."""
    h, w = location.shape[2:]
    rows = torch.arange(h, device=location.device).view(h, 1).expand(h, w)
    columns = torch.arange(w, device=location.device).view(1, w).expand(h, w)
    centres = (torch.stack([columns, rows]).float() + 0.5) * CELL - 0.5
    return (centres + torch.tanh(location) * CELL).flatten(2).transpose(1, 2)


def sample(maps: Tensor, positions: Tensor) -> Tensor:
    """Bilinear samples of maps [N, C, h, w] at pixel positions [N, K, 2] -> [N, K, C]."""
    size = maps.new_tensor([maps.shape[3], maps.shape[2]])
    grid = (positions + 0.5) / CELL * 2 / size - 1
    found = functional.grid_sample(maps, grid[:, None], align_corners=False, padding_mode="border")
    return found[:, :, 0].transpose(1, 2)


def keypoints(a: dict[str, Tensor], b: dict[str, Tensor], a_to_b: Tensor) -> dict[str, Tensor]:
    """Self-supervised keypoint losses over two views of the same scenes.

    Positions attract their nearest neighbour in the other view (UnsuperPoint, arXiv 1907.04011);
    descriptors are told apart by InfoNCE over all cells; the score learns whether a keypoint was
    found again, within 1.5 px and by its descriptor (after SiLK, arXiv 2304.06194).

    Args:
        a, b: outputs "score", "location", "descriptor" of the two views.
        a_to_b: homographies of pixel positions, [N, 3, 3].

    Returns:
        The parts "location", "descriptor" and "score".
    """
    here, there = keypoint_positions(a["location"]), keypoint_positions(b["location"])
    height, width = (size * CELL for size in a["score"].shape[2:])
    mapped = apply_homography(a_to_b, here)
    inside = (mapped > 4).all(-1) & (mapped < mapped.new_tensor([width - 5, height - 5])).all(-1)
    gaps = torch.cdist(mapped, there)
    nearest, index = gaps.min(2)
    matched = inside & (nearest < CELL / 2)
    location = (nearest * matched).sum() / matched.sum().clamp(min=1)

    found = functional.normalize(sample(a["descriptor"], here.detach()), dim=2)
    sought = functional.normalize(sample(b["descriptor"], mapped.detach()), dim=2)
    similarity = found @ sought.transpose(1, 2) / 0.05
    # Cells whose points are closer than a cell are the same thing, not negatives.
    near = torch.cdist(mapped.detach(), mapped.detach()) < CELL
    near &= ~torch.eye(near.shape[1], dtype=torch.bool, device=near.device)
    similarity = similarity.masked_fill(near | ~inside[:, None, :], -30.0)
    target = torch.arange(similarity.shape[1], device=similarity.device).expand(len(similarity), -1)
    entropy = functional.cross_entropy(
        similarity.transpose(1, 2), target, reduction="none"
    ) + functional.cross_entropy(similarity, target, reduction="none")
    descriptor = (entropy * inside).sum() / inside.sum().clamp(min=1) / 2

    with torch.no_grad():
        other = functional.normalize(b["descriptor"].flatten(2).transpose(1, 2), dim=2)
        guess = (found @ other.transpose(1, 2)).argmax(2)
        gap = (mapped - there.gather(1, guess[..., None].expand(-1, -1, 2))).norm(dim=2)
        again = (gap < 1.5).float()
    logit = a["score"].flatten(1)
    partner = b["score"].flatten(1).gather(1, index)
    right = functional.binary_cross_entropy_with_logits(logit, again, reduction="none")
    same = (torch.sigmoid(logit) - torch.sigmoid(partner)) ** 2
    score = (right * inside).sum() / inside.sum().clamp(min=1)
    score = score + (same * matched).sum() / matched.sum().clamp(min=1)
    return {"location": location / CELL, "descriptor": descriptor, "score": score}
