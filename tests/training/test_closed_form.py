"""A computed place head: it finds what the teacher finds, and drops what a season changes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from tests.quantize.networks import CONVAP, FIT, random_network
from vpr_edge.errors import CheckpointError
from vpr_edge.models.checkpoint import Checkpoint
from vpr_edge.models.network import Network
from vpr_edge.models.part import part_behind
from vpr_edge.models.zoo import NetworkConfig, build_graph
from vpr_edge.training.closed_form import Evidence, with_fitted_head
from vpr_edge.training.losses.places import place_vectors
from vpr_edge.training.sources import PlaceSource

PLAIN = replace(CONVAP, place_window=(1, 1), tasks=("places",))
FITTED = replace(PLAIN, head="pyramid", place_channels=10, place_overview=8, place_balance=0.3)
NAME = "place_mix_pointwise"


def before() -> Checkpoint:
    network = random_network(build_graph(PLAIN))
    tensors = {key: value.numpy() for key, value in network.state_dict().items()}
    return Checkpoint("float", PLAIN, tensors, FIT)


def evidence(pairs: int = 150, season: float = 0.0, seed: int = 0) -> Evidence:
    """Places whose teacher is linear in the features; a season adds to six channels of them."""
    rng = np.random.default_rng(seed)
    shape = build_graph(FITTED)[NAME].shape
    matrix = np.random.default_rng(9).normal(size=(shape[0], 30))
    place = rng.normal(size=(pairs, *shape))
    both = np.concatenate([place, place + 0.1 * rng.normal(size=place.shape)])
    both[:, :6] += season * np.repeat(rng.normal(size=(2 * pairs, 6)), 1, 0)[:, :, None, None]
    maps = np.einsum("nchw,ct->nthw", both, matrix)
    index = np.arange(pairs)
    source = PlaceSource(
        "seasons", np.zeros((2 * pairs, 1, 1, 3), np.uint8), np.stack([index, index + pairs], 1),
        np.tile(index, 2), np.zeros(2 * pairs, np.float32), 1,
    )  # fmt: skip
    return Evidence(source, both[None].astype(np.float16), maps.astype(np.float16))


def described(checkpoint: Checkpoint, features: np.ndarray) -> np.ndarray:
    network = Network.from_checkpoint(checkpoint)
    part = Network(part_behind(network.graph, NAME)).eval()
    part.load_state_dict({key: network.state_dict()[key] for key in part.state_dict()})
    with torch.no_grad():
        place = part(torch.from_numpy(features.astype(np.float32)))["place"]
    return place_vectors(place, checkpoint.config).numpy()


def test_only_the_head_is_new_and_it_ranks_as_the_teacher_does() -> None:
    given = before()
    config = replace(FITTED, place_channels=24, place_balance=0.0)
    fitted = with_fitted_head(given, config, [evidence()])
    head = ("layers.place_cells", "layers.place_overview")
    for key, value in fitted.tensors.items():
        if not key.startswith(head):
            np.testing.assert_array_equal(value, given.tensors[key])
    unseen = evidence(60, seed=5)
    vectors = described(fitted, unseen.features[0][:60])
    cells = unseen.maps[:60].astype(np.float64)
    cells /= np.linalg.norm(cells, axis=1, keepdims=True)
    flat = cells.reshape(60, -1)
    above = np.triu_indices(60, 1)
    assert spearmanr((vectors @ vectors.T)[above], (flat @ flat.T)[above]).statistic > 0.5


def test_what_a_season_changes_weighs_little() -> None:
    season = evidence(season=3.0)
    unseen = evidence(80, season=3.0, seed=7)
    pairs = unseen.source.pairs.T

    def found(checkpoint: Checkpoint) -> float:
        vectors = described(checkpoint, unseen.features[0])
        a, b = (vectors[index] for index in pairs)
        return float(np.mean((a @ b.T).argmax(1) == np.arange(len(a))))

    whitened = with_fitted_head(before(), FITTED, [season])
    untold = replace(season, source=replace(season.source, pairs=season.source.pairs[:, [0, 0]]))
    assert found(whitened) > found(with_fitted_head(before(), FITTED, [untold])) + 0.05


def test_the_former_projection_counts_by_its_share() -> None:
    given = before()
    unseen = evidence(40, seed=3).features[0][:40]
    own = described(given, unseen)
    above = np.triu_indices(40, 1)

    def likeness(former: float) -> float:
        config = replace(FITTED, place_balance=0.0, place_channels=24)
        fitted = with_fitted_head(given, config, [evidence()], former)
        vectors = described(fitted, unseen)
        return float(np.corrcoef((vectors @ vectors.T)[above], (own @ own.T)[above])[0, 1])

    assert likeness(0.9) > likeness(0.5) > likeness(0.0)


@pytest.mark.parametrize(
    ("config", "former", "words"),
    [
        (replace(FITTED, place_hidden=8), 0.0, "can be computed"),
        (replace(FITTED, stem=16), 0.0, "same backbone"),
        (replace(FITTED, place_channels=40), 0.0, "where the teacher has 30"),
    ],
)
def test_what_cannot_be_fitted_is_refused(config: NetworkConfig, former: float, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        with_fitted_head(before(), config, [evidence(30)], former)
