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
    target = losses.corner_targets(image)
    grey = image[0].mean(0).numpy()
    oracle = cv2.cornerMinEigenVal(grey, blockSize=3, ksize=3)
    best = [oracle[r : r + 8, c : c + 8].max() for r in range(0, 120, 8) for c in range(0, 160, 8)]
    x, y = target.positions[0].long().T.numpy()
    inner = (x > 8) & (x < 150) & (y > 8) & (y < 110)
    assert (oracle[y, x] >= 0.97 * np.array(best))[inner].mean() > 0.95
    assert 0.4 < float(target.strength.median()) < 0.6
    rows, columns = np.divmod(target.inside[0].numpy(), 8)
    cells = np.arange(300)
    np.testing.assert_array_equal(x, cells % 20 * 8 + columns)
    np.testing.assert_array_equal(y, cells // 20 * 8 + rows)


def test_perfect_keypoints_pay_nothing_for_corners_and_others_do() -> None:
    picture = _smooth_pictures(1)[:, ::2, ::2]
    image = torch.from_numpy(picture).permute(0, 3, 1, 2).float() / 255
    target = losses.corner_targets(image)
    centred = torch.zeros(1, 2, 15, 20)
    offsets = (target.positions - losses.keypoint_positions(centred)) / losses.CELL
    location = torch.atanh(offsets).transpose(1, 2).reshape(1, 2, 15, 20)
    inside = 50.0 * functional.one_hot(target.inside, 64).float().transpose(1, 2)
    score = torch.logit(target.strength**2, eps=1e-6).reshape(1, 1, 15, 20)
    right = losses.corners(location, score, inside.reshape(1, 64, 15, 20), image)
    wrong = losses.corners(centred, -score, torch.zeros(1, 64, 15, 20), image)
    assert float(right["corners"]) < 1e-6 and float(right["inside"]) < 1e-6
    assert abs(float(wrong["inside"]) - np.log(64) / 4) < 1e-5
    assert float(wrong["corners"]) > 0.1
    assert float(wrong["strength"]) > 1.5 * float(right["strength"])


def test_soft_jaccard_of_decisions_is_the_miou_of_the_classes_present() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, 5, 11], (2, 30, 40))
    found = rng.choice([0, 1, 2, 7], labels.shape)
    decided = functional.one_hot(torch.from_numpy(found), 11).permute(0, 3, 1, 2).float()
    judged = labels != 11
    ious = [
        ((labels == k) & (found == k))[judged].sum() / ((labels == k) | (found == k))[judged].sum()
        for k in (0, 1, 2, 5)
    ]
    value = losses.jaccard(decided, torch.from_numpy(labels))
    assert abs(float(value) - (1 - np.mean(ious))) < 1e-6


def test_ignored_pixels_do_not_reach_the_segmentation_loss() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 11, 6, 8, requires_grad=True)
    labels = torch.randint(0, 11, (1, 24, 32))
    labels[:, :, 16:] = 11
    losses.segmentation(logits, labels, torch.ones(11)).backward()
    assert logits.grad is not None
    # Column 4 still reaches the labelled half by the enlargement; the ones beyond do not.
    assert float(logits.grad[..., 5:].abs().max()) == 0.0
    assert float(logits.grad[..., :4].abs().max()) > 0.0


def test_relation_compares_cosines_whatever_the_space() -> None:
    torch.manual_seed(0)
    targets = torch.randn(6, 5)
    turned = torch.linalg.qr(torch.randn(9, 5)).Q
    same = functional.normalize(targets @ turned.T, dim=1)
    assert float(losses.relation(same, 3 * targets)) < 1e-9
    other = functional.normalize(torch.randn(6, 9), dim=1)
    cosines = [functional.cosine_similarity(v[:, None], v[None], dim=2) for v in (other, targets)]
    expected = 100 * float(((cosines[0] - cosines[1]) ** 2).mean())
    assert abs(float(losses.relation(other, targets)) - expected) < 1e-4


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


def test_every_picture_may_have_its_own_strength_of_light() -> None:
    images = torch.rand(2, 3, 30, 40)
    strength = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    lit = photometric(images, torch.Generator().manual_seed(3), strength)
    assert torch.allclose(lit[0], images[0], atol=1e-3)
    assert float((lit[1] - images[1]).abs().mean()) > 0.02
