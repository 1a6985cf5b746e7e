"""Views, their homographies, and the losses on them."""

import cv2
import numpy as np
import torch
from torch.nn import functional

from vpr_edge.preprocessing import Preprocessing
from vpr_edge.training import losses
from vpr_edge.training.augment import apply_homography, photometric
from vpr_edge.training.batches import Data, keypoint_batch


def _smooth_pictures(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (count, 12, 16, 3)).astype(np.uint8)
    return np.stack([cv2.resize(p, (320, 240), interpolation=cv2.INTER_CUBIC) for p in small])


def _batch(count: int = 4):
    data = Data(Preprocessing(120, 160), (), (), None, _smooth_pictures(count), ())
    return keypoint_batch(data, count, np.random.default_rng(1), torch.Generator().manual_seed(1))


def test_the_homography_of_a_pair_maps_equal_colours_onto_each_other() -> None:
    batch = _batch()
    columns, rows = np.meshgrid(np.arange(20, 140, 6), np.arange(20, 100, 6))
    points = torch.from_numpy(np.stack([columns, rows], -1).reshape(1, -1, 2)).float()
    for k in range(len(batch.a)):
        mapped = apply_homography(batch.a_to_b[k : k + 1], points)[0].numpy()
        inside = ((mapped > 2) & (mapped < [157, 117])).all(1)
        # OpenCV's own interpolation of view b, at the mapped positions.
        seen = cv2.remap(
            batch.clean_b[k].permute(1, 2, 0).numpy(),
            mapped[None].astype(np.float32),
            None,
            cv2.INTER_LINEAR,
        )[0]
        there = batch.clean_a[k].permute(1, 2, 0).numpy()[rows.ravel(), columns.ravel()]
        assert inside.sum() > 50
        assert np.abs(seen - there)[inside].mean() < 0.01


def test_equal_views_with_centred_positions_lose_nothing_in_location() -> None:
    torch.manual_seed(0)
    a = {
        "score": torch.zeros(1, 1, 15, 20),
        "location": torch.zeros(1, 2, 15, 20),
        "descriptor": torch.randn(1, 64, 15, 20),
    }
    found = losses.keypoints(a, a, torch.eye(3)[None])
    assert float(found["location"]) < 1e-6
    assert float(found["descriptor"]) < 0.1
    other = dict(a, descriptor=torch.randn(1, 64, 15, 20))
    assert float(losses.keypoints(a, other, torch.eye(3)[None])["descriptor"]) > 3


def test_corner_targets_are_those_of_opencv() -> None:
    picture = _smooth_pictures(1)[:, ::2, ::2]
    image = torch.from_numpy(picture).permute(0, 3, 1, 2).float() / 255
    positions, weights = losses.corner_targets(image)
    grey = image[0].mean(0).numpy()
    oracle = cv2.cornerMinEigenVal(grey, blockSize=5, ksize=1)
    best = [oracle[r : r + 8, c : c + 8].max() for r in range(0, 120, 8) for c in range(0, 160, 8)]
    x, y = positions[0].long().T.numpy()
    inner = (x > 8) & (x < 150) & (y > 8) & (y < 110)
    assert (oracle[y, x] >= 0.97 * np.array(best))[inner].mean() > 0.95
    assert 0.4 < float(weights.median()) < 0.6


def test_contrastive_loss_is_cross_entropy_over_all_other_pictures() -> None:
    torch.manual_seed(0)
    a, b = (functional.normalize(torch.randn(5, 8), dim=1) for _ in range(2))
    value = losses.contrastive(a, b, torch.zeros(5, 5, dtype=torch.bool), 0.1)
    everything = torch.cat([a, b])
    expected = []
    for i in range(10):
        partner = (i + 5) % 10
        scores = {j: float(everything[i] @ everything[j]) / 0.1 for j in range(10) if j != i}
        total = np.log(sum(np.exp(s) for s in scores.values()))
        expected.append(total - scores[partner])
    assert abs(float(value) - np.mean(expected)) < 1e-5


def test_ignored_neighbours_are_no_negatives() -> None:
    torch.manual_seed(0)
    a, b = (functional.normalize(torch.randn(4, 8), dim=1) for _ in range(2))
    all_but_own = ~torch.eye(4, dtype=torch.bool)
    # With every other place ignored nothing is left to be told apart from.
    assert float(losses.contrastive(a, b, all_but_own, 0.1)) == 0.0
    some = all_but_own & (torch.arange(4) < 2) & (torch.arange(4)[:, None] < 2)
    none = torch.zeros(4, 4, dtype=torch.bool)
    assert losses.contrastive(a, b, some, 0.1) < losses.contrastive(a, b, none, 0.1)


def test_photometric_draws_repeat_by_their_seed_and_stay_in_range() -> None:
    images = torch.rand(3, 3, 30, 40)
    first, again, other = (
        photometric(images, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert float(first.min()) >= 0 and float(first.max()) <= 1
    assert torch.allclose(photometric(images, torch.Generator(), 0.0), images, atol=1e-3)
