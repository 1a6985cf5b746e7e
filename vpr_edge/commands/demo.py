"""The command that goes the whole way."""

from pathlib import Path

import click

from vpr_edge.commands.console import progress
from vpr_edge.commands.options import OVERWRITE, output_option


@click.command()
@output_option("demo")
@OVERWRITE
def demo(output: Path, overwrite: bool) -> None:
    """Go the whole way and write a report.

    The town is rendered, the shipped nano is exported, measured and judged in float and int8, and
    OUTPUT/report.html shows it all.
    """
    from vpr_edge.workflows.demo import run_demo

    report = run_demo(output, overwrite, lambda line: click.echo(line, err=True), progress)
    click.echo(str(report))
