"""The command that turns a float checkpoint into int8."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vpr_edge.commands.console import progress
from vpr_edge.commands.options import DATA, OVERWRITE, SETTING, output_option
from vpr_edge.commands.train import run_recipe
from vpr_edge.errors import CheckpointError, DataError
from vpr_edge.output_checks import check_file

if TYPE_CHECKING:
    from vpr_edge.models.checkpoint import Checkpoint

STEPS = 200


@click.command()
@click.argument("ckpt")
@click.option("--ptq", is_flag=True, help="Calibrate only, without training: the baseline.")
@click.option("--symmetric", is_flag=True, help="Zero points 0, as TensorRT (Jetson) demands.")
@click.option(
    "--steps",
    type=click.IntRange(0),
    help="Of training, for a network of your own: 200 by default.",
)
@click.option(
    "--onto",
    metavar="INT8",
    default="",
    help="An int8 checkpoint that differs from CKPT in the place head alone: the head is "
    "calibrated on its maps and joined to it, and all other layers keep their integers.",
)
@DATA
@output_option("CKPT-int8.safetensors")
@SETTING
@OVERWRITE
def quantize(
    ckpt: str,
    ptq: bool,
    symmetric: bool,
    steps: int | None,
    onto: str,
    data: Path | None,
    output: Path,
    settings: tuple[str, ...],
    overwrite: bool,
) -> None:
    """Turn a float checkpoint into int8.

    By default by quantisation-aware training.

    A network of your own (vpr-edge import) learns to imitate its float form on the pictures, or the
    .npy and .npz files, of --data; no labels are asked for. What each output lost is printed.

    A network of the zoo: without --data the rendered town is all it learns and calibrates from. A
    run that was stopped resumes from OUTPUT.run.

    \b
    vpr-edge quantize nano --data DATA
    vpr-edge quantize runs/nano/checkpoint.safetensors --ptq
    vpr-edge quantize own.safetensors --data PICTURES
    vpr-edge quantize nano --symmetric --data DATA --output nano-symmetric.safetensors
    vpr-edge quantize runs/pyramid/checkpoint.safetensors --onto nano-int8 --data DATA
    """
    from vpr_edge.files import atomic_file
    from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint, save_checkpoint
    from vpr_edge.workflows.quantize import calibrated, qat_recipe

    source = find_checkpoint(ckpt)
    target = Path(str(output).replace("CKPT", source.stem))
    check_file(target, overwrite, ".safetensors")
    if symmetric and onto:
        raise CheckpointError("--onto keeps zero points; leave --symmetric out.")
    if symmetric:
        settings = (*settings, "symmetric=true")
    checkpoint = load_checkpoint(source)
    if checkpoint.config is None:
        if data is None or symmetric or settings:
            raise DataError(
                f"{source} is a network of your own: pass --data FOLDER of its inputs, and neither "
                "--symmetric nor -s."
            )
        _own(checkpoint, data, 0 if ptq else STEPS if steps is None else steps, target, overwrite)
        return
    if steps is not None:
        raise DataError("--steps is for networks of your own; for the zoo's say -s steps=N.")
    recipe = qat_recipe(str(source), data, settings)
    if ptq or onto:
        with progress("calibrating") as report:
            made = calibrated(recipe, source, data, report, onto)
            save_checkpoint(target, made, overwrite)
    else:
        trained = run_recipe(recipe, data, target.with_suffix(".run"))
        with atomic_file(target, overwrite) as scratch:
            scratch.write_bytes(trained.read_bytes())
    click.echo(str(target))


def _own(checkpoint: "Checkpoint", data: Path, steps: int, target: Path, overwrite: bool) -> None:
    import sys

    from vpr_edge.models.checkpoint import save_checkpoint
    from vpr_edge.workflows.quantize_own import quantize_own

    command = {"command": " ".join(["vpr-edge", *sys.argv[1:]])}
    with progress("quantising") as report:
        found = quantize_own(checkpoint, data, steps, command, report)
    save_checkpoint(target, found.checkpoint, overwrite)
    learned, judged = found.inputs
    click.echo(f"learned from {learned} inputs, judged on {judged} others", err=True)
    for name, calibrated in found.calibrated.items():
        after = f", after {steps} steps {found.trained[name]:.1f} dB" if found.trained else ""
        click.echo(f"{name}: calibrated {calibrated:.1f} dB{after}", err=True)
    if found.trained and found.kept == "ptq":
        click.echo("training did not help: the calibrated network was kept", err=True)
    click.echo(str(target))
