"""The losses of the three tasks."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from vpr_edge.training.augment import apply_homography

CELL = 8
IGNORE = 11


def place_vectors(place: Tensor, head: str) -> Tensor:
    """Place output [N, C, h, w] of a head ("convap", "gem") to unit vectors [N, C h w]."""
    if head == "gem":
        # The output is the mean of cubes; its root is taken after dequantisation.
        place = place.clamp(min=1e-6) ** (1 / 3)
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
        vectors: unit vectors [N, D] of the student.
        targets: [N, E] of the teacher, any length.

    Returns:
        The mean over pairs, in hundredths, so that it is about as large as the other losses.
    """
    known = functional.normalize(targets, dim=1)
    return 100 * functional.mse_loss(vectors @ vectors.T, known @ known.T)


def segmentation(logits: Tensor, labels: Tensor, class_weights: Tensor) -> Tensor:
    """Weighted cross-entropy and soft Jaccard; logits [N, K, h, w] go to half the labels' size.

    Cross-entropy counts pixels and the figure that is reported counts classes: the Jaccard term
    is that figure, with probabilities in the place of decisions, over the classes in the batch.

    Args:
        logits: at a quarter of the input.
        labels: int64 [N, H, W]; 11 is ignored.
        class_weights: [K].
    """
    labels = labels[:, ::2, ::2]
    logits = functional.interpolate(
        logits, size=labels.shape[1:], mode="bilinear", align_corners=False
    )
    entropy = functional.cross_entropy(logits, labels, class_weights, ignore_index=IGNORE)
    return entropy + jaccard(logits.softmax(1), labels)


def jaccard(probabilities: Tensor, labels: Tensor) -> Tensor:
    """One minus the mean soft intersection over union of the classes that the labels hold.

    Args:
        probabilities: [N, K, H, W].
        labels: int64 [N, H, W]; 11 is ignored.
    """
    classes = probabilities.shape[1]
    judged = (labels != IGNORE)[:, None]
    truth = functional.one_hot(labels.clamp(max=classes), classes + 1)[..., :classes]
    truth = truth.permute(0, 3, 1, 2) * judged
    found = probabilities * judged
    both = (found * truth).sum((0, 2, 3))
    either = (found + truth - found * truth).sum((0, 2, 3))
    present = truth.sum((0, 2, 3)) > 0
    return 1 - (both / either.clamp(min=1e-6))[present].mean()


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
    found again, within 2 px and by its descriptor (after SiLK, arXiv 2304.06194).

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
        again = (gap < 2.0).float()
    logit = a["score"].flatten(1)
    partner = b["score"].flatten(1).gather(1, index)
    right = functional.binary_cross_entropy_with_logits(logit, again, reduction="none")
    same = (torch.sigmoid(logit) - torch.sigmoid(partner)) ** 2
    score = (right * inside).sum() / inside.sum().clamp(min=1)
    score = score + (same * matched).sum() / matched.sum().clamp(min=1)
    return {"location": location / CELL, "descriptor": descriptor, "score": score}


@dataclass(frozen=True)
class CornerTargets:
    """The strongest corner of every cell, in row-major order of the cells.

    Attributes:
        positions: float32 [N, H/8 W/8, 2], pixels.
        inside: int64 [N, H/8 W/8], which of the cell's 64 pixels it is, row-major.
        strength: float32 [N, H/8 W/8] in [0, 1); 1/2 for the median corner of a picture.
    """

    positions: Tensor
    inside: Tensor
    strength: Tensor


def corner_targets(images: Tensor) -> CornerTargets:
    """The strongest corner of every cell: the smaller eigenvalue of the structure tensor.

    The criterion of Shi and Tomasi (Good Features to Track, CVPR 1994), gradients by Sobel, over
    3x3 windows: small windows find again what larger ones smear (one corner a cell, 300 of a
    240x320 picture, 50 BSDS val photographs: repeatability .70 with 3x3, .62 with 7x7).

    Args:
        images: [N, 3, H, W], not yet re-lit.
    """
    grey = functional.pad(images.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across = images.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    dx, dy = functional.conv2d(grey, torch.stack([across, across.T])[:, None]).split(1, dim=1)
    products = functional.pad(
        torch.cat([dx * dx, dy * dy, dx * dy], 1), (1, 1, 1, 1), mode="replicate"
    )
    xx, yy, xy = functional.avg_pool2d(products, 3, 1).split(1, dim=1)
    smaller = (xx + yy - torch.sqrt((xx - yy) ** 2 + 4 * xy**2)) / 2
    strength, index = functional.max_pool2d(smaller, CELL, return_indices=True)
    index, strength = index.flatten(1), strength.flatten(1)
    rows, columns = index // images.shape[3], index % images.shape[3]
    median = strength.median(1, keepdim=True).values
    return CornerTargets(
        torch.stack([columns, rows], -1).float(),
        rows % CELL * CELL + columns % CELL,
        strength / (strength + median + 1e-5),
    )


def corners(location: Tensor, score: Tensor, inside: Tensor, images: Tensor) -> dict[str, Tensor]:
    """Teach positions and scores the corners of one view.

    The homographies alone leave positions free to settle at the centres of the cells; corners
    are points that another view shows too. Regression to one of 64 pixels learns slowly from
    features that do not tell them apart, so these are made to by classification.

    Args:
        location, score: the outputs.
        inside: [N, 64, H/8, W/8], logits of the pixel of the cell (training only).
        images: the view before it was re-lit.

    Returns:
        The parts "corners", "inside" and "strength".
    """
    with torch.no_grad():
        target = corner_targets(images)
        # Weak corners move with the noise; squared, the weight leaves them to the strong ones.
        weight = target.strength**2
    gap = functional.smooth_l1_loss(
        keypoint_positions(location), target.positions, reduction="none", beta=0.5
    ).sum(2)
    entropy = functional.cross_entropy(inside.flatten(2), target.inside, reduction="none")
    total = weight.sum()
    return {
        "corners": (gap * weight).sum() / total / CELL,
        "inside": (entropy * weight).sum() / total / 4,
        "strength": functional.binary_cross_entropy_with_logits(score.flatten(1), weight),
    }
