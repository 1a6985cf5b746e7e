"""The command line: parse, call, print. Every command's work is done in the package."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from vpr_edge import __version__
from vpr_edge.benchmarks.rows import Row
from vpr_edge.console import print_rows, print_table, progress, run_command
from vpr_edge.errors import DataError, OutputError

DATA = click.option(
    "--data",
    type=click.Path(path_type=Path),
    envvar="VPR_EDGE_DATA",
    help="Folder of data sets, or of one; $VPR_EDGE_DATA by default.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
SETTING = click.option(
    "-s", "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a setting."
)


def _output(default: str) -> Any:
    return click.option(
        "--output",
        type=click.Path(path_type=Path),
        default=default,
        show_default=True,
        help="Where the result goes.",
    )


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
@_output("demo")
@OVERWRITE
def demo(output: Path, overwrite: bool) -> None:
    """Go the whole way on the built-in town and write OUTPUT/report.html."""
    from vpr_edge.benchmarks.demo import run_demo

    report = run_demo(output, overwrite, lambda line: click.echo(line, err=True))
    click.echo(f"{report}")


@cli.command()
@JSON
def models(as_json: bool) -> None:
    """List the networks, and the checkpoints that ship with the package."""
    from rich.table import Table

    from vpr_edge.models.cards import checkpoint_figures
    from vpr_edge.models.zoo import ZOO, build_graph

    rows = []
    for name, config in ZOO.items():
        graph = build_graph(config)
        for metric, value in (("parameters", graph.parameters()), ("macs", graph.macs())):
            rows.append(Row(name, "", "", metric, value, "count", "static"))
    figures = checkpoint_figures()
    if as_json:
        print_rows([*rows, *figures], as_json)
        return
    table = Table(title="networks at 120x160, three tasks", title_justify="left")
    for heading in ("name", "parameters", "MAC", "head", "decoder"):
        table.add_column(heading, justify="right" if heading in ("parameters", "MAC") else "left")
    for name, config in ZOO.items():
        graph = build_graph(config)
        table.add_row(
            name,
            f"{graph.parameters():,}",
            f"{graph.macs() / 1e6:.1f} M",
            config.head,
            config.decoder,
        )
    print_table(table)
    print_rows(figures, as_json)


@cli.command()
@click.argument("name", required=False)
@_output("town.png")
@OVERWRITE
@JSON
def data(name: str | None, output: Path, overwrite: bool, as_json: bool) -> None:
    """List the data sets on this machine, or render NAME ("town") and draw a contact sheet.

    \b
    vpr-edge data
    vpr-edge data town --output town.png
    """
    from rich.table import Table

    from vpr_edge.datasets.registry import describe_data
    from vpr_edge.datasets.town import contact_sheet, default_cache, render_town

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
    table = Table()
    for heading in ("data set", "for", "pictures", "where"):
        table.add_column(heading)
    for row in found:
        count = "absent" if row.count is None else f"{row.count:,}"
        table.add_row(row.name, row.kind, count, str(row.path or row.note))
    print_table(table)


@cli.command()
@JSON
def doctor(as_json: bool) -> None:
    """Say which tools are here, what each is for, and how to get what is missing."""
    from rich.table import Table

    from vpr_edge.doctor import diagnose

    tools = diagnose()
    if as_json:
        click.echo(json.dumps([asdict(tool) for tool in tools], indent=2))
        return
    table = Table()
    for heading in ("tool", "for", "version", "to get it"):
        table.add_column(heading)
    for tool in tools:
        table.add_row(tool.name, tool.what_for, tool.version or "missing", tool.fix)
    print_table(table)


@cli.command()
@click.argument("recipe")
@DATA
@_output("runs/RECIPE")
@SETTING
def train(recipe: str, data: Path | None, output: Path, settings: tuple[str, ...]) -> None:
    """Run a training RECIPE: a YAML file, or one of the package ("nano", "qat").

    The run folder holds the resolved recipe, TensorBoard events, the state to resume from, and at
    the end checkpoint.safetensors. The same command resumes a run that was stopped.

    \b
    vpr-edge train nano --data DATA
    vpr-edge train nano -s 'sources={town: 1.0}' -s teacher=
    """
    from vpr_edge.training.recipe import load_recipe

    folder = Path(str(output).replace("RECIPE", Path(recipe).stem))
    click.echo(str(_train(load_recipe(recipe, settings), data, folder)))


@cli.command()
@click.argument("ckpt")
@click.option("--ptq", is_flag=True, help="Calibrate only, without training: the baseline.")
@DATA
@_output("CKPT-int8.safetensors")
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
    """Quantise a float checkpoint CKPT to int8, by default by quantisation-aware training.

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


