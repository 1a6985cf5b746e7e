"""The command that trains an LSTM over sequences of place descriptors."""

import json
from math import isfinite
from pathlib import Path

import click

from vpr_edge.benchmarks.rows import rows_as_json
from vpr_edge.commands.bench import chosen_artefacts
from vpr_edge.commands.console import format_value, print_table, progress
from vpr_edge.commands.options import JSON, OVERWRITE, output_option
from vpr_edge.output_checks import check_folder


@click.command()
@click.argument("artefact")
@click.option("--data", required=True, help="One drive seen twice: name of a data set, or folder.")
@click.option(
    "--length", type=click.IntRange(1), default=10, show_default=True, help="Frames of a sequence."
)
@click.option(
    "--units",
    type=click.IntRange(1),
    default=128,
    show_default=True,
    help="Of the LSTM, and values of a sequence's descriptor.",
)
@click.option(
    "--learn",
    type=click.IntRange(1),
    help="Learn from the first so many places and judge by the others; by default 2500 of "
    "Nordland, seven tenths of another drive.",
)
@click.option("--steps", type=click.IntRange(1), default=600, show_default=True, help="In float.")
@click.option(
    "--qat-steps",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of quantisation-aware training after these; 0 calibrates only.",
)
@click.option(
    "--noise",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    help="Added to descriptors in training, in shares of their length.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Of weights and of every draw.",
)
@click.option("--runtime", help="That describes the pictures; by default ARTEFACT's usual one.")
@output_option("sequence")
@JSON
@OVERWRITE
def sequence(
    artefact: str,
    data: str,
    length: int,
    units: int,
    learn: int | None,
    steps: int,
    qat_steps: int,
    noise: float,
    seed: int,
    runtime: str | None,
    output: Path,
    as_json: bool,
    overwrite: bool,
) -> None:
    """Train an int8 LSTM that describes places by sequences.

    ARTEFACT is a .onnx or .tflite file with a place descriptor (or a checkpoint); the LSTM learns
    from its descriptors of a drive that was seen twice. OUTPUT gets sequence.tflite, the float
    network and manifest.json; recall on places that were not learned from is printed beside that
    of single frames and of what needs no learning.

    \b
    vpr-edge export nano-int8 --target tflite-int8 --output int8
    vpr-edge sequence int8/nano.tflite --data DATA/vpr_nordland64 --length 10 --output seq
    vpr-edge export seq/sequence.tflite --target c --output seq-c
    """
    check_folder(output, overwrite)
    if not isfinite(noise):
        # The option's range lets it pass: nan compares with nothing.
        raise click.BadParameter("must be a number", param_hint="'--noise'")
    from vpr_edge.training.sequences import SequenceRecipe
    from vpr_edge.workflows.sequence import SequencePlan, write_sequence_file

    [(path, _, names)] = chosen_artefacts((artefact,), (runtime,) if runtime else ())
    recipe = SequenceRecipe(steps=steps, noise=noise, seed=seed)
    plan = SequencePlan(path, names[0], data, length, units, learn, recipe, qat_steps)
    found = write_sequence_file(plan, output, progress, overwrite)
    if as_json:
        rows = [row for one in found for row in one.rows]
        click.echo(json.dumps(rows_as_json(rows), indent=2))
        return
    for where in dict.fromkeys(one.where for one in found):
        here = [one for one in found if one.where == where]
        headings = ["recognised by", *(row.metric for row in here[0].rows)]
        lines = [
            [one.how, *(format_value(row.value, row.unit) for row in one.rows)] for one in here
        ]
        print_table(headings, lines, where, "l" + "r" * (len(headings) - 1))
    click.echo(str(output))
