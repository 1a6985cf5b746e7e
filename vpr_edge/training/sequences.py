"""Training of sequence descriptors on the descriptors of drives that went the same way.

The place network stays as it is: its descriptors are computed once, and only the LSTM learns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vpr_edge.errors import DataError
from vpr_edge.models.sequence import SequenceConfig, SequenceNetwork
from vpr_edge.training.losses.places import contrastive

SPEEDS = (0.8, 1.2)
"""Frames a step: the second drive is resampled, so that the LSTM meets other speeds."""


@dataclass(frozen=True, eq=False)
class DrivePair:
    """Two drives along one route, frame i of both at the same place.

    Attributes:
        first, second: descriptors float32 [N, D], of length 1 each.
        positions: float32 [N, P] of the frames, or None.
    """

    first: NDArray[np.float32]
    second: NDArray[np.float32]
    positions: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class SequenceRecipe:
    """How an LSTM is trained.

    Attributes:
        steps: of the optimiser (AdamW with a cosine schedule).
        batch: places a step.
        learning_rate: at the beginning.
        temperature: of the contrastive loss.
        nearest: sequences whose last frames are fewer frames apart are no negatives.
        noise: standard deviation of what is added to each descriptor, in shares of its length.
        seed: of weights and draws.
    """

    steps: int = 600
    batch: int = 96
    learning_rate: float = 2e-3
    temperature: float = 0.07
    nearest: int = 5
    noise: float = 1.0
    seed: int = 0


def fit_sequences(
    network: nn.Module,
    config: SequenceConfig,
    drives: Sequence[DrivePair],
    recipe: SequenceRecipe,
    report: Callable[[int, float], None] | None = None,
) -> None:
    """Train a sequence network, or its fake-quantised form, in place.

    InfoNCE (arXiv 1807.03748) between the sequences of both drives that end at one place.

    Args:
        network: takes what `SequenceNetwork.frames` gives and returns a state after each frame.
        config: of the network.
        drives: what is learned from.
        recipe: settings.
        report: called after each step with its number and loss.

    Raises:
        DataError: no drive is long enough, or one has other values a frame than the network takes.
    """
    usable = [pair for pair in drives if len(pair.first) > 2 * config.length]
    if not usable:
        raise DataError(f"no drive has more than {2 * config.length} frames; give a longer one.")
    for pair in usable:
        positions = 0 if pair.positions is None else pair.positions.shape[1]
        if (pair.first.shape[1], positions) != (config.descriptor, config.positions):
            raise DataError(
                f"a drive has {pair.first.shape[1]} values a descriptor and {positions} "
                f"coordinates, but the network takes {config.descriptor} and {config.positions}; "
                "configure it for them."
            )
    frames = SequenceNetwork(config).frames
    device = next(network.parameters()).device
    random = np.random.default_rng(recipe.seed)
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
    network.train()
    for step in range(1, recipe.steps + 1):
        pair = usable[random.integers(len(usable))]
        ends = random.integers(2 * config.length, len(pair.first), recipe.batch)
        vectors = []
        for descriptors, speed in ((pair.first, 1.0), (pair.second, random.uniform(*SPEEDS))):
            chosen = ends[:, None] - np.rint(speed * np.arange(config.length)[::-1]).astype(int)
            noisy = _noisy(torch.from_numpy(descriptors[chosen]), recipe.noise, random)
            where = None if pair.positions is None else torch.from_numpy(pair.positions[chosen])
            state = network(frames(noisy, where).to(device))[:, -1]
            vectors.append(nn.functional.normalize(state, dim=1))
        near = torch.from_numpy(np.abs(ends[:, None] - ends) < recipe.nearest)
        loss = contrastive(vectors[0], vectors[1], near.to(device), recipe.temperature)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if report:
            report(step, float(loss.detach()))
    network.eval()


def _noisy(descriptors: Tensor, noise: float, random: np.random.Generator) -> Tensor:
    drawn = torch.from_numpy(random.normal(size=descriptors.shape).astype(np.float32))
    moved = descriptors + drawn * (noise / descriptors.shape[-1] ** 0.5)
    return nn.functional.normalize(moved, dim=-1)
