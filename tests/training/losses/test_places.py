"""Losses of place descriptors against loops written out."""

import numpy as np
import pytest
import torch

from vpr_edge.training.losses import places

MARGIN = 0.3


@pytest.fixture
def batch():
    """Unit vectors of six pairs, places 0 and 1 too near to be told apart."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=(6, 5))
    vectors = np.concatenate([first, first + rng.normal(size=first.shape)])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ignore = np.zeros((6, 6), bool)
    ignore[0, 1] = True
    return vectors, ignore


def _kind(i: int, j: int) -> str:
    if i == j:
        return "itself"
    if i % 6 == j % 6:
        return "positive"
    return "neither" if {i % 6, j % 6} == {0, 1} else "negative"


def _loss(function, batch, *arguments: float) -> float:
    vectors, ignore = batch
    relations = places.pair_relations(torch.from_numpy(ignore))
    return float(function(torch.from_numpy(vectors), relations, *arguments))


def test_relations_are_those_of_the_pairs(batch) -> None:
    found = places.pair_relations(torch.from_numpy(batch[1]))
    for i in range(12):
        for j in range(12):
            assert bool(found.positive[i, j]) == (_kind(i, j) == "positive")
            assert bool(found.negative[i, j]) == (_kind(i, j) == "negative")


def test_the_hardest_triplet_is_found_by_looking_at_all(batch) -> None:
    vectors = batch[0]
    terms = []
    for i in range(12):
        gaps = {j: float(np.linalg.norm(vectors[i] - vectors[j])) for j in range(12)}
        positive = max(gaps[j] for j in range(12) if _kind(i, j) == "positive")
        negative = min(gaps[j] for j in range(12) if _kind(i, j) == "negative")
        terms.append(max(0.0, MARGIN + positive - negative))
    found = _loss(places.hardest_triplet, batch, MARGIN)
    assert found == pytest.approx(np.mean(terms), abs=1e-9) and found > 0


def test_the_hinge_counts_every_positive_against_every_negative(batch) -> None:
    cosines = batch[0] @ batch[0].T
    terms = [
        max(0.0, MARGIN + cosines[i, n] - cosines[i, p])
        for i in range(12)
        for p in range(12)
        for n in range(12)
        if _kind(i, p) == "positive" and _kind(i, n) == "negative"
    ]
    found = _loss(places.all_pairs_hinge, batch, MARGIN)
    assert found == pytest.approx(np.mean(terms), abs=1e-9) and found > 0


def test_multi_similarity_is_the_paper_s_formula_on_mined_pairs(batch) -> None:
    alpha, beta, threshold, slack = 2.0, 50.0, 0.5, 0.1
    cosines = batch[0] @ batch[0].T
    terms = []
    for i in range(12):
        positive = [cosines[i, j] for j in range(12) if _kind(i, j) == "positive"]
        negative = [cosines[i, j] for j in range(12) if _kind(i, j) == "negative"]
        pulled = [s for s in positive if s - slack < max(negative)]
        pushed = [s for s in negative if s + slack > min(positive)]
        pull = np.log(1 + sum(np.exp(-alpha * (s - threshold)) for s in pulled)) / alpha
        push = np.log(1 + sum(np.exp(beta * (s - threshold)) for s in pushed)) / beta
        terms.append(pull + push)
    assert _loss(places.multi_similarity, batch) == pytest.approx(np.mean(terms), abs=1e-9)


@pytest.mark.parametrize("name", ["hardest_triplet", "all_pairs_hinge", "multi_similarity"])
def test_vectors_that_descend_a_loss_find_their_partners(name: str, batch) -> None:
    vectors, ignore = batch
    free = torch.tensor(vectors, requires_grad=True)
    relations = places.pair_relations(torch.from_numpy(ignore))
    arguments = () if name == "multi_similarity" else (MARGIN,)
    optimizer = torch.optim.Adam([free], lr=0.05)
    for _ in range(150):
        unit = torch.nn.functional.normalize(free, dim=1)
        optimizer.zero_grad()
        getattr(places, name)(unit, relations, *arguments).backward()
        optimizer.step()
    cosines = (unit @ unit.T).detach().numpy() - 2 * np.eye(12)
    assert np.array_equal(cosines.argmax(1) % 6, np.arange(12) % 6)


def test_a_batch_of_one_pair_costs_nothing_and_has_finite_gradients() -> None:
    vectors = torch.eye(2, 4, requires_grad=True)
    relations = places.pair_relations(torch.zeros(1, 1, dtype=torch.bool))
    for loss in (places.hardest_triplet, places.all_pairs_hinge):
        value = loss(vectors, relations, MARGIN)
        assert float(value) == 0.0
    places.multi_similarity(vectors, relations).backward()
    assert torch.isfinite(vectors.grad).all()


def test_contrast_leaves_out_what_is_neither_and_grows_with_confusion() -> None:
    a, b = torch.eye(4), torch.eye(4)
    apart = torch.zeros(4, 4, dtype=torch.bool)
    clear = places.contrastive(a, b, apart, 0.1)
    confused = places.contrastive(a, b.roll(1, 0), apart, 0.1)
    assert clear < 0.01 < confused
    all_but_own = ~torch.eye(4, dtype=torch.bool)
    assert float(places.contrastive(a, b, all_but_own, 0.1)) == 0.0
    some = all_but_own & (torch.arange(4) < 2) & (torch.arange(4)[:, None] < 2)
    assert places.contrastive(a, b, some, 0.1) < places.contrastive(a, b, apart, 0.1)
