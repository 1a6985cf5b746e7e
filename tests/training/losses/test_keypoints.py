"""Keypoint losses: on views whose answer is known, and against loops written out."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from vpr_edge.training.losses import keypoints as kp
from vpr_edge.training.losses.inliers import InlierNet, inliers

IDENTITY = torch.eye(3)[None]


@pytest.fixture
def views():
    """Two views of 40x48 pixels with random outputs, 30 points each."""
    g = torch.Generator().manual_seed(0)

    def one() -> dict[str, torch.Tensor]:
        return {
            "score": torch.randn(1, 1, 5, 6, generator=g),
            "location": 0.3 * torch.randn(1, 2, 5, 6, generator=g),
            "descriptor": torch.randn(1, 16, 5, 6, generator=g),
        }

    shift = torch.tensor([[[1.0, 0.0, 3.0], [0.0, 1.0, -2.0], [0.0, 0.0, 1.0]]])
    return one(), one(), shift


def _numbers(views):
    """Positions, mapped ones, partners and distances by plain arithmetic."""
    a, b, _ = views
    points = []
    for seen in (a, b):
        move = np.tanh(seen["location"][0].numpy())
        points.append(
            [
                ((c + 0.5 + move[0, r, c]) * 8 - 0.5, (r + 0.5 + move[1, r, c]) * 8 - 0.5)
                for r, c in np.ndindex(5, 6)
            ]
        )
    here, there = np.array(points[0]), np.array(points[1])
    mapped = here + np.array([3.0, -2.0])
    gaps = np.linalg.norm(mapped[:, None] - there[None], axis=2)
    inside = [4 < x < 48 - 5 and 4 < y < 40 - 5 for x, y in mapped]
    return here, there, mapped, gaps, np.array(inside)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)


def test_partners_are_the_nearest_points_under_the_homography(views) -> None:
    m = kp.match(*views)
    here, _, mapped, gaps, inside = _numbers(views)
    np.testing.assert_allclose(m.here[0], here, atol=1e-4)
    np.testing.assert_allclose(m.mapped[0], mapped, atol=1e-4)
    np.testing.assert_array_equal(m.inside[0], inside)
    np.testing.assert_array_equal(m.partner[0], gaps.argmin(1))
    matched = inside & (gaps.min(1) < 4)
    assert 3 < matched.sum() < 30
    assert float(kp.location(m)) == pytest.approx(gaps.min(1)[matched].mean() / 8, abs=1e-5)


def test_usp_rewards_scores_of_points_nearer_than_the_average(views) -> None:
    a, b, _ = views
    _, _, _, gaps, inside = _numbers(views)
    d, partner = gaps.min(1) / 8, gaps.argmin(1)
    matched = np.flatnonzero(inside & (gaps.min(1) < 4))
    s = [1 / (1 + np.exp(-seen["score"].numpy().ravel())) for seen in (a, b)]
    mean = d[matched].mean()
    terms = [
        (s[0][k] + s[1][partner[k]]) / 2 * (d[k] - mean) + (s[0][k] - s[1][partner[k]]) ** 2
        for k in matched
    ]
    assert float(kp.usp(kp.match(*views), a, b)) == pytest.approx(np.mean(terms), abs=1e-5)


def test_the_descriptor_triplet_takes_the_hardest_point_farther_than_a_cell(views) -> None:
    a, b, _ = views
    m = kp.match(*views)
    _, _, mapped, _, inside = _numbers(views)
    found = kp.describe(a["descriptor"], m.here, m.size)
    sought = kp.describe(b["descriptor"], m.mapped, m.size)
    terms = []
    for k in np.flatnonzero(inside):
        gaps = np.linalg.norm(sought[0].numpy() - found[0, k].numpy(), axis=1)
        others = [
            gaps[j]
            for j in np.flatnonzero(inside)
            if j != k and np.linalg.norm(mapped[j] - mapped[k]) >= 8
        ]
        terms.append(max(0.0, 0.2 + gaps[k] - min(others)))
    value = kp.descriptor_triplet(m, found, sought)
    assert float(value) == pytest.approx(np.mean(terms), abs=1e-4) and value > 0


def test_samples_are_opencv_s_at_any_resolution_of_the_map() -> None:
    import cv2

    maps = torch.randn(1, 3, 10, 12)
    positions = torch.rand(1, 20, 2) * torch.tensor([40.0, 32.0]) + 3
    found = kp.sample(maps, positions, (40, 48))[0].numpy()
    there = ((positions[0].numpy() + 0.5) / 4 - 0.5).astype(np.float32)
    oracle = cv2.remap(maps[0].permute(1, 2, 0).numpy(), there[None], None, cv2.INTER_LINEAR)
    # OpenCV interpolates at 1/32 of a pixel.
    assert np.abs(found - oracle[0]).max() < 0.15
    assert np.abs(found - oracle[0]).mean() < 0.03


def test_equal_views_with_centred_positions_lose_nothing_in_location() -> None:
    torch.manual_seed(0)
    a = {
        "score": torch.zeros(1, 1, 15, 20),
        "location": torch.zeros(1, 2, 15, 20),
        "descriptor": torch.randn(1, 64, 15, 20),
    }
    other = dict(a, descriptor=torch.randn(1, 64, 15, 20))

    def contrast(b: dict[str, torch.Tensor]) -> float:
        m = kp.match(a, b, IDENTITY)
        assert float(kp.location(m)) < 1e-6
        found = kp.describe(a["descriptor"], m.here, m.size)
        return float(
            kp.descriptor_contrast(m, found, kp.describe(b["descriptor"], m.there, m.size))
        )

    assert contrast(a) < 0.1
    assert contrast(other) > 3


def test_scores_learn_which_points_their_descriptors_find_again() -> None:
    torch.manual_seed(0)
    a = {"location": torch.zeros(1, 2, 15, 20), "descriptor": torch.randn(1, 64, 15, 20)}
    good = (torch.arange(300) % 3 > 0).view(15, 20)
    b = dict(a, descriptor=torch.where(good, a["descriptor"], torch.randn(1, 64, 15, 20)))
    right = torch.where(good, 6.0, -6.0).view(1, 1, 15, 20)
    losses = []
    for score in (right, -right):
        one, two = dict(a, score=score), dict(b, score=score)
        m = kp.match(one, two, IDENTITY)
        found = kp.describe(one["descriptor"], m.here, m.size)
        losses.append(float(kp.found_again(m, one, two, found)))
    assert losses[0] < 0.1 and losses[1] > 5


def test_the_inlier_net_learns_right_from_wrong_and_teaches_the_descriptors() -> None:
    """Half of the points look alike in both views, the others are described at random."""
    torch.manual_seed(0)
    a = {
        "score": torch.zeros(2, 1, 15, 20),
        "location": torch.zeros(2, 2, 15, 20),
        "descriptor": torch.randn(2, 16, 15, 20),
    }
    good = (torch.arange(300) % 2 == 0).view(15, 20)
    b = dict(a, descriptor=torch.where(good, a["descriptor"], torch.randn(2, 16, 15, 20)))
    m = kp.match(a, b, IDENTITY.expand(2, 3, 3))
    found = kp.describe(a["descriptor"], m.here, m.size).requires_grad_()
    other = kp.describe(b["descriptor"], m.there, m.size)
    net = InlierNet(16, 2)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        value = inliers(m, found, other, a["score"].flatten(1), net)
        value.backward()
        optimizer.step()
        values.append(float(value))
    # A net that always says the same pays 1/2.
    assert values[-1] < 0.1 < 0.4 < values[0]
    assert float(found.grad.abs().sum()) > 0
    assert functional.cosine_similarity(found, other, dim=2)[:, ::2].min() > 0.99
