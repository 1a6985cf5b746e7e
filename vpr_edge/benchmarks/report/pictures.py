"""The report's pictures and plots, as data URIs and inline SVG."""

import base64
import io
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vpr_edge.benchmarks.report.charts import Curve, bars, lines
from vpr_edge.datasets.segmentation_set import COLORS, IGNORE
from vpr_edge.metrics.keypoints import Keypoints
from vpr_edge.quantize.sensitivity import LayerError

RIGHT, WRONG = (30, 150, 90), (200, 60, 50)
Picture = NDArray[np.uint8]


def jpeg_uri(picture: Picture) -> str:
    """A picture uint8 [H, W, 3] as a data URI."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def draw_matches(
    a: Picture,
    b: Picture,
    found: tuple[Keypoints, Keypoints],
    matches: Sequence[tuple[int, int, bool]],
    zoom: int = 3,
) -> Picture:
    """Two pictures side by side with keypoints, and matches in green (right) or red.

    Args:
        a, b: uint8 [H, W, 3].
        found: their keypoints.
        matches: index in a, index in b, whether right.
        zoom: enlargement.
    """
    size = (a.shape[1] * zoom, a.shape[0] * zoom)
    sheet = np.hstack([cv2.resize(p, size, interpolation=cv2.INTER_CUBIC) for p in (a, b)])
    shift = np.array([[0, 0], [size[0], 0]])
    points = [((k.xy + 0.5) * zoom + s).astype(int) for k, s in zip(found, shift, strict=True)]
    for xy in np.concatenate(points):
        cv2.circle(sheet, tuple(map(int, xy)), 3, (255, 220, 90), 1, cv2.LINE_AA)
    for i, j, right in matches:
        color = RIGHT if right else WRONG
        ends = (tuple(map(int, points[0][i])), tuple(map(int, points[1][j])))
        cv2.line(sheet, *ends, color, 1, cv2.LINE_AA)
    return np.asarray(sheet, np.uint8)


def overlay(picture: Picture, labels: NDArray[np.uint8]) -> Picture:
    """A picture with its classes painted over; ignored pixels stay as they are."""
    painted = 0.45 * picture + 0.55 * COLORS[labels]
    return np.where((labels == IGNORE)[..., None], picture, painted).astype(np.uint8)


def recall_plot(curves: Mapping[str, Sequence[float]]) -> str:
    """Recall@N for N = 1, 2, ... as inline SVG; one line a curve, its name beside it."""
    drawn = [
        Curve(name, range(1, len(curve) + 1), [100 * value for value in curve], series)
        for series, (name, curve) in enumerate(curves.items())
    ]
    return lines(drawn, "N", "recall@N, %", named=True)


def layer_plot(layers: Sequence[LayerError]) -> str:
    """Signal to noise of every layer's int8 map as inline SVG; the weakest five are coloured."""
    known = [n for n in layers if n.op != "input" and np.isfinite(n.snr_db)]
    weakest = sorted(known, key=lambda layer: layer.snr_db)[:5]
    values = [(layer.node, layer.snr_db, layer in weakest) for layer in known]
    return bars(values, "signal to noise, dB", named=True)
