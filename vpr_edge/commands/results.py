"""The commands on results files: bench compare and bench report."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from vpr_edge.commands.bench_table import print_changes
from vpr_edge.commands.ending import say
from vpr_edge.commands.options import JSON, OVERWRITE, output_option

REGRESSION = 1


@click.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=5.0,
    show_default=True,
    help="Per cent by which what is measured may get worse; latencies also by their spread.",
)
@click.option(
    "--points",
    type=click.FloatRange(0),
    default=0.5,
    show_default=True,
    help="Percentage points by which accuracy may get worse.",
)
@click.option(
    "--all", "everything", is_flag=True, help="Also what did not change, or is not judged."
)
@JSON
def compare(
    before: Path, after: Path, tolerance: float, points: float, everything: bool, as_json: bool
) -> None:
    """Compare two results files; the exit status is 1 when something got worse.

    BEFORE and AFTER are what `vpr-edge bench --output` wrote. What is counted or read off files may
    not get worse at all.

    \b
    vpr-edge bench compare main.json branch.json
    vpr-edge bench compare main.json branch.json --tolerance 10 --json
    """
    from vpr_edge.benchmarks.compare import Tolerance, changes, warnings
    from vpr_edge.benchmarks.results import read_results

    first, second = read_results(before), read_results(after)
    found = changes(first, second, Tolerance(tolerance / 100, points / 100))
    for line in warnings(first, second):
        say(line)
    if as_json:
        click.echo(json.dumps({"changes": [asdict(change) for change in found]}, indent=2))
    else:
        print_changes(found, everything)
    if any(change.verdict == "worse" for change in found):
        sys.exit(REGRESSION)


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@output_option("report.html")
@OVERWRITE
def report(results: Path, output: Path, overwrite: bool) -> None:
    """Make a report of a results file: .html, .md or .csv.

    RESULTS is what `vpr-edge bench --output` wrote; the ending of --output says which form.

    \b
    vpr-edge bench report bench.json --output report.html
    vpr-edge bench report bench.json --output table.csv
    """
    from vpr_edge.benchmarks.report.bench_report import check_report, write_bench_report
    from vpr_edge.benchmarks.results import read_results

    check_report(output, overwrite)
    click.echo(str(write_bench_report(read_results(results), output, overwrite)))
