"""The table of `bench` on a terminal: a column an artefact on a device, as wide as the terminal."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vpr_edge.benchmarks.compare import Change
from vpr_edge.benchmarks.rows import Row
from vpr_edge.commands.console import format_value, output_width, print_rows, print_table, printable
from vpr_edge.escapes import for_terminal

METHODS = ("static", "measured", "emulated", "predicted")
HEADING = 18
"""Characters at which a heading is broken."""
BORDER = 3
"""Characters between two cells."""
FIRST = (
    "latency_median_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "latency_spread_ms",
    "runs",
    "cpu_wait_fraction",
    "end_to_end_median_ms",
    "end_to_end_p95_ms",
    "end_to_end_spread_ms",
    "first_call_ms",
    "peak_memory_bytes",
)
"""Figures that head their part of a table, in this order; the others follow as they come."""
Column = tuple[str, str]


def print_bench(rows: Sequence[Row], terms: str = "", width: int | None = None) -> None:
    """Print the rows of a run.

    A table of what the files say, one of what was measured and emulated with ratios at its end, one
    of layers, one of predictions, and one for each data set. Operators are left to JSON.

    Args:
        rows: to print.
        terms: of what was measured on this machine.
        width: in characters; by default the terminal's.
    """
    said = [row for row in printable(rows) if not row.metric.startswith("operator_")]
    static = [row for row in said if not row.device]
    alike = [row for row in said if row.device and not row.data]
    layers = [row for row in alike if row.metric.startswith("layer_")]
    predicted = [row for row in said if row.method == "predicted"]
    judged = [row for row in said if row.data and row.method != "predicted"]
    for part, title in (
        (static, "as the files say"),
        (
            [row for row in alike if row not in layers],
            "on the devices" + (f"; {terms}" if terms else ""),
        ),
        (layers, "layer by layer"),
    ):
        print_wide(part, title, width)
    if predicted:
        lines = [(row.artefact, row.device, f"{row.value:.1f}") for row in predicted]
        print_table(("artefact", "board", "ms"), lines, "predicted, not measured", "llr")
        for device, terms_of_it in dict.fromkeys((row.device, row.data) for row in predicted):
            Console(width=output_width()).print(escape(f"{device}: {terms_of_it}."), style="dim")
    print_rows(judged, False)


def print_changes(found: Sequence[Change], everything: bool = False) -> None:
    """Print what changed between two results files, what got worse first, and a summary.

    Args:
        found: the changes.
        everything: whether to print also what is the same or not judged.
    """
    order = ("worse", "better", *(("other", "same") if everything else ()))
    shown = [change for change in found if change.verdict in order]
    lines = [
        (
            "WORSE" if change.verdict == "worse" else change.verdict,
            change.metric,
            _of(change),
            format_value(change.before, change.unit),
            format_value(change.after, change.unit),
            _relative(change),
        )
        for change in sorted(shown, key=lambda change: order.index(change.verdict))
    ]
    if lines:
        headings = ("", "figure", "of", "before", "after", "change")
        print_table(headings, lines, align="lllrrr")
    for verdict, which in (("gone", "before"), ("new", "after")):
        alone = Counter(
            _of(change).replace("\n", ", ") for change in found if change.verdict == verdict
        )
        for name, count in alone.items():
            print(f"only {which}: {name} ({count} figure{'s' * (count > 1)})")
    counts = Counter(change.verdict for change in found)
    print(f"{counts['worse']} worse, {counts['better']} better, {counts['same']} within tolerance")


def _of(change: Change) -> str:
    return "\n".join(
        for_terminal(text) for text in (change.artefact, change.device, change.data) if text
    )


def _relative(change: Change) -> str:
    if change.before is None or change.after is None:
        return ""
    if change.unit == "fraction":
        return f"{100 * (change.after - change.before):+.1f} points"
    if not change.before:
        return format_value(change.after - change.before, change.unit, "+")
    return f"{100 * (change.after / change.before - 1):+.1f} %"


def print_wide(rows: Sequence[Row], title: str, width: int | None = None) -> None:
    """Print rows, a column an artefact on a device, in as many tables as the width asks for."""
    if not rows:
        return
    grid = _Grid(rows)
    width = width or output_width()
    blocks = grid.blocks(width)
    for number, columns in enumerate(blocks, start=1):
        part = f" ({number} of {len(blocks)})" if len(blocks) > 1 else ""
        Console(width=width).print(grid.table(columns, title + part))


class _Grid:
    """Rows as lines of figures and columns of artefacts on devices."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.columns: list[Column] = list(dict.fromkeys((row.artefact, row.device) for row in rows))
        self.value = {(row.artefact, row.device, row.metric, row.method): row for row in rows}
        methods = sorted({row.method for row in rows}, key=METHODS.index)
        self.lines = {
            method: sorted(
                dict.fromkeys(row.metric for row in rows if row.method == method), key=_place
            )
            for method in methods
        }
        self.cells = {column: self._cells(column) for column in self.columns}
        self.ratios = relative_speed(rows)

    def _cells(self, column: Column) -> dict[tuple[str, str], str]:
        cells = {}
        for method, metrics in self.lines.items():
            for metric in metrics:
                row = self.value.get((*column, metric, method))
                cells[method, metric] = _figure(row) if row else ""
        return cells

    def blocks(self, width: int) -> list[list[Column]]:
        """Columns that fit beside the names of the figures, at least one at a time."""
        names = [metric for metrics in self.lines.values() for metric in metrics]
        room = width - max(map(len, [*names, *map(_of_method, self.lines)])) - BORDER - 1
        blocks: list[list[Column]] = [[]]
        left = room
        for column in self.columns:
            texts = [*_heading(column).split("\n"), *self.cells[column].values()]
            needed = min(max(map(len, texts)), max(HEADING, room - BORDER)) + BORDER
            if blocks[-1] and needed > left:
                blocks.append([])
                left = room
            blocks[-1].append(column)
            left -= needed
        return blocks

    def table(self, columns: Sequence[Column], title: str) -> Table:
        """The table of these columns; lines that are empty in all of them are left out."""
        table = Table(title=title, title_justify="left")
        table.add_column("figure", no_wrap=True)
        for column in columns:
            table.add_column(escape(_heading(column)), justify="right", overflow="fold")
        for method, metrics in self.lines.items():
            lines = [
                (metric, [self.cells[column][method, metric] for column in columns])
                for metric in metrics
            ]
            lines = [(metric, cells) for metric, cells in lines if any(cells)]
            if lines and len(self.lines) > 1:
                table.add_section()
                table.add_row(_of_method(method), *[""] * len(columns), style="italic")
            for metric, cells in lines:
                table.add_row(escape(metric), *cells)
        speeds = [self.ratios.get(column) for column in columns]
        if any(speeds):
            base = next(speed.base for speed in speeds if speed)
            table.add_section()
            cells = [f"{speed.times:.3g}x" if speed else "" for speed in speeds]
            table.add_row(f"speed, {base} = 1x", *cells, style="bold")
        return table


