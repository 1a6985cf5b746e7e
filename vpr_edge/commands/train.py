"""The commands that learn: train and quantize; and the one that makes labels for them."""

import os
from pathlib import Path
from typing import Any

import click

from vpr_edge.commands.console import progress
from vpr_edge.commands.options import DATA, OVERWRITE, SETTING, output_option
from vpr_edge.errors import OutputError

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
        lambda stage: _train(stage.recipe, data, stage.folder, hardware, wandb_project, stage.name),
    )
    # Of several processes the first speaks, whoever started them: Fabric, torchrun or SLURM.
    if all(os.environ.get(name, "0") == "0" for name in _RANKS):
        click.echo(str(finished))


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
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already; pass --overwrite or another --output.")
    if symmetric:
        settings = (*settings, "symmetric=true")
    recipe = qat_recipe(str(source), data, settings)
    if ptq:
        with progress("calibrating") as report:
            save_checkpoint(target, calibrated(recipe, source, data, report), overwrite)
    else:
        trained = _train(recipe, data, target.with_suffix(".run"))
        with atomic_file(target, overwrite) as scratch:
            scratch.write_bytes(trained.read_bytes())
    click.echo(str(target))


@click.command("pseudo-label")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--pictures",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of pictures; those in folders below it too.",
)
@click.option("--task", type=click.Choice(["segmentation", "depth"]), default="segmentation")
@click.option(
    "--classes",
    default="camvid",
    show_default=True,
    help="camvid, cityscapes, or for each class of MODEL one of CamVid's 0 to 10, 11 to ignore: "
    "3,4,1,11.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Pixels whose class is less probable are ignored.",
)
@click.option("--inverse", is_flag=True, help="MODEL gives inverse depth of no known scale.")
@click.option("--size", type=int, nargs=2, default=(0, 0), help="Height and width of its input.")
@click.option("--mean", type=float, nargs=3, default=(0.485, 0.456, 0.406), show_default=True)
@click.option("--std", type=float, nargs=3, default=(0.229, 0.224, 0.225), show_default=True)
@output_option("pseudo-labels")
@OVERWRITE
def pseudo_label(
    model: Path,
    pictures: Path,
    task: str,
    classes: str,
    confidence: float,
    inverse: bool,
    size: tuple[int, int],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    output: Path,
    overwrite: bool,
) -> None:
    """Label pictures by a given network, to train on them.

    MODEL is an ONNX or TorchScript file that segments or gives depth; its input is
    (pixel / 255 - mean) / std. Name OUTPUT in a recipe among `labelled`.

    \b
    vpr-edge pseudo-label big.onnx --pictures drive --classes cityscapes --confidence 0.9
    vpr-edge train segmentation -s 'labelled={town: 0.5, pseudo-labels: 0.5}'
    """
    from vpr_edge.datasets.images import find_images
    from vpr_edge.training.pseudo_labels import TABLES, label_pictures
    from vpr_edge.training.recipe import TeacherInput

    if classes in TABLES:
        table = TABLES[classes]
    else:
        parts = classes.split(",")
        if not all(part.strip().isdigit() and int(part) <= 11 for part in parts):
            raise click.BadParameter(
                f"{classes!r} is neither {' nor '.join(TABLES)} nor numbers from 0 to 11.",
                param_hint="--classes",
            )
        table = tuple(map(int, parts))
    with progress("labelling") as report:
        folder = label_pictures(
            model, find_images(pictures, True), output, task, TeacherInput(*size, mean, std),
            table, confidence, inverse, overwrite, report,
        )  # fmt: skip
    click.echo(str(folder))


def _train(
    recipe: Any,
    data: Path | None,
    folder: Path,
    hardware: Any = None,
    wandb_project: str = "",
    name: str = "training",
) -> Path:
    from vpr_edge.training.data import load_data
    from vpr_edge.training.loop import train as run_recipe
    from vpr_edge.training.network import recipe_config

    with progress("preparing pictures") as report:
        loaded = load_data(
            recipe, recipe_config(recipe), data, progress=lambda _what, a, b: report(a, b)
        )
    click.echo(f"run folder: {folder} (tensorboard --logdir {folder})", err=True)
    with progress(name) as report:

        def told(step: int, losses: dict[str, float]) -> None:
            report(step, recipe.steps)

        return run_recipe(recipe, folder, loaded, told, hardware, wandb_project)
