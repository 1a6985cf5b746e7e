"""What one training step sees: views of places, warped photographs, labelled pictures."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vpr_edge.preprocessing import Preprocessing
from vpr_edge.training.augment import photometric, random_homographies, view
from vpr_edge.training.mining import HardNegatives
from vpr_edge.training.recipe import Recipe
from vpr_edge.training.sources import Images, LabelledSource, PlaceSource
from vpr_edge.training.teacher import DistillationTargets, KeypointTargets

SHARED_TARGET = ("nordland", "town", "webcams", "seasons")
"""Sources whose pairs differ by season or light: both pictures learn the mean of their targets."""
RENDERED = "town"
"""The source whose pictures no camera took."""
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
        keypoints: the keypoint teacher's maps of the photographs; None without one.
        labelled: labelled sources, taken from by the recipe's shares.
        overviews: the teacher's vectors [M, C, 1, 1] for each place source; empty without any.
        overview_targets: what is distilled from them; None without any.
        features: of each place source float16 [variants, M, C, h, w], in the pictures' stead; empty
            where steps run the whole network.
    """

    fit: Preprocessing
    places: tuple[PlaceSource, ...]
    maps: tuple[NDArray[np.float16], ...]
    targets: DistillationTargets | None
    photographs: Images
    keypoints: KeypointTargets | None
    labelled: tuple[LabelledSource, ...]
    overviews: tuple[NDArray[np.float16], ...] = ()
    overview_targets: DistillationTargets | None = None
    features: tuple[NDArray[np.float16], ...] = ()


# Named tuples: torch and Fabric move and cast what lies in them.


class PlaceBatch(NamedTuple):
    """Pictures of places.

    Attributes:
        images: [2P, 3, H, W], first all first pictures of the pairs.
        ignore: bool [P, P], what is neither positive nor negative.
        rendered: bool [2P].
        targets: the teacher's maps and its place target, or None.
        overview: the target of the whole picture [2P, K, 1, 1], or None.
    """

    images: Tensor
    ignore: Tensor
    rendered: Tensor
    targets: tuple[Tensor, Tensor] | None
    overview: Tensor | None = None


class TaughtViews(NamedTuple):
    """What a keypoint teacher says of two views.

    Attributes:
        score_a, score_b: its scores in the views, [K, 1, H, W].
        descriptor: its descriptors of the photographs, [K, C, h, w].
        to_a, to_b: homographies of normalised coordinates, view to photograph, [K, 3, 3].
    """

    score_a: Tensor
    score_b: Tensor
    descriptor: Tensor
    to_a: Tensor
    to_b: Tensor


class KeypointBatch(NamedTuple):
    """Two views of photographs.

    Attributes:
        a, b: [K, 3, H, W].
        clean_a, clean_b: the same before they were re-lit.
        a_to_b: homographies of pixel positions, [K, 3, 3].
        taught: what the keypoint teacher says, or None.
    """

    a: Tensor
    b: Tensor
    clean_a: Tensor
    clean_b: Tensor
    a_to_b: Tensor
    taught: TaughtViews | None


class LabelledBatch(NamedTuple):
    """Pictures [N, 3, H, W], classes int64 [N, H, W], depth in metres float32 [N, H, W] (0 where
    unknown), and whether each is rendered, bool [N]."""

    images: Tensor
    labels: Tensor
    depth: Tensor
    rendered: Tensor


class StepBatch(NamedTuple):
    """What one step sees; None where a recipe's batch has none of it."""

    places: PlaceBatch | None
    keypoints: KeypointBatch | None
    labelled: LabelledBatch | None


def draw_batch(
    data: Data, recipe: Recipe, step: int, rank: int = 0, hard: HardNegatives | None = None
) -> StepBatch:
    """Draw what a step sees: it depends on the seed, the step and the device's rank alone."""
    # The first device draws what a single one would.
    rng = np.random.default_rng([recipe.seed, step, *([rank] if rank else [])])
    g = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step + rank * 7_368_787)
    size = recipe.batch
    return StepBatch(
        place_batch(data, recipe, rng, g, hard) if size.place_pairs else None,
        keypoint_batch(data, size.keypoint_pairs, rng, g) if size.keypoint_pairs else None,
        segmentation_batch(data, recipe, rng, g) if size.segmentation else None,
    )


def _tensor(images: Images) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255