@dataclass(frozen=True)
class Speed:
    """How many times as fast as a base; "tflm" or "slowest"."""

    times: float
    base: str


def relative_speed(rows: Sequence[Row]) -> dict[Column, Speed]:
    """The speed of each column whose latency was measured.

    The base is TFLM in the same artefact, or in the only artefact that has it; without any it is
    the slowest column. A single column has none.
    """
    median = {
        (row.artefact, row.device): row.value
        for row in rows
        if row.metric == "latency_median_ms" and row.value
    }
    if len(median) < 2:
        return {}
    tflm = {artefact: ms for (artefact, device), ms in median.items() if device == "host/tflm"}
    if not tflm:
        slowest = max(median.values())
        return {column: Speed(slowest / ms, "slowest") for column, ms in median.items()}
    found = {}
    for column, ms in median.items():
        base = tflm.get(column[0], next(iter(tflm.values())) if len(tflm) == 1 else None)
        if base:
            found[column] = Speed(base / ms, "tflm")
    return found


def _place(metric: str) -> int:
    return FIRST.index(metric) if metric in FIRST else len(FIRST)


def _figure(row: Row) -> str:
    """With its unit where the name of the figure does not end in it."""
    if row.unit == "ms":
        return f"{row.value:.3f}" if row.value < 1000 else f"{row.value:,.0f}"
    text = format_value(row.value, row.unit)
    named = row.unit in ("count", "fraction") or row.metric.endswith(f"_{row.unit}")
    return text if named else f"{text} {row.unit}"


def _of_method(method: str) -> str:
    return f"({method})"


def _heading(column: Column) -> str:
    artefact, device = column
    # A port is a path; of all others the first part is the machine.
    places = [device] if device.startswith("serial:") else device.replace(", ", "/").split("/")
    parts = [artefact, *places]
    pieces = [
        part[begin : begin + HEADING] for part in parts for begin in range(0, len(part), HEADING)
    ]
    return "\n".join(pieces)
