"""The command that measures accuracy."""

from dataclasses import replace

import click

from vpr_edge.benchmarks.rows import Row
from vpr_edge.commands.bench import chosen_artefacts
from vpr_edge.commands.console import print_rows, progress
from vpr_edge.commands.options import ARTEFACT, JSON, RUNTIME
from vpr_edge.errors import DataError
from vpr_edge.places.centring import Centring


@click.command("eval")
@ARTEFACT
@click.option(
    "--task", type=click.Choice(["places", "keypoints", "segmentation", "parity"]),
    default="places",
    show_default=True,
)  # fmt: skip
@click.option("--data", help="Name of a data set, or its folder.")
@click.option(
    "--suite",
    is_flag=True,
    help="For places: every place set below --data (by default $VPR_EDGE_DATA), with 95 % "
    "bootstrap intervals and the macro average. ARTEFACT may also be hog, thumbnail, "
    "efficientnet-lite0, efficientnet-lite2 or efficientnet-lite2-overview.",
)
@click.option(
    "--sequence",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="For places: also recognise them by so many consecutive frames.",
)
@click.option(
    "--centre",
    is_flag=True,
    help="For places: subtract the mean descriptor of map and drive from theirs. Supposes that "
    "the whole drive, or its mean from earlier, is known beforehand.",
)
@click.option(
    "--centre-so-far",
    is_flag=True,
    help="For places: the same by the mean of the drive's pictures up to each one.",
)
@click.option(
    "--homographies",
    type=click.IntRange(1, 20),
    default=1,
    show_default=True,
    help="For keypoints: random homographies of each photograph. A share of 200 pairs, as d1 is, "
    "moves by points when a few fall otherwise; 5 steady it.",
)
@click.option(
    "--peers",
    is_flag=True,
    help="For keypoints: also SIFT, ORB, and those of ALIKED-t16, SuperPoint and XFeat that are "
    "installed, on the same pictures.",
)
@RUNTIME
@JSON
def evaluate_command(
    artefact: tuple[str, ...],
    task: str,
    data: str | None,
    suite: bool,
    sequence: int,
    centre: bool,
    centre_so_far: bool,
    homographies: int,
    peers: bool,
    runtimes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure accuracy on a data set.

    ARTEFACT is a .onnx, .tflite or .safetensors file, or a shipped checkpoint.

    \b
    vpr-edge eval nano nano-int8 --task places --data town
    vpr-edge eval nano-int8 --data DATA/vpr_nordland64 --sequence 10 --centre
    vpr-edge eval out/nano.tflite --runtime tflm --task segmentation --data DATA/camvid
    vpr-edge eval nano nano-int8 --task keypoints --peers --data DATA/natural_bsds500
    vpr-edge eval nano-int8 --task parity --data DATA/natural_bsds500
    vpr-edge eval nano nano-int8 hog --suite --data DATA

    Each artefact is judged in its usual runtime unless --runtime names others. Task parity compares
    all executions of an int8 checkpoint (torch, ONNX Runtime, LiteRT, TFLM, the integer-exact pass)
    element by element, on up to 50 pictures.
    """
    from vpr_edge.benchmarks.tasks.evaluate import evaluate, keypoint_peers
    from vpr_edge.runtimes.choose import open_runtime

    if suite:
        from vpr_edge.commands.suite import evaluate_suite

        if task != "places" or sequence > 1 or peers or homographies > 1 or centre_so_far:
            raise DataError("--suite judges single frames of places; leave the other options out.")
        evaluate_suite(artefact, runtimes, data, centre, as_json)
        return
    if not data:
        raise DataError("--data is missing; name a data set or its folder.")
    if centre and centre_so_far:
        raise DataError("--centre and --centre-so-far exclude each other; leave one out.")
    centring: Centring = "drive" if centre else "so far" if centre_so_far else "none"
    if task != "keypoints" and (peers or homographies > 1):
        option = "--peers" if peers else "--homographies"
        raise DataError(f"{option} belongs to the task keypoints, not to {task}; leave it out.")
    rows: list[Row] = []
    sizes: dict[tuple[int, int], None] = {}
    for path, label, names in chosen_artefacts(artefact, runtimes):
        for name in names if runtimes else names[:1]:
            runtime = open_runtime(path, name)
            with progress(f"{label} in {name}") as report:
                found = evaluate(runtime, task, data, report, sequence, centring, homographies)
            rows += [replace(row, artefact=label) for row in found]
            if peers:
                sizes[runtime.preprocessing.height, runtime.preprocessing.width] = None
    for size in sizes:
        rows += keypoint_peers(
            data, size, lambda line: click.echo(line, err=True), progress, homographies
        )
    print_rows(rows, as_json)
