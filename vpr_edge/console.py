"""How figures look on a terminal, and how errors and interruptions end a command."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from vpr_edge.benchmarks.rows import Row, rows_as_json
from vpr_edge.errors import VprEdgeError

INTERRUPTED = 130


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, silence elsewhere; yields `report(done, total)`."""
    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_rows(rows: Sequence[Row], as_json: bool) -> None:
    """Print figures: JSON and nothing else, or a table with float beside int8 beside difference."""
    if as_json:
        click.echo(json.dumps(rows_as_json(rows), indent=2))
        return
    devices = list(dict.fromkeys((row.artefact, row.device) for row in rows))
    figures = list(dict.fromkeys((row.data, row.metric, row.unit, row.method) for row in rows))
    found = {(row.artefact, row.device, row.data, row.metric): row.value for row in rows}
    for data in dict.fromkeys(figure[0] for figure in figures):
        lines = [figure for figure in figures if figure[0] == data]
        used = [d for d in devices if any((*d, data, m) in found for _, m, _, _ in lines)]
        table = Table(title=data or None, title_justify="left")
        table.add_column("figure")
        for artefact, device in used:
            table.add_column(f"{artefact}\n{device}", justify="right")
        if len(used) == 2:
            table.add_column("difference", justify="right")
        for _, metric, unit, method in lines:
            values = [found.get((*d, data, metric)) for d in used]
            cells = [format_value(value, unit) for value in values]
            if len(used) == 2:
                a, b = values
                cells.append("" if a is None or b is None else format_value(b - a, unit, sign=True))
            table.add_row(f"{metric} ({unit}, {method})", *cells)
        print_table(table)


def print_table(table: Table) -> None:
    """Print a table, as wide as it needs where the output is no terminal."""
    console = Console()
    Console(width=None if console.is_terminal else 160).print(table)


def format_value(value: float | None, unit: str, sign: bool = False) -> str:
    """A figure with as many digits as it deserves."""
    if value is None:
        return ""
    plus = "+" if sign else ""
    if unit in ("bytes", "count"):
        return f"{value:{plus},.0f}"
    return f"{value:{plus}.3f}"


def run_command(command: Callable[..., Any]) -> None:
    """Run the command line: a `VprEdgeError` is one sentence and exit 2, Ctrl-C is exit 130."""
    try:
        command(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except VprEdgeError as error:
        click.echo(f"vpr-edge: {error}", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("vpr-edge: interrupted; what was finished is kept.", err=True)
        sys.exit(INTERRUPTED)
