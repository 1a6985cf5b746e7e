"""Figures on pictures that were held out of training, and when to stop because of them."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vpr_edge.datasets.segmentation_set import IGNORE
from vpr_edge.errors import CheckpointError, DataError
from vpr_edge.metrics.segmentation import confusion, iou_of
from vpr_edge.models.config import NetworkConfig
from vpr_edge.places.search import rank
from vpr_edge.training.batches import Data
from vpr_edge.training.losses.places import place_vectors
from vpr_edge.training.recipe import Validation
from vpr_edge.training.sources import LabelledSource, PlaceSource

FIGURES = ("miou", "recall_at_1")
CHUNK = 64
RunBatch = Callable[[Tensor], dict[str, Tensor]]


def hold_out(data: Data, validation: Validation) -> tuple[Data, Data]:
    """Part the data into what is trained on and what is judged by.

    The last share of every source is held out, as a block: neighbours of a drive look alike, and
    one in ten frames of it would be known from its neighbours.

    Returns:
        (to train on, held out); both whole where `validation.figure` is "".

    Raises:
        CheckpointError: the figure is unknown or the share is not between 0 and 1.
        DataError: a source has too little to part.
    """
    if not validation.figure:
        return data, data
    if validation.figure not in FIGURES:
        raise CheckpointError(
            f"validation.figure is {validation.figure!r}; choose one of {', '.join(FIGURES)}."
        )
    if not 0 < validation.share < 1:
        raise CheckpointError("validation.share must lie between 0 and 1; 0.1 holds out a tenth.")
    if validation.figure == "miou":
        if not data.labelled:
            raise DataError(
                "validation.figure miou needs labelled pictures; add a source to labelled, or "
                "choose recall_at_1."
            )
        parts = [_part_labelled(source, validation.share) for source in data.labelled]
        kept, out = zip(*parts, strict=True)
        return replace(data, labelled=kept), replace(data, labelled=out)
    pairs = [_part_places(source, validation.share) for source in data.places]
    to_train, to_judge = zip(*pairs, strict=True)
    return replace(data, places=to_train), replace(data, places=to_judge)


def _part_labelled(source: LabelledSource, share: float) -> tuple[LabelledSource, LabelledSource]:
    cut = _cut(len(source.images), share, source.name)

    def part(which: slice) -> LabelledSource:
        depth = None if source.depth is None else source.depth[which]
        return LabelledSource(source.name, source.images[which], source.labels[which], depth)

    return part(slice(cut)), part(slice(cut, None))


def _part_places(source: PlaceSource, share: float) -> tuple[PlaceSource, PlaceSource]:
    """By the pairs' first pictures; pairs of both parts that share a picture are dropped."""
    order = np.lexsort((source.position[source.pairs[:, 0]], source.track[source.pairs[:, 0]]))
    cut = _cut(len(order), share, source.name)
    kept, out = source.pairs[np.sort(order[:cut])], source.pairs[np.sort(order[cut:])]
    kept = kept[~np.isin(kept, out).any(1)]
    if not len(kept):
        raise DataError(f"{source.name} has too few pairs to hold some out; lower the share.")
    return replace(source, pairs=kept), replace(source, pairs=out)


def _cut(count: int, share: float, name: str) -> int:
    held = max(1, round(count * share))
    if held >= count:
        raise DataError(f"{name} has too little to hold a share out; set validation.figure to ''.")
    return count - held


def judge(run: RunBatch, data: Data, config: NetworkConfig, figure: str) -> float:
    """The figure of a network on held-out data, in [0, 1].

    Args:
        run: from images [N, 3, H, W] to outputs, in inference mode.
        data: what was held out.
        config: of the network.
        figure: "miou" over the set, or "recall_at_1": first pictures of the pairs against second
            ones of the same source; one of the same place (by the source's guard) is right.

    Raises:
        DataError: no source has pairs of two pictures.
    """
    if figure == "miou":
        return _miou(run, data, config.classes)
    # Pairs of one picture with itself differ by augmentation alone, which is not applied here.
    judged = [source for source in data.places if (source.pairs[:, 0] != source.pairs[:, 1]).any()]
    if not judged:
        raise DataError("recall needs pairs of two pictures; choose another validation.figure.")
    return float(np.mean(np.concatenate([_hits(run, s, data, config) for s in judged])))


def _float(images: NDArray[np.uint8], data: Data) -> list[Tensor]:
    chunks = (images[start : start + CHUNK] for start in range(0, len(images), CHUNK))
    return [torch.from_numpy(data.fit.to_float(chunk)) for chunk in chunks]


def describe(
    run: RunBatch, images: NDArray[np.uint8], data: Data, config: NetworkConfig
) -> NDArray[np.float32]:
    """Unit vectors float32 [M, D] of pictures."""
    found = [
        place_vectors(run(x)["place"].float(), config).cpu().numpy() for x in _float(images, data)
    ]
    return np.concatenate(found)


def _hits(
    run: RunBatch, source: PlaceSource, data: Data, config: NetworkConfig
) -> NDArray[np.bool_]:
    first, second = np.unique(source.pairs[:, 0]), np.unique(source.pairs[:, 1])
    queries, database = (describe(run, source.images[k], data, config) for k in (first, second))
    best = second[rank(queries, database, 1)[:, 0]]
    near = np.abs(source.position[first] - source.position[best]) < source.guard
    return (source.track[first] == source.track[best]) & near


def _miou(run: RunBatch, data: Data, classes: int) -> float:
    counts = np.zeros((classes, classes), np.int64)
    for source in data.labelled:
        done = 0
        for x in _float(source.images, data):
            labels = source.labels[done : done + len(x)]
            done += len(x)
            logits = run(x)["segmentation"].float()
            large = functional.interpolate(logits, labels.shape[1:], mode="bilinear")
            counts += confusion(
                large.argmax(1).cpu().numpy().astype(np.uint8), labels, classes, IGNORE
            )
    return float(np.nanmean(iou_of(counts)))


def inference(network: nn.Module, tensors: dict[str, Tensor], device: torch.device) -> RunBatch:
    """A function that runs a copy of the network with these tensors, in inference mode."""
    copy = deepcopy(network).eval()
    copy.load_state_dict(tensors)
    copy.to(device)

    @torch.inference_mode()
    def run(images: Tensor) -> dict[str, Tensor]:
        result: dict[str, Tensor] = copy(images.to(device))
        return result

    return run
