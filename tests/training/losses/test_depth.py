"""Depth loss against Eigen's formula written out."""

import numpy as np
import pytest
import torch

from vpr_edge.training.losses.depth import scale_invariant_log


def test_the_loss_is_eigen_s_over_the_known_pixels_of_each_picture() -> None:
    rng = np.random.default_rng(0)
    found = rng.normal(2, 0.5, (3, 1, 5, 6))
    depth = np.exp(rng.normal(2, 0.5, (3, 5, 6)))
    depth[0, :2] = 0
    depth[2] = 0
    terms = []
    for n in range(2):
        gaps = [
            found[n, 0, r, c] - np.log(depth[n, r, c])
            for r, c in np.ndindex(5, 6)
            if depth[n, r, c] > 0
        ]
        terms.append(np.mean(np.square(gaps)) - 0.5 * np.mean(gaps) ** 2)
    value = scale_invariant_log(torch.from_numpy(found), torch.from_numpy(depth))
    assert float(value) == pytest.approx(sum(terms) / 3, abs=1e-9)


def test_a_common_scale_costs_half_of_what_it_would() -> None:
    depth = torch.full((1, 4, 4), 7.0)
    off = depth.log()[:, None] + 0.3
    assert float(scale_invariant_log(off, depth)) == pytest.approx(0.5 * 0.3**2, abs=1e-6)


def test_sky_has_no_gradient() -> None:
    depth = torch.ones(1, 4, 4)
    depth[:, :, :2] = 0
    found = torch.randn(1, 1, 4, 4, requires_grad=True)
    scale_invariant_log(found, depth).backward()
    assert (found.grad[..., :2] == 0).all() and (found.grad[..., 2:] != 0).all()
