"""The report's pictures and plots, as data URIs and inline SVG."""

import base64
import io
from collections.abc import Mapping, Sequence

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vpr_edge.datasets.segmentation_set import COLORS, IGNORE
from vpr_edge.metrics.keypoints import Keypoints
from vpr_edge.quantize.sensitivity import LayerError

matplotlib.use("svg")
from matplotlib import pyplot as plt

FLOAT_COLOR, INT8_COLOR, WEAK_COLOR = "#8a97a6", "#0b7a75", "#c8472f"
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
    """Recall@N for N = 1, 2, ... as inline SVG; one line a curve."""
    figure, axes = plt.subplots(figsize=(6.2, 3.4))
    colors = [FLOAT_COLOR, INT8_COLOR, "#c98a1b", "#7a4fb0"]
    for (name, curve), color in zip(curves.items(), colors, strict=False):
        style = "--" if name == next(iter(curves)) else "-"
        x = np.arange(1, len(curve) + 1)
        axes.plot(x, np.array(curve) * 100, style, label=name, color=color, linewidth=2)
    axes.set_xlabel("N")
    axes.set_xticks([1, 5, 10, 15, 20])
    axes.set_ylabel("recall@N, %")
    axes.set_ylim(top=100.5)
    axes.legend(frameon=False, loc="lower right")
    return _svg(figure)


def layer_plot(layers: Sequence[LayerError]) -> str:
    """Signal to noise of every layer's int8 map as inline SVG; the weakest five are coloured."""
    known = [n for n in layers if n.op != "input" and np.isfinite(n.snr_db)]
    weakest = sorted(known, key=lambda layer: layer.snr_db)[:5]
    figure, axes = plt.subplots(figsize=(0.2 * len(known) + 0.8, 3.6))
    colors = [WEAK_COLOR if layer in weakest else INT8_COLOR for layer in known]
    axes.bar([layer.node for layer in known], [layer.snr_db for layer in known], color=colors)
    axes.tick_params(axis="x", labelsize=8, rotation=90)
    axes.set_xlim(-0.8, len(known) - 0.2)
    axes.set_ylabel("signal to noise, dB")
    return _svg(figure)


def _svg(figure: "plt.Figure") -> str:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.set_axisbelow(True)
    figure.tight_layout()
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True)
    plt.close(figure)
    return stream.getvalue().partition("<svg")[1] + stream.getvalue().partition("<svg")[2]
