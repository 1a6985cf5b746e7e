"""Views and their homographies, draws by the seed, and what a batch is made of."""

import cv2
import numpy as np
import torch

from vpr_edge.preprocessing import Preprocessing
from vpr_edge.training.augment import apply_homography, photometric, view
from vpr_edge.training.batches import (
    Data,
    KeypointBatch,
    StepBatch,
    draw_batch,
    keypoint_batch,
    segmentation_batch,
)
from vpr_edge.training.prefetch import Prefetcher
from vpr_edge.training.recipe import Batch, Recipe
from vpr_edge.training.sources import LabelledSource
from vpr_edge.training.teacher import KeypointTargets


def _smooth_pictures(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (count, 12, 16, 3)).astype(np.uint8)
    return np.stack([cv2.resize(p, (320, 240), interpolation=cv2.INTER_CUBIC) for p in small])


def _batch(count: int = 4) -> KeypointBatch:
    data = Data(Preprocessing(120, 160), (), (), None, _smooth_pictures(count), None, ())
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


def test_labelled_pictures_come_by_the_shares_of_the_recipe() -> None:
    blank = np.zeros((1, 120, 160, 3), np.uint8)
    sources = tuple(
        LabelledSource(name, blank, np.full((1, 120, 160), label, np.uint8))
        for name, label in (("town", 3), ("camvid", 5))
    )
    data = Data(Preprocessing(120, 160), (), (), None, blank, None, sources)

    def share_of_camvid(town: float, camvid: float) -> float:
        recipe = Recipe(batch=Batch(segmentation=200), labelled={"town": town, "camvid": camvid})
        draws = np.random.default_rng(0), torch.Generator().manual_seed(0)
        labels = segmentation_batch(data, recipe, *draws).labels
        return float((labels[:, 60, 80] == 5).float().mean())

    assert share_of_camvid(1.0, 0.0) == 0.0
    assert abs(share_of_camvid(0.25, 0.75) - 0.75) < 0.1


def test_depth_shrinks_as_the_view_comes_nearer() -> None:
    stripes = np.tile(np.arange(160, dtype=np.uint8) // 16, (1, 120, 1))
    depth = np.full((1, 120, 160), 6.0, np.float32)
    pictures = np.zeros((1, 120, 160, 3), np.uint8)
    data = Data(
        Preprocessing(120, 160), (), (), None, pictures, None,
        (LabelledSource("town", pictures, stripes, depth),),
    )  # fmt: skip
    recipe = Recipe(batch=Batch(segmentation=40), labelled={"town": 1.0})
    g = torch.Generator().manual_seed(0)
    batch = segmentation_batch(data, recipe, np.random.default_rng(0), g)
    assert batch.rendered.all()
    found = batch.depth.mean((1, 2)).numpy()
    assert np.allclose(batch.depth.amax((1, 2)), batch.depth.amin((1, 2)))
    # The width of a stripe in pixels says how near the view is.
    middle = batch.labels[:, 60]
    width = [int((row == row[80]).sum()) for row in middle]
    assert np.corrcoef(1 / np.array(width), found)[0, 1] > 0.6
    assert found.min() < 5.5 < 6.2 < found.max()


def test_what_a_keypoint_teacher_sees_moves_with_the_views() -> None:
    """A teacher whose score is the picture's red channel."""
    pictures = _smooth_pictures(4)
    score = (pictures[..., 0] / 255).astype(np.float16)
    descriptor = np.zeros((4, 2, 3, 4), np.float16)
    data = Data(
        Preprocessing(120, 160), (), (), None, pictures, KeypointTargets(score, descriptor), ()
    )
    batch = keypoint_batch(data, 4, np.random.default_rng(1), torch.Generator().manual_seed(1))
    assert batch.taught is not None
    assert float((batch.taught.score_b - batch.clean_b[:, :1]).abs().max()) < 2e-3
    again = view(batch.clean_a, torch.linalg.inv(batch.taught.to_a), 240, 320)
    assert again.shape == (4, 3, 240, 320)


def test_a_step_draws_the_same_again_and_every_device_something_else(data: Data) -> None:
    recipe = Recipe(batch=Batch(3, 1, 2), labelled={"town": 1.0}, seed=5)
    first, again = draw_batch(data, recipe, 7), draw_batch(data, recipe, 7)
    others = [draw_batch(data, recipe, 8), draw_batch(data, recipe, 7, rank=1)]
    for group in ("places", "keypoints", "labelled"):
        images = [getattr(batch, group)[0] for batch in (first, again, *others)]
        assert torch.equal(images[0], images[1])
        assert not any(torch.equal(images[0], other) for other in images[2:])


def test_an_empty_part_of_a_batch_is_not_drawn(data: Data) -> None:
    batch = draw_batch(data, Recipe(batch=Batch(0, 0, 2)), 0)
    assert batch.places is None and batch.keypoints is None
    assert batch.labelled is not None and len(batch.labelled.images) == 2


def test_a_batch_drawn_ahead_is_the_one_that_would_be_drawn(data: Data) -> None:
    recipe = Recipe(batch=Batch(2, 1, 1), labelled={"town": 1.0})
    asked: list[int] = []

    def draw(step: int) -> StepBatch:
        asked.append(step)
        return draw_batch(data, recipe, step)

    batches = Prefetcher(draw)
    batches.prepare(3)
    found = [batches(3), batches(4)]
    batches.close()
    assert asked == [3, 4]
    for step, batch in zip((3, 4), found, strict=True):
        plain = draw_batch(data, recipe, step)
        assert batch.places is not None and plain.places is not None
        assert torch.equal(batch.places.images, plain.places.images)
