"""The commands that learn: train and quantize."""

from pathlib import Path
from typing import Any

import click

from vpr_edge.console import progress
from vpr_edge.errors import OutputError
from vpr_edge.options import DATA, OVERWRITE, SETTING, output_option


@click.command()
@click.argument("recipe")
@DATA
@output_option("runs/RECIPE")
@SETTING
def train(recipe: str, data: Path | None, output: Path, settings: tuple[str, ...]) -> None:
    """Run a training recipe.

    RECIPE is a YAML file, or one of the package ("nano", "qat").

    The run folder holds the resolved recipe, TensorBoard events, the state to resume from, and at
    the end checkpoint.safetensors. The same command resumes a run that was stopped.

    \b
    vpr-edge train nano --data DATA
    vpr-edge train nano -s 'sources={town: 1.0}' -s teacher=
    """
    from vpr_edge.training.recipe import load_recipe

    folder = Path(str(output).replace("RECIPE", Path(recipe).stem))
    click.echo(str(_train(load_recipe(recipe, settings), data, folder)))


@click.command()
@click.argument("ckpt")
@click.option("--ptq", is_flag=True, help="Calibrate only, without training: the baseline.")
@DATA
@output_option("CKPT-int8.safetensors")
@SETTING
@OVERWRITE
def quantize(
    ckpt: str,
    ptq: bool,
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
    """
    from vpr_edge.files import atomic_file
    from vpr_edge.models.checkpoint import find_checkpoint, save_checkpoint
    from vpr_edge.training.quantization import calibrated, qat_recipe

    source = find_checkpoint(ckpt)
    target = Path(str(output).replace("CKPT", source.stem))
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already; pass --overwrite or another --output.")
    recipe = qat_recipe(str(source), data, settings)
    if ptq:
        with progress("calibrating") as report:
            save_checkpoint(target, calibrated(recipe, source, data, report), overwrite)
    else:
        trained = _train(recipe, data, target.with_suffix(".run"))
        with atomic_file(target, overwrite) as scratch:
            scratch.write_bytes(trained.read_bytes())
    click.echo(str(target))


def _train(recipe: Any, data: Path | None, folder: Path) -> Path:
    from vpr_edge.training.data import load_data
    from vpr_edge.training.loop import train as run_recipe
    from vpr_edge.training.quantization import recipe_config

    with progress("preparing pictures") as report:
        loaded = load_data(
            recipe, recipe_config(recipe), data, progress=lambda _what, a, b: report(a, b)
        )
    click.echo(f"run folder: {folder} (tensorboard --logdir {folder})", err=True)
    with progress("training") as report:

        def told(step: int, losses: dict[str, float]) -> None:
            report(step, recipe.steps)

        return run_recipe(recipe, folder, loaded, told)
