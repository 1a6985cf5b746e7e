"""mIoU against scikit-learn, upsampling against torch, labels of the town."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vpr_edge.benchmarks.tasks.segmentation import evaluate_segmentation
from vpr_edge.datasets.camvid import load_camvid
from vpr_edge.datasets.images import Images
from vpr_edge.datasets.segmentation_set import Labels, SegmentationSet
from vpr_edge.errors import DataError
from vpr_edge.metrics.segmentation import confusion, iou_of, predicted_labels, resized_labels


def test_iou_and_accuracy_equal_scikit_learns_over_the_whole_set() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="the oracle: pip install scikit-learn")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 12, (5, 20, 30)).astype(np.uint8)
    guess = np.where(rng.random(labels.shape) < 0.4, labels % 11, rng.integers(0, 11, labels.shape))
    guess = guess.astype(np.uint8)
    counts = np.sum([confusion(g, t, 11, 11) for g, t in zip(guess, labels, strict=True)], axis=0)
    judged = labels != 11
    expected = metrics.jaccard_score(
        labels[judged], guess[judged], average=None, labels=list(range(11))
    )
    np.testing.assert_allclose(iou_of(counts), expected)
    assert np.array_equal(counts, metrics.confusion_matrix(labels[judged], guess[judged]))


def test_classes_that_never_occur_do_not_lower_the_mean() -> None:
    labels = np.array([[0, 0, 1, 11]], np.uint8)
    counts = confusion(np.array([[0, 1, 1, 5]], np.uint8), labels, 11, 11)
    assert counts.sum() == 3
    assert iou_of(counts)[:2].tolist() == [0.5, 0.5] and np.isnan(iou_of(counts)[2:]).all()


def test_logits_grow_bilinearly_as_torch_grows_them() -> None:
    torch = pytest.importorskip("torch", reason="torch is the oracle: install the extra [train]")
    logits = np.random.default_rng(1).normal(size=(30, 40, 11)).astype(np.float32)
    large = torch.nn.functional.interpolate(
        torch.tensor(logits).permute(2, 0, 1)[None], (120, 160), mode="bilinear"
    )
    expected = large[0].argmax(0).numpy()
    assert (predicted_labels(logits, (120, 160)) == expected).mean() > 0.999  # near-ties
    assert np.array_equal(predicted_labels(logits, (30, 40)), logits.argmax(-1))


def test_labels_answer_for_themselves(data_sets: Path) -> None:
    few = load_camvid(data_sets / "camvid", "train")
    answers = iter(few.labels)

    def oracle(image: np.ndarray) -> np.ndarray:
        labels = resized_labels(next(answers), (120, 160))
        return np.eye(12, dtype=np.float32)[labels][..., :11]

    scores = evaluate_segmentation(oracle, few)
    assert scores.miou == scores.accuracy == 1 and scores.terms == "train, 6 images"

    def only_road(image: np.ndarray) -> np.ndarray:
        return np.eye(11, dtype=np.float32)[np.full((30, 40), 3)]

    road = evaluate_segmentation(only_road, few)
    assert road.iou[3] == pytest.approx(road.accuracy) and 0.1 < road.accuracy < 0.5
    assert sum(value == 0 for value in road.iou) + sum(map(np.isnan, road.iou)) == 10


def test_a_set_without_labels_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "labels.png"
    Image.fromarray(np.full((8, 8), 11, np.uint8)).save(path)
    data = SegmentationSet(
        "void", Images(("a",), np.zeros((1, 8, 8, 3), np.uint8)), Labels((path,)), "1 image"
    )
    with pytest.raises(DataError, match="no pixel of void has a label"):
        evaluate_segmentation(lambda image: np.zeros((2, 2, 11), np.float32), data)
