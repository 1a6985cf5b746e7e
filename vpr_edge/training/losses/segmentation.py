"""Losses of segmentation: cross-entropy counts pixels, Jaccard counts classes."""

from torch import Tensor
from torch.nn import functional

IGNORE = 11


def segmentation(logits: Tensor, labels: Tensor, class_weights: Tensor) -> Tensor:
    """Weighted cross-entropy and soft Jaccard; logits [N, K, h, w] go to half the labels' size.

    Cross-entropy counts pixels and the figure that is reported counts classes: the Jaccard term
    is that figure, with probabilities in the place of decisions, over the classes in the batch.

    Args:
        logits: at a quarter of the input.
        labels: int64 [N, H, W]; 11 is ignored.
        class_weights: [K].
    """
    labels = labels[:, ::2, ::2]
    if not bool((labels != IGNORE).any()):
        # Pictures with depth alone: a mean over nothing is no number.
        return logits.sum() * 0.0
    logits = functional.interpolate(
        logits, size=labels.shape[1:], mode="bilinear", align_corners=False
    )
    entropy = functional.cross_entropy(logits, labels, class_weights, ignore_index=IGNORE)
    return entropy + jaccard(logits.softmax(1), labels)


def jaccard(probabilities: Tensor, labels: Tensor) -> Tensor:
    """One minus the mean soft intersection over union of the classes that the labels hold.

    Args:
        probabilities: [N, K, H, W].
        labels: int64 [N, H, W]; 11 is ignored.
    """
    classes = probabilities.shape[1]
    judged = (labels != IGNORE)[:, None]
    truth = functional.one_hot(labels.clamp(max=classes), classes + 1)[..., :classes]
    truth = truth.permute(0, 3, 1, 2) * judged
    found = probabilities * judged
    both = (found * truth).sum((0, 2, 3))
    either = (found + truth - found * truth).sum((0, 2, 3))
    present = truth.sum((0, 2, 3)) > 0
    return 1 - (both / either.clamp(min=1e-6))[present].mean()