def place_batch(
    data: Data,
    recipe: Recipe,
    rng: np.random.Generator,
    g: torch.Generator,
    hard: HardNegatives | None = None,
) -> PlaceBatch:
    """Draw pairs from the sources by their shares, lightly moved and strongly re-lit.

    With hard negatives, half of a source's pairs are places that look like those of the other half.
    """
    shares = np.array([recipe.sources[source.name] for source in data.places])
    counts = rng.multinomial(recipe.batch.place_pairs, shares / shares.sum())
    images: list[NDArray[Any]] = []
    drawn: list[NDArray[np.int64]] = []
    tracks, positions, guards, rendered = [], [], [], []
    for number, (source, count) in enumerate(zip(data.places, counts, strict=True)):
        free = count - count // 2 if hard else count
        pairs = source.pairs[rng.integers(len(source.pairs), size=free)]
        if hard:
            alike = hard.alike(number, pairs[: count // 2, 0], len(source.pairs), rng)
            pairs = np.concatenate([pairs, source.pairs[alike]])
        rendered.append(np.full(count, source.name == RENDERED))
        swap = rng.random(count) < 0.5
        pairs[swap] = pairs[swap, ::-1]
        if data.features:
            variant = rng.integers(len(data.features[number]), size=pairs.shape)
            images.append(data.features[number][variant, pairs])
        else:
            images.append(source.images[pairs])
        tracks.append(source.track[pairs[:, 0]] + 1_000_000 * number)
        positions.append(source.position[pairs[:, 0]])
        guards.append(np.full(count, source.guard))
        drawn.append(pairs)
    pictures = np.concatenate(images).transpose(1, 0, 2, 3, 4)
    pictures = pictures.reshape(-1, *pictures.shape[2:])
    if data.features:
        x = torch.from_numpy(pictures.astype(np.float32))
    else:
        x = _tensor(pictures)
        x = view(x, random_homographies(g, len(x), 0.1), *x.shape[2:])
        # From hardly to strongly re-lit: the teacher's maps are of the picture as it is.
        x = photometric(x, g, torch.rand(len(x), 1, 1, 1, generator=g))
    track, position, guard = (np.concatenate(v) for v in (tracks, positions, guards))
    near = np.abs(position[:, None] - position) < guard[:, None]
    ignore = torch.from_numpy((track[:, None] == track) & near)
    known = data.targets(_taught(data, data.maps, drawn)) if data.targets else None
    overview = None
    if data.overview_targets:
        overview = data.overview_targets(_taught(data, data.overviews, drawn))[1]
    flags = torch.from_numpy(np.tile(np.concatenate(rendered), 2))
    return PlaceBatch(x, ignore, flags, known, overview)


def _taught(
    data: Data, known: tuple[NDArray[np.float16], ...], drawn: list[NDArray[np.int64]]
) -> NDArray[np.floating]:
    """What a teacher says of drawn pairs, [2P, C, h, w], all first pictures first."""
    found = []
    for source, maps, pairs in zip(data.places, known, drawn, strict=True):
        values = maps[pairs].astype(np.float32)
        if source.name in SHARED_TARGET:
            values = np.broadcast_to(values.mean(1, keepdims=True), values.shape)
        found.append(values)
    joined = np.concatenate(found).swapaxes(0, 1)
    return joined.reshape(-1, *joined.shape[2:])


def keypoint_batch(
    data: Data, count: int, rng: np.random.Generator, g: torch.Generator
) -> KeypointBatch:
    """Draw photographs and two random views of each."""
    chosen = rng.integers(len(data.photographs), size=count)
    x = _tensor(data.photographs[chosen])
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
    taught = None
    if data.keypoints:
        score = torch.from_numpy(data.keypoints.score[chosen].astype(np.float32))[:, None]
        taught = TaughtViews(
            view(score, to_a, height, width),
            view(score, to_b, height, width),
            torch.from_numpy(data.keypoints.descriptor[chosen].astype(np.float32)),
            to_a,
            to_b,
        )
    return KeypointBatch(a, b, clean_a, clean_b, a_to_b, taught)


def labelled_shares(data: Data, recipe: Recipe) -> NDArray[np.float64]:
    """The share of labelled pictures that each source gives; they sum to 1."""
    shares = np.array([recipe.labelled.get(source.name, 0.0) for source in data.labelled])
    return shares / shares.sum()


def segmentation_batch(
    data: Data, recipe: Recipe, rng: np.random.Generator, g: torch.Generator
) -> LabelledBatch:
    """Draw labelled pictures, zoomed and mirrored together with their labels and depth."""
    images, labels, depths, rendered = [], [], [], []
    counts = rng.multinomial(recipe.batch.segmentation, labelled_shares(data, recipe))
    for source, count in zip(data.labelled, counts, strict=True):
        index = rng.integers(len(source.images), size=count)
        images.append(source.images[index])
        labels.append(source.labels[index])
        unknown = np.zeros(labels[-1].shape, np.float32)
        depths.append(unknown if source.depth is None else source.depth[index])
        rendered.append(np.full(count, source.name == RENDERED))
    x = _tensor(np.concatenate(images))
    y = torch.from_numpy(np.stack([np.concatenate(labels), np.concatenate(depths)], 1)).float()
    h = random_homographies(g, len(x), 0.25)
    h[:, 2, :2] = 0.0
    mirror = torch.where(torch.rand(len(x), generator=g) < 0.5, -1.0, 1.0)
    h[:, 0] *= mirror[:, None]
    size = (data.fit.height, data.fit.width)
    x = view(x, h, *size)
    moved = view(y, h, *size, mode="nearest")
    # A zoomed picture is one taken from nearer by.
    nearer = torch.linalg.det(h[:, :2, :2]).abs().sqrt().view(-1, 1, 1)
    return LabelledBatch(
        photometric(x, g, 0.4),
        moved[:, 0].long(),
        moved[:, 1] * nearer,
        torch.from_numpy(np.concatenate(rendered)),
    )
