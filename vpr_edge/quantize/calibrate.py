"""First activation ranges from data: where QAT starts, and all there is to post-training int8."""

from collections.abc import Iterable
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vpr_edge.arithmetic.affine import INT8_MAX, SMALLEST_SCALE, Affine, affine_from_range
from vpr_edge.errors import DataError
from vpr_edge.quantize.fake import FakeQuantConvolution, FakeQuantNetwork, producers
from vpr_edge.quantize.gem import even_out

BINS = 2048
# Shares of the seen range that are tried at either end.
CLIPS = np.linspace(0.2, 1.0, 41)


def calibrate(network: FakeQuantNetwork, batches: Iterable[Tensor]) -> FakeQuantNetwork:
    """Set every group's scale and zero point so that its squared quantisation error is least.

    The float network is run (twice: range, then histogram), and for each group of maps the clip
    is chosen whose clamping and rounding errors have the least sum of squares. Before that the
    channels of a GeM head are evened out (`quantize.gem`).

    Args:
        network: changed in place.
        batches: float images [N, 3, H, W] in [0, 1].

    Returns:
        `network`.

    Raises:
        DataError: no images.
    """
    pictures = list(batches)
    if not pictures:
        raise DataError("there are no images to calibrate with; give at least one.")
    _even_out_gem(network, pictures)
    members = {
        group: [node.name for node in producers(network.graph, network.groups, group)]
        for group in network.quantizers
    }
    ranges = dict.fromkeys(members, (0.0, 0.0))
    for values in _maps(network, pictures):
        for group, names in members.items():
            low, high = ranges[group]
            for name in names:
                low = min(low, float(values[name].min()))
                high = max(high, float(values[name].max()))
            ranges[group] = (low, high)
    histograms = {group: np.zeros(BINS) for group in members}
    for values in _maps(network, pictures):
        for group, names in members.items():
            low, high = ranges[group]
            for name in names:
                counts = torch.histc(values[name].flatten(), BINS, low, high)
                histograms[group] += counts.cpu().numpy()
    for group in members:
        best = best_affine(histograms[group], *ranges[group], network.symmetric)
        network.quantizer(group).set(best)
    return network


def _even_out_gem(network: FakeQuantNetwork, pictures: list[Tensor]) -> None:
    if network.gem is None:
        return
    source = network.gem.source.name
    seen = [values[source].amax(dim=(0, 2, 3)) for values in _maps(network, pictures)]
    layer = cast(FakeQuantConvolution, network.layer(source))
    network.place_gain *= even_out(layer.weight, layer.bias, torch.stack(seen).amax(dim=0))


@torch.no_grad()
def _maps(network: FakeQuantNetwork, pictures: list[Tensor]) -> Iterable[dict[str, Tensor]]:
    device = next(network.parameters()).device
    for batch in pictures:
        yield network.real(batch.to(device))


def best_affine(
    histogram: NDArray[np.float64], low: float, high: float, symmetric: bool = False
) -> Affine:
    """The parameters with the least squared error on a histogram.

    Args:
        histogram: counts [bins] of equal width over [low, high].
        low, high: the range seen; low is at most 0 and high at least 0.
        symmetric: whether the zero point is to be 0.
    """
    if low == high:
        return Affine(np.float32(1), 0) if symmetric else affine_from_range(low, high)
    centers = low + (np.arange(len(histogram)) + 0.5) * (high - low) / len(histogram)
    if symmetric:
        steps = CLIPS * max(-low, high) / INT8_MAX
        tried = [Affine(np.float32(max(step, SMALLEST_SCALE)), 0) for step in steps]
    else:
        lows = CLIPS * low if low < 0 else np.zeros(1)
        highs = CLIPS * high if high > 0 else np.zeros(1)
        tried = [affine_from_range(a, b) for a in lows for b in highs if a < b]
    errors = [_squared_error(histogram, centers, affine) for affine in tried]
    return tried[int(np.argmin(errors))]


def _squared_error(
    histogram: NDArray[np.float64], centers: NDArray[np.float64], affine: Affine
) -> float:
    scale = float(affine.scale)
    least, most = (scale * (q - affine.zero_point) for q in (-128, 127))
    clipped = centers - np.clip(centers, least, most)
    inside = clipped == 0
    # Inside, the error of rounding is uniform: a histogram's bins are too coarse to round them.
    return float(histogram @ (clipped**2 + inside * scale**2 / 12))
