"""The bench report's charts as inline SVG, drawn small enough to be read on a phone.

Colours are the page's CSS variables, so that a chart follows the page to dark and to print; every
mark has a `<title>`, which browsers show when it is pointed at.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 360, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 22, 40
NAME_WIDTH = 13
"""Of a bar with its name below it."""
SERIES = tuple(f"var(--series-{number})" for number in range(1, 7))
"""Colours by position; the page defines the variables."""


@dataclass(frozen=True)
class Point:
    """A mark of a scatter plot.

    Attributes:
        x, y: where.
        label: short, drawn beside it.
        title: shown when pointed at.
        series: index of its colour.
        hollow: whether only its outline is drawn.
        size: radius.
    """

    x: float
    y: float
    label: str
    title: str
    series: int = 0
    hollow: bool = False
    size: float = 5.0


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        title: what and in which unit.
        log: whether it is logarithmic.
        least_span: the least range it shows, so that small differences look small.
        top: no value can be greater.
    """

    title: str
    log: bool = False
    least_span: float = 0.0
    top: float = math.inf


@dataclass(frozen=True)
class Block:
    """A rectangle in a map of memory over time: steps first to last, bytes from `offset` on."""

    title: str
    first: int
    last: int
    offset: int
    bytes: int
    scratch: bool = False


def scatter(points: Sequence[Point], x: Axis, y: Axis) -> str:
    """Points under two axes."""
    across = _Scale(_spread([p.x for p in points], x), LEFT, WIDTH - RIGHT, x.log)
    up = _Scale(_spread([p.y for p in points], y), HEIGHT - BOTTOM, TOP, y.log)
    parts = _frame(across, up, x.title, y.title)
    # Labels keep clear of other points, and of one another.
    taken = [(across(p.x), up(p.y)) for p in points]
    for point in points:
        at = (across(point.x), up(point.y))
        color = SERIES[point.series % len(SERIES)]
        fill = f'fill="var(--paper)" stroke="{color}" stroke-width="1.8"'
        if not point.hollow:
            fill = f'fill="{color}" fill-opacity="0.85"'
        parts.append(
            f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{point.size:.1f}" {fill}>'
            f"<title>{escape(point.title)}</title></circle>"
        )
        parts.append(_label(at, point, taken))
    return _svg(parts, f"{y.title} against {x.title}")


def memory_map(blocks: Sequence[Block], limit: int, steps: int) -> str:
    """Where each tensor lies in the arena while the layers run.

    Args:
        blocks: tensors and scratch memory.
        limit: size of the arena, bytes.
        steps: how many layers there are.
    """
    across = _Scale([0, steps], LEFT, WIDTH - RIGHT)
    up = _Scale([0, limit / 1024], HEIGHT - BOTTOM, TOP)
    parts = _frame(across, up, "layer", "KiB of the arena")
    for index, block in enumerate(sorted(blocks, key=lambda b: (b.first, b.offset))):
        left, right = across(max(block.first, 0)), across(min(block.last + 1, steps))
        top, bottom = up((block.offset + block.bytes) / 1024), up(block.offset / 1024)
        color = "var(--soft)" if block.scratch else SERIES[index % len(SERIES)]
        parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{max(right - left, 0.6):.1f}" '
            f'height="{max(bottom - top, 0.6):.1f}" fill="{color}" fill-opacity="0.55" '
            f'stroke="var(--paper)" stroke-width="0.5"><title>{escape(block.title)}</title></rect>'
        )
    top = up(limit / 1024)
    parts.append(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{top:.1f}" y2="{top:.1f}" '
        'stroke="var(--ink)" stroke-width="1" stroke-dasharray="3 3"/>'
    )
    return _svg(parts, "memory over time")


def bars(values: Sequence[tuple[str, float, bool]], y: str, named: bool = False) -> str:
    """A bar a layer.

    Args:
        values: what it is, how much, and whether it is to stand out.
        y: title of the upright axis.
        named: whether each bar's name stands below it, on a sheet wide enough for all.
    """
    width = max(WIDTH, LEFT + RIGHT + NAME_WIDTH * len(values)) if named else WIDTH
    across = _Scale([0, len(values)], LEFT, width - RIGHT)
    up = _Scale([0, *(value for _, value, _ in values)], HEIGHT - BOTTOM, TOP)
    parts = _frame(None if named else across, up, "" if named else "layer", y, width)
    for index, (name, value, stands_out) in enumerate(values):
        left, right, top = across(index + 0.1), across(index + 0.9), up(max(value, 0))
        color = "var(--wrong)" if stands_out else "var(--accent)"
        parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
            f'height="{up(0) - top:.1f}" fill="{color}"><title>{escape(name)}</title></rect>'
        )
        if named:
            at, foot = across(index + 0.5) + 3, HEIGHT - BOTTOM + 6
            parts.append(
                f'<text x="{at:.1f}" y="{foot}" text-anchor="end" '
                f'transform="rotate(-90 {at:.1f} {foot})">{escape(name)}</text>'
            )
    below = max((6 * len(name) for name, _, _ in values), default=0) - BOTTOM if named else 0
    return _svg(parts, f"{y} by layer", width, HEIGHT + max(below + 10, 0))


@dataclass(frozen=True)
class Curve:
    """A line through points: shown when pointed at, its points, and the index of its colour."""

    title: str
    x: Sequence[float]
    y: Sequence[float]
    series: int


