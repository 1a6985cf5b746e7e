"""How figures look on a terminal, and how errors and interruptions end a command."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from vpr_edge.benchmarks.rows import Row, rows_as_json
from vpr_edge.escapes import for_terminal

WIDTH_OF_A_FILE = 200


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, silence elsewhere; yields `report(done, total)`."""
    console = Console(stderr=True)
    columns = (
        TextColumn(escape(for_terminal(what))),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_rows(rows: Sequence[Row], as_json: bool) -> None:
    """Print figures: JSON and nothing else, or tables with the artefacts side by side.

    A table for what is read off the files, one for what was measured on no data, one a data set,
    and for emulated microcontrollers one an artefact. Of two columns the difference stands beside
    them; of more each names its own to the first.
    """
    if as_json:
        click.echo(json.dumps(rows_as_json(rows), indent=2))
        return
    rows = printable(rows)
    for title in dict.fromkeys(map(_title, rows)):
        _print_part([row for row in rows if _title(row) == title], title)


def _title(row: Row) -> str:
    """Of the table that a figure belongs to."""
    if row.device.startswith("cortex"):
        return f"{row.artefact} on emulated microcontrollers"
    return row.data or ("on this machine" if row.device else "as the files say")


def _print_part(rows: Sequence[Row], title: str) -> None:
    columns = list(dict.fromkeys((row.artefact, row.device) for row in rows))
    lines = dict.fromkeys((row.metric, row.unit, row.method) for row in rows)
    found = {(row.artefact, row.device, row.metric): row.value for row in rows}
    several = len({artefact for artefact, _ in columns}) > 1
    headings = [
        "figure",
        *(
            device.replace("/", "\n")
            if title.startswith(artefact)
            else f"{artefact}\n{device}".strip()
            for artefact, device in columns
        ),
    ]
    if several and len(columns) == 2:
        headings.append("difference")
    cells = []
    for metric, unit, method in lines:
        values = [found.get((*column, metric)) for column in columns]
        gaps = [
            format_value(value - values[0], unit, "+")
            if values[0] is not None and value is not None and metric != "runs"
            else ""
            for value in values
        ]
        line = [format_value(value, unit) for value in values]
        if several and len(columns) == 2:
            line.append(gaps[1])
        elif several:
            pairs = list(zip(line[1:], gaps[1:], strict=True))
            line[1:] = [f"{text} ({gap})" if gap else text for text, gap in pairs]
        cells.append([f"{metric} ({unit}, {method})", *line])
    print_table(headings, cells, title, "l" + "r" * (len(headings) - 1))


def print_table(
    headings: Sequence[str],
    lines: Sequence[Sequence[str]],
    title: str | None = None,
    align: str | None = None,
) -> None:
    """Print a table, as wide as `output_width`.

    Args:
        headings: of the columns.
        lines: cells as plain text.
        title: above the table.
        align: a letter a column, "l" or "r"; all "l" by default.
    """
    table = Table(title=title and escape(for_terminal(title)), title_justify="left")
    for heading, side in zip(headings, align or "l" * len(headings), strict=True):
        table.add_column(
            escape(for_terminal(heading, lines=True)), justify="right" if side == "r" else "left"
        )
    for line in lines:
        table.add_row(*(escape(for_terminal(cell, lines=True)) for cell in line))
    Console(width=output_width()).print(table)


def printable(rows: Iterable[Row]) -> list[Row]:
    """Rows whose texts, which may come from anyone's results file, a terminal takes as text."""
    return [
        Row(
            for_terminal(row.artefact),
            for_terminal(row.device),
            for_terminal(row.data),
            for_terminal(row.metric),
            row.value,
            for_terminal(row.unit),
            for_terminal(row.method),
        )
        for row in rows
    ]


def output_width() -> int:
    """Characters of a line: the terminal's, those of $COLUMNS, or enough for a file."""
    console = Console()
    known = console.is_terminal or "COLUMNS" in os.environ
    return console.width if known else WIDTH_OF_A_FILE


def format_value(value: float | None, unit: str, sign: str = "") -> str:
    """A figure with as many digits as it deserves; `sign` "+" writes a plus too."""
    if value is None:
        return ""
    return f"{value:{sign},.0f}" if unit in ("bytes", "count") else f"{value:{sign}.3f}"
