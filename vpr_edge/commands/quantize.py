"""The command that turns a float checkpoint into int8."""

from pathlib import Path

import click

from vpr_edge.commands.console import progress
from vpr_edge.commands.options import DATA, OVERWRITE, SETTING, output_option
from vpr_edge.commands.train import run_recipe
from vpr_edge.output_checks import check_file


@click.command()
@click.argument("ckpt")
@click.option("--ptq", is_flag=True, help="Calibrate only, without training: the baseline.")
@click.option("--symmetric", is_flag=True, help="Zero points 0, as TensorRT (Jetson) demands.")
@DATA
@output_option("CKPT-int8.safetensors")
@SETTING
@OVERWRITE
def quantize(
    ckpt: str,
    ptq: bool,
    symmetric: bool,
    data: Path | None,
    output: Path,
    settings: tuple[str, ...],
    overwrite: bool,
) -> None:
    """Turn a float checkpoint into int8.

    By default by quantisation-aware training.

    Without --data the rendered town is all it learns and calibrates from. A run that was stopped
    resumes from OUTPUT.run.

    \b
    vpr-edge quantize nano --data DATA
    vpr-edge quantize runs/nano/checkpoint.safetensors --ptq
    vpr-edge quantize nano --symmetric --data DATA --output nano-symmetric.safetensors
    """
    from vpr_edge.files import atomic_file
    from vpr_edge.models.checkpoint import find_checkpoint, save_checkpoint
    from vpr_edge.workflows.quantize import calibrated, qat_recipe

    source = find_checkpoint(ckpt)
    target = Path(str(output).replace("CKPT", source.stem))
    check_file(target, overwrite, ".safetensors")
    if symmetric:
        settings = (*settings, "symmetric=true")
    recipe = qat_recipe(str(source), data, settings)
    if ptq:
        with progress("calibrating") as report:
            save_checkpoint(target, calibrated(recipe, source, data, report), overwrite)
    else:
        trained = run_recipe(recipe, data, target.with_suffix(".run"))
        with atomic_file(target, overwrite) as scratch:
            scratch.write_bytes(trained.read_bytes())
    click.echo(str(target))
