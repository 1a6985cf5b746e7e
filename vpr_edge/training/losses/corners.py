"""Points that are known to be keypoints as targets: corners, or what a teacher's heat map shows."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from vpr_edge.training.augment import apply_homography
from vpr_edge.training.losses.keypoints import CELL, keypoint_positions

SHARPNESS = 4.0
"""A corner map is learned as logits over this: on the device the softmax is nearly the peak."""


@dataclass(frozen=True)
class PointTargets:
    """The strongest point of every cell, in row-major order of the cells.

    Attributes:
        positions: float32 [N, H/8 W/8, 2], pixels.
        inside: int64 [N, H/8 W/8], which of the cell's pixels it is, row-major.
        strength: float32 [N, H/8 W/8] in [0, 1], how much of a keypoint it is.
    """

    positions: Tensor
    inside: Tensor
    strength: Tensor


def corner_targets(images: Tensor, cell: int = CELL) -> PointTargets:
    """The strongest corner of every cell: the smaller eigenvalue of the structure tensor.

    The criterion of Shi and Tomasi (Good Features to Track, CVPR 1994), gradients by Sobel, over
    3x3 windows: small windows find again what larger ones smear (one corner a cell, 300 of a
    240x320 picture, 50 BSDS val photographs: repeatability .70 with 3x3, .62 with 7x7).

    Args:
        images: [N, 3, H, W], not yet re-lit.
        cell: pixels from point to point of the keypoint map.

    Returns:
        Targets whose strength is s^2 with s = 1/2 for the median corner of a picture: weak corners
        move with the noise, and squared the weight leaves them to the strong ones.
    """
    grey = functional.pad(images.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across = images.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    dx, dy = functional.conv2d(grey, torch.stack([across, across.T])[:, None]).split(1, dim=1)
    products = functional.pad(
        torch.cat([dx * dx, dy * dy, dx * dy], 1), (1, 1, 1, 1), mode="replicate"
    )
    xx, yy, xy = functional.avg_pool2d(products, 3, 1).split(1, dim=1)
    smaller = (xx + yy - torch.sqrt((xx - yy) ** 2 + 4 * xy**2)) / 2
    found = heat_targets(smaller, cell)
    median = found.strength.median(1, keepdim=True).values
    return replace(found, strength=(found.strength / (found.strength + median + 1e-5)) ** 2)


def heat_targets(heat: Tensor, cell: int = CELL) -> PointTargets:
    """The hottest pixel of every cell, and its heat as the strength.

    Args:
        heat: [N, 1, H, W], for example a teacher's scores in [0, 1].
        cell: pixels from point to point of the keypoint map.
    """
    strength, index = functional.max_pool2d(heat, cell, return_indices=True)
    index, strength = index.flatten(1), strength.flatten(1)
    rows, columns = index // heat.shape[3], index % heat.shape[3]
    return PointTargets(
        torch.stack([columns, rows], -1).float(), rows % cell * cell + columns % cell, strength
    )


def points(
    location: Tensor, score: Tensor, inside: Tensor, target: PointTargets, cell: int = CELL
) -> dict[str, Tensor]:
    """Teach positions and scores known points of one view.

    The homographies alone leave positions free to settle at the centres of the cells; corners
    are points that another view shows too. Regression to one of 64 pixels learns slowly from
    features that do not tell them apart, so these are made to by classification.

    Args:
        location, score: the outputs.
        inside: [N, cell^2, H/8, W/8], logits of the pixel of the cell (training only).
        target: what to learn.
        cell: pixels from point to point of these maps.

    Returns:
        The parts "corners", "inside" and "strength".
    """
    weight = target.strength
    gap = functional.smooth_l1_loss(
        keypoint_positions(location, cell), target.positions, reduction="none", beta=0.5
    ).sum(2)
    entropy = functional.cross_entropy(inside.flatten(2), target.inside, reduction="none")
    total = weight.sum().clamp(min=1e-6)
    return {
        "corners": (gap * weight).sum() / total / cell,
        "inside": (entropy * weight).sum() / total / 4,
        "strength": functional.binary_cross_entropy_with_logits(score.flatten(1), weight),
    }


def agreement(
    logits: tuple[Tensor, Tensor], scores: tuple[Tensor, Tensor], a_to_b: Tensor, cell: int = CELL
) -> Tensor:
    """Teach each view the pixels that the other one chose.

    Corners are a start: a small network finds some of them again and others not. Each view's
    choices, mapped into the other, are its targets there, the better scored the more.

    Args:
        logits: of both views, [N, cell^2, h, w].
        scores: of both views, [N, 1, h, w].
        a_to_b: homographies of pixel positions, [N, 3, 3].
        cell: pixels from point to point of these maps.

    Returns:
        Cross-entropy.
    """
    h, w = logits[0].shape[2:]
    size = a_to_b.new_tensor([w * cell, h * cell])
    total = a_to_b.new_zeros(())
    ways = ((0, 1, a_to_b), (1, 0, torch.linalg.inv(a_to_b)))
    for source, target, homography in ways:
        with torch.no_grad():
            mapped = apply_homography(homography, _chosen(logits[source], cell))
            inside = ((mapped >= 0) & (mapped <= size - 1)).all(-1)
            pixel = torch.minimum(mapped.round().clamp(min=0), size - 1).long()
            x, y = pixel.unbind(-1)
            cells, within = y // cell * w + x // cell, y % cell * cell + x % cell
            weight = inside * torch.sigmoid(scores[source].flatten(1)) ** 2
        known = functional.log_softmax(logits[target].flatten(2), 1)
        index = (within * h * w + cells).clamp(max=known[0].numel() - 1)
        entropy = -known.flatten(1).gather(1, index)
        total = total + (entropy * weight).sum() / weight.sum().clamp(min=1e-6)
    return total / len(ways)


def _chosen(logits: Tensor, cell: int) -> Tensor:
    """The most probable pixel of every cell [N, cell^2, h, w] as positions [N, h w, 2]."""
    index = logits.argmax(1)
    rows = torch.arange(index.shape[1], device=index.device)[:, None] * cell + index // cell
    columns = torch.arange(index.shape[2], device=index.device) * cell + index % cell
    return torch.stack([columns, rows], -1).flatten(1, 2).to(logits.dtype)