@cli.command()
@click.argument("ckpt")
@click.option(
    "--target",
    type=click.Choice(["onnx", "onnx-int8", "tflite-int8", "c-array"]),
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
@DATA
@_output("out")
@OVERWRITE
def export(
    ckpt: str, target: str, converter: str, data: Path | None, output: Path, overwrite: bool
) -> None:
    """Write CKPT as ONNX, int8 TFLite or a C array, with manifest.json beside it.

    \b
    vpr-edge export nano --target onnx --output float
    vpr-edge export nano-int8 --target tflite-int8 --output out
    vpr-edge export nano-int8 --target c-array --output firmware
    """
    from vpr_edge.export.package import export as export_checkpoint
    from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint

    source, images = find_checkpoint(ckpt), []
    if converter == "onnx2tf":
        from vpr_edge.datasets.images import Images, find_images

        if data is None:
            raise DataError("--converter onnx2tf calibrates on pictures; pass --data FOLDER.")
        fit = load_checkpoint(source).preprocessing.fit
        images = [fit(image) for image in Images.from_files(find_images(data, True)[:200])]
    folder = export_checkpoint(source, target, output, None, converter, images, overwrite)
    click.echo(str(folder))


@cli.command()
@click.argument("artefact", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--device", type=click.Choice(["host"]), default="host", show_default=True)
@click.option("--runtime", "runtimes", multiple=True, help="Only these; by default all that fit.")
@click.option("--data", help="Also recall of each artefact on this data set (name or folder).")
@click.option("--quick", is_flag=True, help="A second instead of ten a runtime.")
@click.option("--output", type=click.Path(path_type=Path), help="Also write the rows as JSON.")
@JSON
@OVERWRITE
def bench(
    artefact: tuple[Path, ...],
    device: str,
    runtimes: tuple[str, ...],
    data: str | None,
    quick: bool,
    output: Path | None,
    as_json: bool,
    overwrite: bool,
) -> None:
    """Measure latency, memory, arena and recall of artefacts; with two, also their difference.

    \b
    vpr-edge bench float/nano.onnx out/nano.tflite --data town
    vpr-edge bench out/nano.tflite --runtime tflm --json
    """
    from vpr_edge.benchmarks.evaluate import evaluate
    from vpr_edge.benchmarks.host import QUICK, Protocol, bench_host
    from vpr_edge.benchmarks.rows import rows_as_json
    from vpr_edge.benchmarks.runtimes import open_runtime, runtimes_for
    from vpr_edge.files import atomic_file, write_json

    if output and output.exists() and not overwrite:
        raise OutputError(f"{output} exists already; pass --overwrite or another --output.")
    rows: list[Row] = []
    for path in artefact:
        rows += bench_host(path, QUICK if quick else Protocol(), runtimes)
        for name in runtimes_for(path) if data else ():
            if not runtimes or name in runtimes:
                with progress(f"{path.name} in {name}") as report:
                    rows += evaluate(open_runtime(path, name), "places", data or "", report)
    if output:
        with atomic_file(output, overwrite) as scratch:
            write_json(scratch, rows_as_json(rows))
    print_rows(rows, as_json)


@cli.command("eval")
@click.argument("artefact", nargs=-1, required=True)
@click.option(
    "--task", type=click.Choice(["places", "keypoints", "segmentation", "parity"]),
    default="places",
    show_default=True,
)  # fmt: skip
@click.option("--data", required=True, help="Name of a data set, or its folder.")
@click.option("--runtime", help="By default the artefact's usual one.")
@JSON
def evaluate_command(
    artefact: tuple[str, ...], task: str, data: str, runtime: str | None, as_json: bool
) -> None:
    """Measure the accuracy of artefacts (files, or shipped checkpoints) on a data set.

    \b
    vpr-edge eval nano nano-int8 --task places --data town
    vpr-edge eval out/nano.tflite --runtime tflm --task segmentation --data DATA/camvid
    vpr-edge eval nano-int8 --task parity --data DATA/natural_bsds500

    Task parity compares all executions of an int8 checkpoint (torch, ONNX Runtime, LiteRT, TFLM,
    the integer-exact pass) element by element, on up to 50 pictures.
    """
    from vpr_edge.benchmarks.evaluate import evaluate
    from vpr_edge.benchmarks.runtimes import open_runtime
    from vpr_edge.models.checkpoint import shipped_checkpoints

    shipped = shipped_checkpoints()
    rows: list[Row] = []
    for name in artefact:
        opened = open_runtime(shipped.get(name, Path(name)), runtime)
        with progress(f"{name} in {opened.name}") as report:
            rows += evaluate(opened, task, data, report)
    print_rows(rows, as_json)


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

        return run_recipe(replace(recipe), folder, loaded, told)


def main() -> None:
    """The console script."""
    run_command(cli)
