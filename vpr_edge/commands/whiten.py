"""The command that shortens place descriptors."""

from pathlib import Path

import click

from vpr_edge.commands.console import progress
from vpr_edge.commands.options import DATA, OVERWRITE, SETTING, output_option
from vpr_edge.output_checks import check_file


@click.command()
@click.argument("ckpt")
@click.option(
    "--length", type=click.IntRange(1), default=256, show_default=True, help="Of the descriptor."
)
@click.option(
    "--strength",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="1 brings all directions to equal variance, 0 only cuts the weakest.",
)
@click.option(
    "--pictures",
    type=click.IntRange(2),
    default=2000,
    show_default=True,
    help="How many it is fitted to.",
)
@DATA
@output_option("CKPT-whitened.safetensors")
@SETTING
@OVERWRITE
def whiten(
    ckpt: str,
    length: int,
    strength: float,
    pictures: int,
    data: Path | None,
    output: Path,
    settings: tuple[str, ...],
    overwrite: bool,
) -> None:
    """Shorten the place descriptor by PCA whitening.

    The projection becomes the last layer of the network.

    CKPT is a float checkpoint; so is the result, to be quantised after.

    \b
    vpr-edge whiten nano --length 256 --data DATA
    vpr-edge quantize nano-whitened.safetensors --data DATA
    """
    from vpr_edge.models.checkpoint import find_checkpoint, save_checkpoint
    from vpr_edge.workflows.whiten import whitened_checkpoint

    source = find_checkpoint(ckpt)
    target = Path(str(output).replace("CKPT", source.stem))
    check_file(target, overwrite, ".safetensors")
    with progress("whitening") as report:
        found = whitened_checkpoint(source, data, settings, length, strength, pictures, report)
        save_checkpoint(target, found, overwrite)
    click.echo(str(target))
