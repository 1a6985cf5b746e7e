"""Pairs of pictures whose camera moved: strong changes of viewpoint made of photographs.

Both views of a pair are pictures of their own, drawn once: a teacher has an answer for each, and no
step has to warp anything.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from vpr_edge.preprocessing import Preprocessing
from vpr_edge.training.augment import random_homographies, uniform, view
from vpr_edge.training.sources import Images, PlaceSource

CHUNK = 64
FIRST_AMOUNT, SECOND_AMOUNT = 0.15, 0.5
"""How far the views of a pair are from the picture's own (see `augment.random_homographies`)."""
MOST_SHIFT = 0.45
"""Largest shift to a side between the views of a pair, in their width."""


def moved_places(name: str, photographs: Images, fit: Preprocessing, seed: int = 0) -> PlaceSource:
    """Two views of every photograph: a window of it, and one shifted, tilted, turned and zoomed.

    At least about half of a view is seen in the other.

    Args:
        name: of the source.
        photographs: uint8 [M, H, W, 3].
        fit: the size of the views.
        seed: of the draws.
    """
    g = torch.Generator().manual_seed(seed)
    views = np.empty((2, len(photographs), fit.height, fit.width, 3), np.uint8)
    for start in range(0, len(photographs), CHUNK):
        part = slice(start, start + CHUNK)
        x = torch.from_numpy(np.ascontiguousarray(photographs[part])).permute(0, 3, 1, 2).float()
        for k, homographies in enumerate(moving_views(g, len(x))):
            seen = view(x, homographies, fit.height, fit.width)
            views[k, part] = seen.permute(0, 2, 3, 1).round().clamp(0, 255).numpy()
    index = np.arange(len(photographs))
    return PlaceSource(
        name,
        views.reshape(-1, *views.shape[2:]),
        np.stack([index, index + len(index)], 1),
        np.tile(index, 2),
        np.zeros(2 * len(index), np.float32),
        guard=1,
    )


def moving_views(g: Generator, n: int) -> tuple[Tensor, Tensor]:
    """Homographies (normalised coordinates, view to photograph) of both views, [n, 3, 3] each."""
    window = torch.eye(3).repeat(n, 1, 1)
    scale = uniform(g, 0.5, 0.85, n)
    window[:, 0, 0] = window[:, 1, 1] = scale
    window[:, :2, 2] = uniform(g, -1, 1, n, 2) * (1 - scale[:, None])
    mirror = torch.where(torch.rand(n, generator=g) < 0.5, -1.0, 1.0)
    window[:, 0, 0] = window[:, 0, 0] * mirror
    aside = torch.eye(3).repeat(n, 1, 1)
    aside[:, 0, 2] = uniform(g, -2 * MOST_SHIFT, 2 * MOST_SHIFT, n)
    # A shift out of the photograph would show its mirrored rim; the window makes room for it.
    centre = window[:, 0, 2] + window[:, 0, 0] * aside[:, 0, 2]
    aside[:, 0, 2] = (centre.clamp(scale - 1, 1 - scale) - window[:, 0, 2]) / window[:, 0, 0]
    first = window @ random_homographies(g, n, FIRST_AMOUNT)
    return first, window @ aside @ random_homographies(g, n, SECOND_AMOUNT)


def small_photographs(images: list[NDArray[np.uint8]], height: int, width: int) -> Images:
    """Photographs of several sizes at one, uint8 [M, height, width, 3]."""
    fit = Preprocessing(height, width).fit
    return np.stack([fit(image) for image in images])