def lines(curves: Sequence[Curve], x: str, y: str, named: bool = False) -> str:
    """Curves under two axes, the upright one from 0; `named` with a legend above them."""
    xs = [value for curve in curves for value in curve.x]
    ys = [value for curve in curves for value in curve.y]
    across = _Scale(xs, LEFT, WIDTH - RIGHT)
    up = _Scale([0, *ys], HEIGHT - BOTTOM, TOP)
    parts = _frame(across, up, x, y)
    for curve in curves:
        path = " ".join(
            f"{across(a):.1f},{up(b):.1f}" for a, b in zip(curve.x, curve.y, strict=True)
        )
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{SERIES[curve.series % len(SERIES)]}" '
            f'stroke-width="1.8"><title>{escape(curve.title)}</title></polyline>'
        )
    if named:
        parts += [_legend(curve, line) for line, curve in enumerate(curves)]
    return _svg(parts, f"{y} over {x}")


def _legend(curve: Curve, line: int) -> str:
    """A stroke of the curve's colour and its name, in the lower right corner, line by line."""
    y = HEIGHT - BOTTOM - 10 - 14 * line
    return (
        f'<line x1="{WIDTH - RIGHT - 18}" x2="{WIDTH - RIGHT - 4}" y1="{y}" y2="{y}" '
        f'stroke="{SERIES[curve.series % len(SERIES)]}" stroke-width="2.4"/>'
        f'<text class="label" x="{WIDTH - RIGHT - 23}" y="{y + 3.5}" text-anchor="end">'
        f"{escape(curve.title)}</text>"
    )


class _Scale:
    """From values to coordinates, with room at both ends, and round ticks."""

    def __init__(self, values: Sequence[float], low: float, high: float, log: bool = False) -> None:
        self.log = log and min(values) > 0
        self.map: Callable[[float], float] = math.log10 if self.log else float
        least, most = self.map(min(values)), self.map(max(values))
        room = 0.08 * (most - least) or (0.3 if self.log else 0.05 * abs(most) or 1.0)
        # A scale that begins at nothing begins there exactly.
        self.least = least if least == 0 and not self.log else least - room
        self.most = most + room
        self.low, self.high = low, high

    def __call__(self, value: float) -> float:
        share = (self.map(value) - self.least) / (self.most - self.least)
        return self.low + share * (self.high - self.low)

    def ticks(self) -> list[float]:
        """Four or so round values within the scale."""
        if self.log:
            powers = range(math.floor(self.least), math.ceil(self.most) + 1)
            for digits in ((1, 2, 5), (1, 3), (1,)):
                found = [d * 10.0**p for p in powers for d in digits]
                found = [v for v in found if self.least <= math.log10(v) <= self.most]
                if len(found) <= 7:
                    break
            if len(found) >= 2:
                return found
        least, most = self.least, self.most
        if self.log:
            least, most = 10**least, 10**most
        rough = (most - least) / 4
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(d * power for d in (1, 2, 2.5, 5, 10) if d * power >= rough)
        first = math.ceil(least / step)
        return [n * step for n in range(first, math.floor(most / step) + 1)]


def _spread(values: Sequence[float], axis: Axis) -> list[float]:
    """The values and, where they lie too close together, ends further apart."""
    missing = axis.least_span - (max(values) - min(values))
    if missing <= 0:
        return list(values)
    high = min(max(values) + missing / 2, axis.top)
    return [*values, high, high - axis.least_span]


def _frame(across: _Scale | None, up: _Scale, x: str, y: str, width: int = WIDTH) -> list[str]:
    """Grid, ticks and titles; the horizontal axis has none where there is no scale."""
    parts = []
    for value in up.ticks():
        at = up(value)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{width - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
            f'<text x="{LEFT - 6}" y="{at + 3.5:.1f}" text-anchor="end">{_number(value)}</text>'
        )
    for value, at in [(v, across(v)) for v in across.ticks()] if across else []:
        parts.append(
            f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">'
            f"{_number(value)}</text>"
        )
    parts.append(
        f'<text class="axis" x="{width - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{escape(x)}'
        f'</text><text class="axis" x="2" y="10">{escape(y)}</text>'
    )
    return parts


def _label(at: tuple[float, float], point: Point, taken: list[tuple[float, float]]) -> str:
    """The point's label, on the first of four sides where no other label is."""
    reach = point.size + 3
    sides = ((reach, 3.5, "start"), (-reach, 3.5, "end"), (0, -reach, "middle"),
             (0, reach + 8, "middle"))  # fmt: skip
    for dx, dy, anchor in sides:
        x, y = at[0] + dx, at[1] + dy
        long = 6.0 * len(point.label)
        middle = x + {"start": long / 2, "end": -long / 2}.get(anchor, 0.0)
        free = all(
            abs(middle - a) > 8 + long / 2 or abs(y - 3.5 - b) > 9 for a, b in taken if (a, b) != at
        )
        if free and LEFT < middle < WIDTH - 4 and TOP - 8 < y < HEIGHT - BOTTOM:
            taken.append((middle, y - 3.5))
            break
    else:
        # No side is free: better a label that touches another than none.
        x, y, anchor = at[0] + reach, at[1] + 3.5, "start"
    return (
        f'<text class="label" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(point.label)}</text>"
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _svg(parts: Sequence[str], about: str, width: int = WIDTH, height: int = HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(about)}">'
        f"{''.join(parts)}</svg>"
    )
