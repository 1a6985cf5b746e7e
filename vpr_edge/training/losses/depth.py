"""The loss of depth maps: how far the logarithms are off, an unknown common scale forgiven."""

from torch import Tensor
from torch.nn import functional

VARIANCE_FOCUS = 0.5
"""Lambda of Eigen et al.: 0 is the mean squared error of logarithms, 1 forgives any scale."""


def scale_invariant_log(log_depth: Tensor, depth: Tensor) -> Tensor:
    """Scale-invariant error in log space (SILog; Eigen et al., arXiv 1406.2283, equation 4).

    Args:
        log_depth: the network's output [N, 1, h, w], natural logarithms of metres.
        depth: float [N, H, W] in metres; 0 where it is unknown (sky).

    Returns:
        The mean over pictures of mean(d^2) - lambda mean(d)^2, d the difference of logarithms over
        the known pixels; pictures without any count as 0.
    """
    # The nearest pixel, not a mean: between a house and the sky there is no surface.
    truth = functional.interpolate(depth[:, None], size=log_depth.shape[2:], mode="nearest")
    known = truth > 0
    gaps = (log_depth - truth.clamp(min=1e-3).log()) * known
    count = known.sum((1, 2, 3)).clamp(min=1)
    squared = (gaps**2).sum((1, 2, 3)) / count
    mean = gaps.sum((1, 2, 3)) / count
    return (squared - VARIANCE_FOCUS * mean**2).mean()
