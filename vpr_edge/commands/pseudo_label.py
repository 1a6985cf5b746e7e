"""The command that makes labels by a given network."""

from pathlib import Path

import click

from vpr_edge.commands.console import progress
from vpr_edge.commands.options import OVERWRITE, output_option
from vpr_edge.output_checks import check_folder


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

    check_folder(output, overwrite)
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
