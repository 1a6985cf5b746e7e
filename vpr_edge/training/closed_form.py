"""A place head in closed form: regression to a teacher, whitening by pairs, principal directions.

The layers of a pyramid behind its averages are linear, so what they are to be can be computed:
ridge regression (Hoerl and Kennard 1970) from a backbone's averages to the teacher's, as the
pictures are and in other lights; then the inverse root of the covariance of what still differs
between two pictures of one place; then the strongest directions of that and of the projection that
the network had before, which saw the backbone learn. No step is made, and nothing but these layers
changes.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vpr_edge.errors import CheckpointError
from vpr_edge.models.checkpoint import Checkpoint
from vpr_edge.models.graph import Graph
from vpr_edge.models.network import Network
from vpr_edge.models.zoo import NetworkConfig, build_graph
from vpr_edge.training.batches import SHARED_TARGET
from vpr_edge.training.sources import PlaceSource
from vpr_edge.training.teacher import DistillationTargets

RIDGE = 1e-3
"""Added to the averages' covariance, in their mean variance."""
FLOOR = 1e-2
"""Added to what differs between pairs before it is inverted, likewise."""
PAIRS = 500
"""Pairs of each source from which what a season or light changes is learned."""
CHUNK = 256


@dataclass(frozen=True)
class Evidence:
    """What a source says.

    Attributes:
        source: its pictures and pairs.
        features: float16 [variants, M, C, h, w], the map that the head averages.
        maps: the teacher's, float16 [M, T, H, W].
    """

    source: PlaceSource
    features: NDArray[np.float16]
    maps: NDArray[np.float16]


def with_fitted_head(
    checkpoint: Checkpoint,
    config: NetworkConfig,
    evidence: list[Evidence],
    former: float = 0.0,
) -> Checkpoint:
    """The checkpoint's backbone with a pyramid that is fitted to the evidence.

    Args:
        checkpoint: of kind "float"; every layer that `config` has too is kept.
        config: of a network with a pyramid without hidden layers.
        evidence: of every place source.
        former: share of the checkpoint's own ConvAP projection in what the cells compare; the rest
            is the teacher's.

    Raises:
        CheckpointError: the network has no such pyramid, or lacks layers of the checkpoint.
    """
    graph = build_graph(config)
    levels = {
        f"place_{name}": f"place_{name}_averages"
        for name in ("cells", "overview")
        if any(node.name == f"place_{name}_averages" for node in graph.nodes)
    }
    if config.head != "pyramid" or config.place_hidden:
        raise CheckpointError(
            f"{config.name} has no place head that can be computed; take a network whose head is "
            "a pyramid with place_hidden 0."
        )
    network = Network(graph)
    tensors = {key: value.numpy() for key, value in network.state_dict().items()}
    for key in tensors:
        if key.split(".")[1] in levels:
            continue
        if key not in checkpoint.tensors or checkpoint.tensors[key].shape != tensors[key].shape:
            raise CheckpointError(
                f"the checkpoint has no layer {key!r} as {config.name} needs it; give that of a "
                "network with the same backbone."
            )
        tensors[key] = checkpoint.tensors[key]
    known = checkpoint.tensors.get("layers.place_project.weight")
    if former and known is None:
        raise CheckpointError("the checkpoint has no ConvAP projection; set former to 0.")
    for name, averages in levels.items():
        power, own = 0.5, None
        if name == "place_cells":
            power, own = 0.0, known[:, :, 0, 0].T if former and known is not None else None
        matrix, shift = _fitted(graph, averages, graph[name].shape[0], power, evidence, own, former)
        tensors[f"layers.{name}.weight"] = matrix.T[:, :, None, None].float().contiguous().numpy()
        tensors[f"layers.{name}.bias"] = shift.float().numpy()
    return replace(checkpoint, config=config, tensors=tensors)


