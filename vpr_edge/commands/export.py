"""The command that writes ONNX, TFLite and C."""

from pathlib import Path

import click

from vpr_edge.commands.console import print_table
from vpr_edge.commands.options import DATA, OVERWRITE, output_option
from vpr_edge.errors import DataError, OutputError
from vpr_edge.output_checks import check_folder


@click.command()
@click.argument("ckpts", nargs=-1, required=True, metavar="CKPT")
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing: say of TFLite files, and of those in folders, whether they compile to C "
    "that equals TFLM, and why not.",
)
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
    ckpts: tuple[str, ...],
    check: bool,
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
    .tflite file, or quantised ONNX (QDQ), whose numbers are kept. manifest.json is written beside
    the result.

    \b
    vpr-edge export nano --target onnx --output float
    vpr-edge export nano-int8 --target tflite-int8 --output out
    vpr-edge export nano-int8 --target firmware --output firmware
    vpr-edge export nano-int8 --height 240 --width 320 --output large
    vpr-edge export model.tflite --target c --output model-c
    vpr-edge export --check models/ other.tflite

    c is portable C without an interpreter, which gives the bits that TensorFlow Lite Micro gives;
    firmware wraps it for CMake, Zephyr, ESP-IDF, PlatformIO, Arduino and CMSIS-Pack; c-array is the
    TFLite file itself, for firmware that has TFLM. tensorrt is ONNX that TensorRT reads, with the
    script that builds engines on the device, for they are good for one GPU and one version alone.
    """
    if check:
        _print_survey(ckpts, golden)
        return
    if len(ckpts) > 1:
        raise OutputError("One CKPT is exported at a time; only --check takes several.")
    (ckpt,) = ckpts

    from vpr_edge.export.package import export as export_checkpoint
    from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint

    check_folder(output, overwrite)
    source = Path(ckpt) if ckpt.endswith((".tflite", ".onnx")) else find_checkpoint(ckpt)
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


def _print_survey(given: tuple[str, ...], runs: int) -> None:
    from vpr_edge.firmware_bridge.compile.survey import find_models, survey

    def figure(count: int | None) -> str:
        return "-" if count is None else f"{count:,}"

    verdicts = list(survey(find_models([Path(path) for path in given]), runs))
    lines = [
        (
            str(verdict.path),
            verdict.word,
            figure(verdict.arena_bytes),
            figure(verdict.tflm_arena_bytes),
            verdict.note,
        )
        for verdict in verdicts
    ]
    headings = ("model", "C", "arena B", "TFLM's arena B", "why")
    print_table(headings, lines, align="llrrl")
    counts = {
        word: sum(v.word == word for v in verdicts)
        for word in dict.fromkeys(("equal", "compiles", "refused"))
    }
    click.echo(
        f"{len(verdicts)} models: {counts['equal']} equal TFLM, {counts['compiles']} compile "
        f"without a comparison, {counts['refused']} are refused."
    )
