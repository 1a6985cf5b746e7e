"""The command line: parse, call, print. Every command's work is done in the package."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import click

from vpr_edge import __version__
from vpr_edge.benchmarks.rows import Row
from vpr_edge.commands.bench import bench, chosen_artefacts
from vpr_edge.commands.console import print_rows, print_table, progress, run_command
from vpr_edge.commands.import_checkpoint import import_checkpoint
from vpr_edge.commands.options import ARTEFACT, DATA, JSON, OVERWRITE, RUNTIME, output_option
from vpr_edge.commands.sequence import sequence as train_sequence
from vpr_edge.commands.train import pseudo_label, quantize, train
from vpr_edge.commands.whiten import whiten
from vpr_edge.errors import DataError, OutputError
from vpr_edge.places.centring import Centring


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """From a small PyTorch network to a place recognised on a microcontroller.

    \b
    vpr-edge demo                                          the whole way, with a report
    vpr-edge quantize nano                                 float checkpoint to int8
    vpr-edge export nano-int8 --target tflite-int8         int8 checkpoint to TFLite
    vpr-edge bench out/nano.tflite                         its latency and memory
    vpr-edge eval out/nano.tflite --task places --data town    its accuracy

    CKPT is a file or a shipped checkpoint (see `vpr-edge models`).
    """


@cli.command()
@output_option("demo")
@OVERWRITE
def demo(output: Path, overwrite: bool) -> None:
    """Go the whole way and write a report.

    The town is rendered, the shipped nano is exported, measured and judged in float and int8, and
    OUTPUT/report.html shows it all.
    """
    from vpr_edge.workflows.demo import run_demo

    report = run_demo(output, overwrite, lambda line: click.echo(line, err=True), progress)
    click.echo(str(report))


@cli.command()
@JSON
def models(as_json: bool) -> None:
    """List the networks and shipped checkpoints."""
    from vpr_edge.benchmarks.cards import checkpoint_figures
    from vpr_edge.models.checkpoint import shipped_checkpoints
    from vpr_edge.models.zoo import FAMILIES, ZOO, build_graph, resized

    graphs = {name: build_graph(resized(config, 120, 160)) for name, config in ZOO.items()}
    # By name, so that a float network comes before its int8 form and the difference is int8's.
    figures = sorted(checkpoint_figures(), key=lambda row: row.artefact)
    if as_json:
        counted = [
            Row(name, "", "", metric, value, "count", "static")
            for name, graph in graphs.items()
            for metric, value in (("parameters", graph.parameters()), ("macs", graph.macs()))
        ]
        print_rows([*counted, *figures], as_json)
        return
    shipped = shipped_checkpoints()
    lines = [
        (
            name,
            f"{graph.parameters():,}",
            f"{graph.macs() / 1e6:.1f} M",
            FAMILIES[ZOO[name].family].about,
            ", ".join(ZOO[name].tasks),
            ZOO[name].head if "places" in ZOO[name].tasks else "",
            ZOO[name].decoder if "keypoints" in ZOO[name].tasks else "",
            ", ".join(stem for stem in (name, f"{name}-int8") if stem in shipped),
        )
        for name, graph in graphs.items()
    ]
    headings = ("name", "parameters", "MAC", "what it is", "tasks", "place head", "decoders",
                "shipped checkpoints")  # fmt: skip
    print_table(headings, lines, "networks at 120x160", "lrrlllll")
    print_rows(figures, as_json)


@cli.command()
@click.argument("name", required=False)
@output_option("town.png")
@OVERWRITE
@JSON
def data(name: str | None, output: Path, overwrite: bool, as_json: bool) -> None:
    """List data sets, or render the town.

    NAME "town" renders the built-in data set and draws a contact sheet.

    \b
    vpr-edge data
    vpr-edge data town --output town.png
    """
    from vpr_edge.datasets.registry import describe_data
    from vpr_edge.datasets.town.rendered import contact_sheet, default_cache, render_town

    if name == "town":
        if output.exists() and not overwrite:
            raise OutputError(f"{output} exists already; pass --overwrite or another --output.")
        with progress("rendering the town") as report:
            folder = render_town(default_cache(), progress=report)
        contact_sheet(folder, output)
        click.echo(json.dumps({"folder": str(folder), "sheet": str(output)}) if as_json else output)
        return
    if name is not None:
        raise DataError(f"only the town is rendered, not {name!r}; run vpr-edge data town.")
    found = describe_data()
    if as_json:
        click.echo(json.dumps([asdict(row) for row in found], indent=2, default=str))
        return
    lines = [
        (
            row.name,
            row.kind,
            "absent" if row.count is None else f"{row.count:,}",
            row.note or str(row.path),
        )
        for row in found
    ]
    print_table(("data set", "for", "pictures", "where"), lines, align="llrl")


@cli.command()
@JSON
def doctor(as_json: bool) -> None:
    """Say which tools are here.

    What each is for, and how to get what is missing.
    """
    from vpr_edge.commands.doctor import diagnose

    tools = diagnose()
    if as_json:
        click.echo(json.dumps([asdict(tool) for tool in tools], indent=2))
        return
    lines = [(tool.name, tool.what_for, tool.version or "missing", tool.fix) for tool in tools]
    print_table(("tool", "for", "version", "to get it"), lines)


@cli.command()
@click.argument("ckpt")
@click.option(
    "--target",
    type=click.Choice(["onnx", "onnx-int8", "tflite-int8", "c-array", "c", "firmware", "tensorrt"]),
    default="tflite-int8",
    show_default=True,
    help="What to write; the files it is made from lie beside it.",
)
@click.option(
    "--converter",
    type=click.Choice(["native", "onnx2tf"]),
    default="native",
    show_default=True,
    help="native carries every learned number; onnx2tf (extra [tensorflow]) takes a float CKPT "
    "with operations that native does not cover, and calibrates anew on pictures of --data.",
)
@click.option("--name", help="Of the files, and of every symbol in C; by default the network's.")
@click.option(
    "--backend",
    type=click.Choice(["portable", "cmsis-nn"]),
    default="portable",
    show_default=True,
    help="For --target c: vpr-edge's kernels, or calls of the CMSIS-NN that your firmware has.",
)
@click.option(
    "--golden",
    type=click.IntRange(0, 100),
    default=2,
    show_default=True,
    help="Runs in the self-test of the C; 0 for a model that TFLM does not take.",
)
@click.option("--height", type=click.IntRange(8), help="Rows of the input; CKPT's by default.")
@click.option("--width", type=click.IntRange(8), help="Columns of the input; likewise.")
@DATA
@output_option("out")
@OVERWRITE
def export(
    ckpt: str,
    target: str,
    converter: str,
    name: str | None,
    backend: str,
    golden: int,
    height: int | None,
    width: int | None,
    data: Path | None,
    output: Path,
    overwrite: bool,
) -> None:
    """Write ONNX, int8 TFLite, or C for a microcontroller.

    CKPT is a file or a shipped checkpoint; for c, firmware and c-array it may be anyone's int8
    .tflite file. manifest.json is written beside the result.

    \b
    vpr-edge export nano --target onnx --output float
    vpr-edge export nano-int8 --target tflite-int8 --output out
    vpr-edge export nano-int8 --target firmware --output firmware
    vpr-edge export nano-int8 --height 240 --width 320 --output large
    vpr-edge export model.tflite --target c --output model-c

    c is portable C without an interpreter, which gives the bits that TensorFlow Lite Micro gives;
    firmware wraps it for CMake, Zephyr, ESP-IDF, PlatformIO, Arduino and CMSIS-Pack; c-array is the
    TFLite file itself, for firmware that has TFLM. tensorrt is ONNX that TensorRT reads, with the
    script that builds engines on the device, for they are good for one GPU and one version alone.
    """
    from vpr_edge.export.package import export as export_checkpoint
    from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint

    source = Path(ckpt) if ckpt.endswith(".tflite") else find_checkpoint(ckpt)
    images = []
    if converter == "onnx2tf":
        from vpr_edge.datasets.images import Images, find_images

        if data is None:
            raise DataError("--converter onnx2tf calibrates on pictures; pass --data FOLDER.")
        fit = load_checkpoint(source).preprocessing.fit
        images = [fit(image) for image in Images.from_files(find_images(data, True)[:200])]
    folder = export_checkpoint(
        source,
        target,
        output,
        name,
        converter,
        images,
        overwrite,
        golden,
        backend,
        height,
        width,
    )
    if target == "tensorrt":
        click.echo(f"engines are built on the device: sh {folder}/build_engines.sh there", err=True)
    click.echo(str(folder))


@cli.command("eval")
@ARTEFACT
@click.option(
    "--task", type=click.Choice(["places", "keypoints", "segmentation", "parity"]),
    default="places",
    show_default=True,
)  # fmt: skip
@click.option("--data", required=True, help="Name of a data set, or its folder.")
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
    data: str,
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

    Each artefact is judged in its usual runtime unless --runtime names others. Task parity compares
    all executions of an int8 checkpoint (torch, ONNX Runtime, LiteRT, TFLM, the integer-exact pass)
    element by element, on up to 50 pictures.
    """
    from vpr_edge.benchmarks.tasks.evaluate import evaluate, keypoint_peers
    from vpr_edge.runtimes.choose import open_runtime

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


cli.add_command(bench)
cli.add_command(train)
cli.add_command(pseudo_label)
cli.add_command(import_checkpoint)
cli.add_command(quantize)
cli.add_command(whiten)
cli.add_command(train_sequence)


def main() -> None:
    """The console script."""
    run_command(cli)