def _fitted(
    graph: Graph,
    averages: str,
    length: int,
    power: float,
    evidence: list[Evidence],
    own: NDArray[np.float32] | None,
    share: float,
) -> tuple[Tensor, Tensor]:
    """The projection [C, length] of a level's averages and its bias [length]."""
    rows, columns = graph[averages].shape[1:]
    window = graph[averages].kernel
    maps = [_averaged(one.maps, rows, columns) for one in evidence]
    aligned = [
        known[pairs[:, 0]] - known[pairs[:, 1]]
        for one, known in zip(evidence, maps, strict=True)
        if one.source.name in SHARED_TARGET
        for pairs in [_some_pairs(one.source)]
    ]
    channels = maps[0].shape[1]
    halves = [m.astype(np.float16) for m in maps]
    targets = DistillationTargets(halves, channels, np.concatenate(aligned) if aligned else None)
    seen, wanted, changed = [], [], []
    for one, known in zip(evidence, halves, strict=True):
        views = [_pooled(variant, window) for variant in one.features]
        answer = _shared(one.source, targets(known)[0].permute(0, 2, 3, 1))
        seen += [view.reshape(-1, view.shape[-1]) for view in views]
        wanted += [answer.reshape(-1, channels)] * len(views)
        if one.source.name in SHARED_TARGET:
            first, second = _some_pairs(one.source).T
            changed.append(views[0][first] - views[0][second])
        changed += [(views[0] - view)[::8] for view in views[1:]]
    x, y = torch.cat(seen).double(), torch.cat(wanted).double()
    mean = x.mean(0)
    x = x - mean
    spread = x.T @ x / len(x)
    eye = torch.eye(len(spread), dtype=torch.float64)
    damped = spread + RIDGE * spread.diagonal().mean() * eye
    ridge = torch.linalg.solve(damped, x.T @ y / len(x))
    if changed:
        within = torch.cat([d.reshape(-1, d.shape[-1]) for d in changed]).double() @ ridge
        ridge = ridge @ _inverse_root(within.T @ within / len(within))
    if own is not None:
        parts = ((1 - share, ridge), (share, torch.from_numpy(own).double()))
        # Of equal mean square length, so that the shares are those of the similarity.
        ridge = torch.cat([(s / (p.T @ spread @ p).trace()).sqrt() * p for s, p in parts], 1)
    if length > ridge.shape[1]:
        raise CheckpointError(
            f"{averages} is to have {length} values where the teacher has {ridge.shape[1]}; take a "
            "network with fewer."
        )
    values, axes = torch.linalg.eigh(ridge.T @ spread @ ridge)
    order = torch.argsort(values, descending=True)[:length]
    strength = values[order].clamp(min=1e-12) ** (-power / 2)
    signs = torch.sign(axes.gather(0, axes.abs().argmax(0, keepdim=True)))[0]
    matrix = ridge @ (axes * signs)[:, order] * strength
    # One factor for all changes no cosine; with this one the outputs are about 1.
    matrix = matrix / (x[::7] @ matrix).std().clamp(min=1e-12)
    return matrix, -mean @ matrix


def _inverse_root(covariance: Tensor) -> Tensor:
    values, axes = torch.linalg.eigh(covariance)
    # Where nothing differs, nothing is weighed.
    roots = 1 / torch.sqrt(values.clamp(min=0) + FLOOR * values.mean().clamp(min=1e-9))
    return (axes * roots) @ axes.T


def _some_pairs(source: PlaceSource) -> NDArray[np.int64]:
    return source.pairs[:: max(1, len(source.pairs) // PAIRS)]


def _averaged(maps: NDArray[np.float16], rows: int, columns: int) -> NDArray[np.float32]:
    parts = (maps[k : k + CHUNK].astype(np.float32) for k in range(0, len(maps), CHUNK))
    return torch.cat(
        [functional.adaptive_avg_pool2d(torch.from_numpy(p), (rows, columns)) for p in parts]
    ).numpy()


def _pooled(features: NDArray[np.float16], window: tuple[int, int]) -> Tensor:
    """[M, C, h, w] averaged over windows, [M, rows, columns, C]."""
    parts = (features[k : k + CHUNK].astype(np.float32) for k in range(0, len(features), CHUNK))
    pooled = [functional.avg_pool2d(torch.from_numpy(p), window, window) for p in parts]
    return torch.cat(pooled).permute(0, 2, 3, 1)


def _shared(source: PlaceSource, answers: Tensor) -> Tensor:
    """Of pictures that show one place in other seasons or lights the mean of their answers."""
    if source.name not in SHARED_TARGET:
        return answers
    place = torch.arange(len(answers))
    # A pair is one place; what is paired with the same picture is, too.
    for first, second in torch.from_numpy(source.pairs).tolist():
        place[second] = place[first] = min(place[first], place[second])
    _, index = place.unique(return_inverse=True)
    sums = answers.new_zeros(int(index.max()) + 1, *answers.shape[1:]).index_add(0, index, answers)
    counts = torch.bincount(index).view(-1, 1, 1, 1)
    return (sums / counts)[index]
