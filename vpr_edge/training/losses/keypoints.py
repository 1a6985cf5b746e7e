"""Losses of keypoints over two views of one scene whose homography is known.

The self-supervision of UnsuperPoint (arXiv 1907.04011) and KP2D (arXiv 1912.10615): every cell
gives one point, the homography says where it lies in the other view, and the nearest point there is
its partner.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from vpr_edge.training.augment import apply_homography

CELL = 8
"""Pixels from point to point of a keypoint map, in our own networks."""
Size = tuple[int, int]


def keypoint_positions(location: Tensor, cell: int = CELL) -> Tensor:
    """Location logits [N, 2, h, w] to pixel positions [N, h w, 2] (pixel centres are integers)."""
    h, w = location.shape[2:]
    rows = torch.arange(h, device=location.device).view(h, 1).expand(h, w)
    columns = torch.arange(w, device=location.device).view(1, w).expand(h, w)
    centres = (torch.stack([columns, rows]).float() + 0.5) * cell - 0.5
    return (centres + torch.tanh(location) * cell).flatten(2).transpose(1, 2)


def as_whole_reach(location: Tensor, reach: float) -> Tensor:
    """Logits of offsets up to `reach` < 1 cells as those that `keypoint_positions` takes."""
    return torch.atanh(torch.tanh(location) * reach)


def sample(maps: Tensor, positions: Tensor, size: Size) -> Tensor:
    """Bilinear samples of maps [N, C, h, w] of a picture (height, width) at its pixel positions.

    Args:
        maps: of any resolution.
        positions: [N, K, 2].
        size: of the picture, pixels.

    Returns:
        [N, K, C].
    """
    grid = (positions + 0.5) * 2 / maps.new_tensor([size[1], size[0]]) - 1
    found = functional.grid_sample(maps, grid[:, None], align_corners=False, padding_mode="border")
    return found[:, :, 0].transpose(1, 2)


@dataclass(frozen=True)
class Matches:
    """The points of view a, where they lie in view b, and their partners there.

    Attributes:
        size: height and width of both views, pixels.
        cell: pixels from point to point of the keypoint map.
        here, there: pixel positions in a and in b, [N, K, 2].
        mapped: `here` in view b.
        inside: bool [N, K], whether that is well inside view b.
        nearest: distance to the partner, pixels [N, K].
        partner: int64 [N, K], the point of b that is nearest.
        matched: bool [N, K], inside and within half a cell.
    """

    size: Size
    cell: int
    here: Tensor
    there: Tensor
    mapped: Tensor
    inside: Tensor
    nearest: Tensor
    partner: Tensor
    matched: Tensor


def match(a: dict[str, Tensor], b: dict[str, Tensor], a_to_b: Tensor, cell: int = CELL) -> Matches:
    """Find partners by the homography.

    Args:
        a, b: outputs "score" and "location" of the two views.
        a_to_b: homographies of pixel positions, [N, 3, 3].
        cell: pixels from point to point of these maps.
    """
    here, there = (keypoint_positions(view["location"], cell) for view in (a, b))
    height, width = (length * cell for length in a["score"].shape[2:])
    mapped = apply_homography(a_to_b, here)
    inside = (mapped > 4).all(-1) & (mapped < mapped.new_tensor([width - 5, height - 5])).all(-1)
    gaps = torch.cdist(mapped, there)
    nearest, partner = gaps.min(2)
    matched = inside & (nearest < cell / 2)
    return Matches((height, width), cell, here, there, mapped, inside, nearest, partner, matched)


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    return (values * counted).sum() / counted.sum().clamp(min=1)


def location(m: Matches) -> Tensor:
    """Distance of partners, in cells (both papers' location loss)."""
    return _mean(m.nearest, m.matched) / m.cell


def describe(maps: Tensor, positions: Tensor, size: Size) -> Tensor:
    """Unit descriptors [N, K, C] at pixel positions; no gradient reaches the positions."""
    return functional.normalize(sample(maps, positions.detach(), size), dim=2)


def point_descriptors(view: dict[str, Tensor], positions: Tensor, size: Size) -> Tensor:
    """Unit descriptors [N, K, C] of a view's points: of their cells where there is one a cell."""
    maps = view["descriptor"]
    if maps.shape[2:] == view["location"].shape[2:]:
        return functional.normalize(maps.flatten(2).transpose(1, 2), dim=2)
    return describe(maps, positions, size)


def _too_near(m: Matches) -> Tensor:
    """Pairs of points closer than a cell, which are the same thing and not negatives."""
    near = torch.cdist(m.mapped.detach(), m.mapped.detach()) < m.cell
    return near & ~torch.eye(near.shape[1], dtype=torch.bool, device=near.device)


def descriptor_contrast(m: Matches, found: Tensor, sought: Tensor) -> Tensor:
    """InfoNCE over all points of a view, both ways (as SiLK, arXiv 2304.06194).

    Args:
        m: the matches.
        found, sought: unit descriptors of a at `m.here` and of b at `m.mapped`, [N, K, C].
    """
    similarity = found @ sought.transpose(1, 2) / 0.05
    similarity = similarity.masked_fill(_too_near(m) | ~m.inside[:, None, :], -30.0)
    target = torch.arange(similarity.shape[1], device=similarity.device).expand(len(similarity), -1)
    entropy = functional.cross_entropy(
        similarity.transpose(1, 2), target, reduction="none"
    ) + functional.cross_entropy(similarity, target, reduction="none")
    return _mean(entropy, m.inside) / 2


def descriptor_triplet(m: Matches, found: Tensor, sought: Tensor, margin: float = 0.2) -> Tensor:
    """Triplet loss with the hardest negative of the same picture (KP2D).

    Args:
        m: the matches.
        found, sought: as for `descriptor_contrast`.
        margin: of Euclidean distances.
    """
    gaps = torch.cdist(found, sought)
    right = gaps.diagonal(dim1=1, dim2=2)
    own = torch.eye(gaps.shape[1], dtype=torch.bool, device=gaps.device)
    barred = _too_near(m) | own | ~m.inside[:, None, :]
    wrong = gaps.masked_fill(barred, torch.inf).amin(2)
    judged = m.inside & torch.isfinite(wrong)
    lacking = functional.relu(margin + right - wrong.nan_to_num(posinf=0.0))
    return _mean(lacking, judged)


def found_again(m: Matches, a: dict[str, Tensor], b: dict[str, Tensor], found: Tensor) -> Tensor:
    """The score learns whether a point was found again, within 2 px and by its descriptor.

    After SiLK (arXiv 2304.06194); the partner's score shall agree.
    """
    with torch.no_grad():
        other = point_descriptors(b, m.there, m.size)
        guess = (found @ other.transpose(1, 2)).argmax(2)
        gap = (m.mapped - m.there.gather(1, guess[..., None].expand(-1, -1, 2))).norm(dim=2)
        again = (gap < 2.0).float()
    logit = a["score"].flatten(1)
    partner = b["score"].flatten(1).gather(1, m.partner)
    right = functional.binary_cross_entropy_with_logits(logit, again, reduction="none")
    same = (torch.sigmoid(logit) - torch.sigmoid(partner)) ** 2
    return _mean(right, m.inside) + _mean(same, m.matched)


def usp(m: Matches, a: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
    """UnsuperPoint's score loss (arXiv 1907.04011; KP2D takes it over).

    Points nearer to their partner than the average shall score high, the others low, and partners
    alike: the mean of (s_a + s_b) / 2 * (d - mean d) + (s_a - s_b)^2, d in cells.
    """
    scored = torch.sigmoid(a["score"].flatten(1))
    partner = torch.sigmoid(b["score"].flatten(1)).gather(1, m.partner)
    gaps = m.nearest / m.cell
    farther = gaps - _mean(gaps, m.matched)
    return _mean((scored + partner) / 2 * farther + (scored - partner) ** 2, m.matched)
