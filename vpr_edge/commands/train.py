"""The command that trains."""

import os
from pathlib import Path
from typing import Any

import click

from vpr_edge.commands.console import progress
from vpr_edge.commands.options import DATA, SETTING, output_option

_RANKS = ("LOCAL_RANK", "NODE_RANK", "RANK", "SLURM_PROCID")
_HARDWARE = (
    click.option(
        "--accelerator",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        show_default=True,
        help="auto takes a GPU where there is one.",
    ),
    click.option(
        "--devices",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="GPUs of each machine (processes, on a CPU); each takes a whole batch.",
    ),
    click.option(
        "--num-nodes",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Machines; the same command runs on each (see docs/train.md).",
    ),
    click.option(
        "--precision",
        type=click.Choice(["32-true", "bf16-mixed", "16-mixed"]),
        default="32-true",
        show_default=True,
        help="Number format of the network; losses stay in float32.",
    ),
)


def _hardware_options(command: Any) -> Any:
    for option in reversed(_HARDWARE):
        command = option(command)
    return command


@click.command()
@click.argument("recipe", nargs=-1, required=True)
@DATA
@output_option("runs/RECIPE")
@SETTING
@_hardware_options
@click.option(
    "--wandb", "wandb_project", default="", help="Report to this Weights & Biases project."
)
def train(
    recipe: tuple[str, ...],
    data: Path | None,
    output: Path,
    settings: tuple[str, ...],
    accelerator: str,
    devices: int,
    num_nodes: int,
    precision: str,
    wandb_project: str,
) -> None:
    """Run a training recipe, or several as stages.

    RECIPE is a YAML file, or one of the package (multitask, nano, small, tune, corners,
    segmentation, mcu, places, qat). Of several each starts from the checkpoint of the one before;
    full is multitask, segmentation, places, qat.

    The run folder holds the resolved recipe, TensorBoard events, the state to resume from, and at
    the end checkpoint.safetensors; a chain has a numbered folder for each stage. The same command
    resumes a run that was stopped, whenever that was, with the result of one that was not.

    \b
    vpr-edge train nano --data DATA
    vpr-edge train multitask segmentation places qat --data DATA
    vpr-edge train nano qat -s 'sources={town: 1.0}' -s teacher= -s qat:steps=100
    """
    from vpr_edge.training.hardware import Hardware
    from vpr_edge.training.run_log import require_wandb
    from vpr_edge.training.stages import chain, run_chain

    if wandb_project:
        require_wandb()
    hardware = Hardware(accelerator, devices, num_nodes, precision)
    folder = Path(str(output).replace("RECIPE", "-".join(Path(name).stem for name in recipe)))
    stages = chain(recipe, folder, settings)
    finished = run_chain(
        stages,
        lambda stage: run_recipe(
            stage.recipe, data, stage.folder, hardware, wandb_project, stage.name
        ),
    )
    # Of several processes the first speaks, whoever started them: Fabric, torchrun or SLURM.
    if all(os.environ.get(name, "0") == "0" for name in _RANKS):
        click.echo(str(finished))


def run_recipe(
    recipe: Any,
    data: Path | None,
    folder: Path,
    hardware: Any = None,
    wandb_project: str = "",
    name: str = "training",
) -> Path:
    """Load what a recipe trains on and run it, with progress bars.

    Returns:
        The checkpoint.
    """
    from vpr_edge.training.data import load_data
    from vpr_edge.training.loop import train as run
    from vpr_edge.training.network import recipe_config

    with progress("preparing pictures") as report:
        loaded = load_data(
            recipe, recipe_config(recipe), data, progress=lambda _what, a, b: report(a, b)
        )
    click.echo(f"run folder: {folder} (tensorboard --logdir {folder})", err=True)
    with progress(name) as report:

        def told(step: int, losses: dict[str, float]) -> None:
            report(step, recipe.steps)

        return run(recipe, folder, loaded, told, hardware, wandb_project)
