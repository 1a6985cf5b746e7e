"""What one training step sees: views of places, warped photographs, labelled pictures."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vpr_edge.preprocessing import Preprocessing
from vpr_edge.training.augment import apply_homography, photometric, random_homographies, view
from vpr_edge.training.recipe import Recipe
from vpr_edge.training.sources import Images, LabelledSource, PlaceSource
from vpr_edge.training.teacher import DistillationTargets

SHARED_TARGET = ("nordland", "town")
"""Sources whose pairs differ by season or light: both pictures learn the mean of their targets."""
KEYPOINT_LIGHT = 0.2
"""Strength of re-lighting for keypoints: positions are learned from detail, which more hides."""


@dataclass(frozen=True)
class Data:
    """Everything a run draws from.

    Attributes:
        fit: image to input.
        places: sources of pairs.
        maps: the teacher's maps for each place source; empty without a teacher.
        targets: what is distilled from the maps; None without a teacher.
        photographs: uint8 [M, H, W, 3], for keypoints; full size where there are any.
        labelled: labelled sources, taken from by the recipe's shares.
    """

    fit: Preprocessing
    places: tuple[PlaceSource, ...]
    maps: tuple[NDArray[np.float16], ...]
    targets: DistillationTargets | None
    photographs: Images
    labelled: tuple[LabelledSource, ...]


@dataclass(frozen=True)
class PlaceBatch:
    """Images [2P, 3, H, W] (first all first pictures of the pairs), what InfoNCE leaves out
    (bool [P, P]), and teacher targets (maps, place target, whether known [2P]) or None."""

    images: Tensor
    ignore: Tensor
    targets: tuple[Tensor, Tensor] | None


@dataclass(frozen=True)
class KeypointBatch:
    """Two views [K, 3, H, W], the same before they were re-lit, and the homographies of pixel
    positions from a to b [K, 3, 3]."""

    a: Tensor
    b: Tensor
    clean_a: Tensor
    clean_b: Tensor
    a_to_b: Tensor


def _tensor(images: Images) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255


def place_batch(
    data: Data, recipe: Recipe, rng: np.random.Generator, g: torch.Generator
) -> PlaceBatch:
    """Draw pairs from the sources by their shares, lightly moved and strongly re-lit."""
    shares = np.array([recipe.sources[source.name] for source in data.places])
    counts = rng.multinomial(recipe.batch.place_pairs, shares / shares.sum())
    images: list[Images] = []
    tracks, positions, guards, targets = [], [], [], []
    for number, (source, count) in enumerate(zip(data.places, counts, strict=True)):
        pairs = source.pairs[rng.integers(len(source.pairs), size=count)]
        swap = rng.random(count) < 0.5
        pairs[swap] = pairs[swap, ::-1]
        images.append(source.images[pairs])
        tracks.append(source.track[pairs[:, 0]] + 1_000_000 * number)
        positions.append(source.position[pairs[:, 0]])
        guards.append(np.full(count, source.guard))
        if data.targets:
            maps = data.maps[number][pairs].astype(np.float32)
            if source.name in SHARED_TARGET:
                maps = np.broadcast_to(maps.mean(1, keepdims=True), maps.shape)
            targets.append(maps)
    pictures = np.concatenate(images).transpose(1, 0, 2, 3, 4)
    x = _tensor(pictures.reshape(-1, *pictures.shape[2:]))
    x = view(x, random_homographies(g, len(x), 0.1), *x.shape[2:])
    track, position, guard = (np.concatenate(v) for v in (tracks, positions, guards))
    near = np.abs(position[:, None] - position) < guard[:, None]
    ignore = torch.from_numpy((track[:, None] == track) & near)
    known = None
    if data.targets:
        joined = np.concatenate(targets).transpose(1, 0, 2, 3, 4)
        known = data.targets(joined.reshape(-1, *joined.shape[2:]))
    # From hardly to strongly re-lit: the teacher's maps are of the picture as it is.
    strength = torch.rand(len(x), 1, 1, 1, generator=g)
    return PlaceBatch(photometric(x, g, strength), ignore, known)


def keypoint_batch(
    data: Data, count: int, rng: np.random.Generator, g: torch.Generator
) -> KeypointBatch:
    """Draw photographs and two random views of each."""
    x = _tensor(data.photographs[rng.integers(len(data.photographs), size=count)])
    height, width = data.fit.height, data.fit.width
    # A common window of the photograph at a random scale, then a homography for each view.
    window = torch.eye(3).repeat(count, 1, 1)
    scale = torch.rand(count, generator=g) * 0.5 + 0.4
    window[:, 0, 0] = window[:, 1, 1] = scale
    room = 1 - scale[:, None]
    window[:, :2, 2] = (torch.rand(count, 2, generator=g) * 2 - 1) * room
    to_a = window @ random_homographies(g, count, 0.12)
    to_b = window @ random_homographies(g, count, 0.45)
    pixels = torch.tensor(
        [[2 / width, 0, 1 / width - 1], [0, 2 / height, 1 / height - 1], [0, 0, 1]]
    )
    a_to_b = torch.linalg.inv(to_b @ pixels) @ to_a @ pixels
    clean_a, clean_b = view(x, to_a, height, width), view(x, to_b, height, width)
    a, b = (photometric(seen, g, KEYPOINT_LIGHT) for seen in (clean_a, clean_b))
    return KeypointBatch(a, b, clean_a, clean_b, a_to_b)


def labelled_shares(data: Data, recipe: Recipe) -> NDArray[np.float64]:
    """The share of labelled pictures that each source gives; they sum to 1."""
    shares = np.array([recipe.labelled.get(source.name, 0.0) for source in data.labelled])
    return shares / shares.sum()


def segmentation_batch(
    data: Data, recipe: Recipe, rng: np.random.Generator, g: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw labelled pictures, zoomed and mirrored together with their labels.

    Returns:
        images [N, 3, H, W] and labels int64 [N, H, W].
    """
    images, labels = [], []
    counts = rng.multinomial(recipe.batch.segmentation, labelled_shares(data, recipe))
    for source, count in zip(data.labelled, counts, strict=True):
        index = rng.integers(len(source.images), size=count)
        images.append(source.images[index])
        labels.append(source.labels[index])
    x = _tensor(np.concatenate(images))
    y = torch.from_numpy(np.concatenate(labels)).float()[:, None]
    h = random_homographies(g, len(x), 0.25)
    h[:, 2, :2] = 0.0
    mirror = torch.where(torch.rand(len(x), generator=g) < 0.5, -1.0, 1.0)
    h[:, 0] *= mirror[:, None]
    size = (data.fit.height, data.fit.width)
    x = view(x, h, *size)
    rows = (torch.arange(size[0]) + 0.5) * (2 / size[0]) - 1
    columns = (torch.arange(size[1]) + 0.5) * (2 / size[1]) - 1
    v, u = torch.meshgrid(rows, columns, indexing="ij")
    points = torch.stack([u, v], -1).view(1, -1, 2).expand(len(x), -1, -1)
    grid = apply_homography(h, points).view(len(x), *size, 2)
    moved = functional.grid_sample(
        y, grid, mode="nearest", padding_mode="reflection", align_corners=False
    )
    return photometric(x, g, 0.4), moved[:, 0].long()
