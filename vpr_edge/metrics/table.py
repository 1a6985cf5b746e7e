"""Every figure's name, the heading it goes under, and which way is better: said once.

A name that ends in `_` stands for all that begin with it. The order is that of a report's columns.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

RARE = ("_p95_ms", "_p99_ms")
"""How names end of figures that rest on few runs, and so vary more than others."""
Better = Literal["high", "low", "neither"]


@dataclass(frozen=True)
class Metric:
    """A kind of figure.

    Attributes:
        name: as rows carry it, or the beginning of such names.
        label: heading of its column, one line feed at most; "" for the name itself.
        better: whether it should be high or low, or is not judged.
        share: whether the field writes it as a share of 1 rather than in per cent.
    """

    name: str
    label: str = ""
    better: Better = "low"
    share: bool = False


METRICS = (
    Metric("latency_median_ms", "median\nms"),
    Metric("latency_p95_ms", "95th\npercentile, ms"),
    Metric("latency_p99_ms", "99th\npercentile, ms"),
    Metric("latency_spread_ms", "spread\nof windows, ms", "neither"),
    # Of a single run, as are engine builds.
    Metric("first_call_ms", "first call\nms", "neither"),
    Metric("engine_build_ms", better="neither"),
    Metric("end_to_end_median_ms", "end to end\nmedian, ms"),
    Metric("end_to_end_p95_ms", "end to end\n95th, ms"),
    Metric("end_to_end_p99_ms", "end to end\n99th, ms"),
    Metric("end_to_end_spread_ms", better="neither"),
    Metric("peak_memory_bytes", "peak resident\nbytes"),
    Metric("arena_bytes", "arena\nbytes"),
    Metric("arena_bound_bytes", better="neither"),
    Metric("recall_at_1", "R@1", "high"),
    Metric("recall_at_5", "R@5", "high"),
    Metric("recall_at_10", "R@10", "high"),
    Metric("recall_at_", better="high"),
    Metric("repeatability", "Repeatability", "high", share=True),
    Metric("localization_error_px", "Loc. error\npx"),
    Metric("homography_d1", "d1", "high", share=True),
    Metric("homography_d3", "d3", "high", share=True),
    Metric("homography_d5", "d5", "high", share=True),
    Metric("matching_score", "MScore", "high", share=True),
    Metric("miou", "mIoU", "high"),
    Metric("pixel_accuracy", "pixels right", "high"),
    Metric("reference_cosine_", better="high"),
    Metric("macs", "MAC"),
    Metric("oracle_unequal_elements", "unlike TFLM\nelements"),
    Metric("oracle_max_lsb", "unlike TFLM\nLSB at most"),
    Metric("cpu_wait_fraction", better="neither"),
    Metric("runs", better="neither"),
    Metric("frames", better="neither"),
    Metric("operator_", better="neither"),
)


@cache
def metric(name: str) -> Metric:
    """The kind of figure that a row's name belongs to; a name of no kind here should be low."""
    for one in METRICS:
        if name == one.name or (one.name.endswith("_") and name.startswith(one.name)):
            return one
    return Metric(name)


def label(name: str) -> str:
    """A figure's name as a heading."""
    return metric(name).label or name.replace("_", " ")


def place(name: str) -> int:
    """Where a figure stands among a report's columns; those of no kind come last."""
    one = metric(name)
    return METRICS.index(one) if one in METRICS else len(METRICS)
