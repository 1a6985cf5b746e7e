"""The command that measures a folder of networks."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vpr_edge.commands.console import progress
from vpr_edge.commands.options import JSON

if TYPE_CHECKING:
    from vpr_edge.workflows.survey import Surveyed

COLUMNS = (
    "network", "parameters", "float dB", "PTQ dB", "QAT dB", "unequal", "M4 instructions", "arena"
)  # fmt: skip


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help="Pictures, and NAME.npy or NAME.npz for networks with inputs of their own.",
)
@click.option("--steps", type=click.IntRange(0), default=200, show_default=True, help="Of QAT.")
@click.option("--device", default="cortex-m4", show_default=True, help='Emulated; "" for none.')
@JSON
def survey(folder: Path, data: Path, steps: int, device: str, as_json: bool) -> None:
    """Bring in, quantise and measure a folder of ONNX networks.

    \b
    vpr-edge survey NETWORKS --data PICTURES

    A row a network: signal to noise by output of the float network against the original and of the
    int8 one, calibrated and trained, against the float one; elements in which our integers and the
    generated C differ from TensorFlow Lite Micro; instructions on the emulated core, and the arena.
    """
    from dataclasses import asdict

    from vpr_edge.workflows.survey import survey as run

    found = []
    if not as_json:
        click.echo(f"| {' | '.join(COLUMNS)} |")
        click.echo("| --- |" + " ---: |" * (len(COLUMNS) - 1))
    with progress("networks") as report:
        for one in run(folder, data, steps, device, report):
            found.append(one)
            if not as_json:
                cells = [f"refused: {one.refused}"] if one.refused else _cells(one)
                click.echo(f"| {one.name} | {' | '.join(cells)} |")
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))


def _cells(one: "Surveyed") -> list[str]:
    figures = one.figures or {}
    unequal = one.unequal + int(figures.get("oracle_unequal_elements", 0))
    return [
        f"{one.parameters:,}",
        *(_decibels(part) for part in (one.float_db, one.ptq_db, one.qat_db)),
        str(unequal),
        *(f"{figures[m]:,.0f}" if m in figures else "" for m in ("instructions", "arena_bytes")),
    ]


def _decibels(by_output: Mapping[str, float] | None) -> str:
    return ", ".join(f"{value:.1f}" for value in (by_output or {}).values())
