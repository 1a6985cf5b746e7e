"""The command that lists data sets and renders the town."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from vpr_edge.commands.console import print_table, progress
from vpr_edge.commands.options import JSON, OVERWRITE, output_option
from vpr_edge.errors import DataError
from vpr_edge.output_checks import check_file


@click.command()
@click.argument("name", required=False)
@output_option("town.png")
@OVERWRITE
@JSON
def data(name: str | None, output: Path, overwrite: bool, as_json: bool) -> None:
    """List data sets, or render the town.

    NAME "town" renders the built-in data set and draws a contact sheet.

    \b
    vpr-edge data
    vpr-edge data town --output town.png
    """
    from vpr_edge.datasets.registry import describe_data
    from vpr_edge.datasets.town.rendered import contact_sheet, default_cache, render_town

    if name == "town":
        check_file(output, overwrite, ".png")
        with progress("rendering the town") as report:
            folder = render_town(default_cache(), progress=report)
        contact_sheet(folder, output)
        click.echo(json.dumps({"folder": str(folder), "sheet": str(output)}) if as_json else output)
        return
    if name is not None:
        raise DataError(f"only the town is rendered, not {name!r}; run vpr-edge data town.")
    found = describe_data()
    if as_json:
        click.echo(json.dumps([asdict(row) for row in found], indent=2, default=str))
        return
    lines = [
        (
            row.name,
            row.kind,
            "absent" if row.count is None else f"{row.count:,}",
            row.note or str(row.path),
        )
        for row in found
    ]
    print_table(("data set", "for", "pictures", "where"), lines, align="llrl")
