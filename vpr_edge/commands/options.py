"""Options and arguments that several commands share."""

from pathlib import Path
from typing import Any

import click

DATA = click.option(
    "--data",
    type=click.Path(path_type=Path),
    envvar="VPR_EDGE_DATA",
    help="Folder of data sets, or of one; $VPR_EDGE_DATA by default.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
ARTEFACT = click.argument("artefact", nargs=-1, required=True)
RUNTIME = click.option(
    "--runtime", "runtimes", multiple=True, help="Only this runtime; may be given several times."
)
SETTING = click.option(
    "-s", "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a setting."
)


def output_option(default: str) -> Any:
    """`--output`, with its default."""
    return click.option(
        "--output",
        type=click.Path(path_type=Path),
        default=default,
        show_default=True,
        help="Where the result goes.",
    )
