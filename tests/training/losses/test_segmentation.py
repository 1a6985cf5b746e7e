"""Segmentation losses against scikit-learn and numpy."""

import numpy as np
import torch
from sklearn.metrics import jaccard_score
from torch.nn import functional

from vpr_edge.training.losses.segmentation import jaccard, segmentation


def test_soft_jaccard_of_decisions_is_scikit_learn_s_of_the_classes_present() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, 5, 11], (2, 30, 40))
    found = rng.choice([0, 1, 2, 7], labels.shape)
    decided = functional.one_hot(torch.from_numpy(found), 11).permute(0, 3, 1, 2).float()
    judged = labels != 11
    oracle = jaccard_score(labels[judged], found[judged], labels=[0, 1, 2, 5], average="macro")
    assert abs(float(jaccard(decided, torch.from_numpy(labels))) - (1 - oracle)) < 1e-6


def test_cross_entropy_is_the_weighted_mean_over_judged_pixels() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(2, 11, 4, 6)).astype(np.float32)
    labels = rng.choice([0, 3, 8, 11], (2, 8, 12))
    weights = rng.uniform(0.5, 2, 11).astype(np.float32)
    total = weighed = 0.0
    log = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    for n, r, c in np.ndindex(2, 4, 6):
        label = labels[n, 2 * r, 2 * c]
        if label != 11:
            total -= weights[label] * log[n, label, r, c]
            weighed += weights[label]
    x, y = torch.from_numpy(logits), torch.from_numpy(labels)
    found = segmentation(x, y, torch.from_numpy(weights)) - jaccard(x.softmax(1), y[:, ::2, ::2])
    assert abs(float(found) - total / weighed) < 1e-5


def test_ignored_pixels_do_not_reach_the_segmentation_loss() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 11, 6, 8, requires_grad=True)
    labels = torch.randint(0, 11, (1, 24, 32))
    labels[:, :, 16:] = 11
    segmentation(logits, labels, torch.ones(11)).backward()
    gradient = logits.grad.abs().sum((0, 1, 2))
    assert (gradient[:4] > 0).all() and (gradient[5:] == 0).all()


def test_a_batch_without_a_judged_pixel_teaches_nothing_and_breaks_nothing() -> None:
    logits = torch.randn(2, 11, 6, 8, requires_grad=True)
    labels = torch.full((2, 24, 32), 11)
    loss = segmentation(logits, labels, torch.ones(11))
    loss.backward()
    assert loss == 0 and logits.grad is not None and not logits.grad.any()
