"""Distillation and relations."""

import numpy as np
import torch

from vpr_edge.training.losses.imitation import distillation, imitation, relation


def test_distillation_is_zero_for_the_target_at_any_scale_and_two_for_unrelated_maps() -> None:
    torch.manual_seed(0)
    target = torch.randn(2, 64, 8, 10)
    assert abs(float(distillation(3 * target, target))) < 1e-5
    assert 1.8 < float(distillation(torch.randn_like(target), target)) < 2.2


def test_imitation_is_relative_to_the_variance_of_the_target() -> None:
    target = torch.randn(1000)
    error = imitation({"a": target + 0.1, "b": 7 * target}, {"a": target, "b": 7 * target})
    assert abs(float(error) - 0.01 / float(target.var()) / 2) < 1e-6


def test_relation_compares_cosines_whatever_the_lengths_and_however_many_batches() -> None:
    rng = np.random.default_rng(0)
    student = rng.normal(size=(2, 5, 3))
    student /= np.linalg.norm(student, axis=2, keepdims=True)
    teacher = rng.normal(size=(2, 5, 7))
    terms = [
        (
            student[n, i] @ student[n, j]
            - teacher[n, i]
            @ teacher[n, j]
            / np.linalg.norm(teacher[n, i])
            / np.linalg.norm(teacher[n, j])
        )
        ** 2
        for n, i, j in np.ndindex(2, 5, 5)
    ]
    found = relation(torch.from_numpy(student), torch.from_numpy(teacher))
    assert abs(float(found) - 100 * np.mean(terms)) < 1e-9
    rotated = torch.linalg.qr(torch.randn(7, 7, dtype=torch.float64))[0]
    same = torch.nn.functional.normalize(torch.from_numpy(teacher), dim=2)
    assert float(relation(same, same @ rotated)) < 1e-20
