"""The command verify: whether an export still is what was written."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from vpr_edge.commands.console import print_table
from vpr_edge.commands.options import JSON
from vpr_edge.escapes import for_terminal

CHANGED = 1
"""Exit status where something is not as it was written."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--no-run", is_flag=True, help="Leave the self-test of the C out.")
@JSON
def verify(folder: Path, no_run: bool, as_json: bool) -> None:
    """Check an export again: files, golden vectors, versions.

    FOLDER is what vpr-edge wrote. Every file is compared with the SHA-256 in manifest.json; C with
    golden vectors is compiled and run, if a C compiler is here. It is the folder's own C that runs:
    pass --no-run for one that you do not trust.

    \b
    vpr-edge export nano-int8 --target firmware --output firmware
    vpr-edge verify firmware

    The exit status is 1 when something is not as it was written.
    """
    from vpr_edge.workflows.verify import verify as verify_folder

    found = verify_folder(folder, not no_run)
    wrong = [one for one in found if one.verdict == "wrong"]
    right = sum(one.verdict == "right" for one in found)
    if as_json:
        report = {"folder": str(folder), "right": right, "wrong": len(wrong)}
        click.echo(json.dumps(report | {"findings": [asdict(one) for one in found]}, indent=2))
    else:
        shown = [one for one in found if one.verdict != "right"]
        if shown:
            lines = [(one.verdict, for_terminal(one.subject), one.sentence) for one in shown]
            print_table(("", "what", "found"), lines)
        click.echo(f"{right} as written, {len(wrong)} not")
    if wrong:
        sys.exit(CHANGED)
