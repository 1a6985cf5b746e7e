"""The command that computes a place head instead of training it."""

from pathlib import Path

import click

from vpr_edge.commands.console import progress
from vpr_edge.commands.options import DATA, OVERWRITE, SETTING, output_option
from vpr_edge.output_checks import check_file


@click.command("fit-places")
@click.argument("recipe", default="pyramid")
@DATA
@output_option("pyramid.safetensors")
@SETTING
@OVERWRITE
def fit_places(
    recipe: str,
    data: Path | None,
    output: Path,
    settings: tuple[str, ...],
    overwrite: bool,
) -> None:
    """Compute the place head of a trained network from a teacher, in closed form.

    RECIPE names `init`, the network that it becomes, the place sources and the teacher. All other
    layers stay as they are, to the last bit.

    \b
    vpr-edge fit-places --data DATA
    vpr-edge quantize pyramid.safetensors --onto nano-int8 --data DATA
    """
    from vpr_edge.models.checkpoint import save_checkpoint
    from vpr_edge.training.fitting import fitted_checkpoint
    from vpr_edge.training.recipe import load_recipe

    check_file(output, overwrite, ".safetensors")
    with progress("fitting") as report:
        save_checkpoint(output, fitted_checkpoint(load_recipe(recipe, settings), data, report))
    click.echo(str(output))
