"""The command that brings in networks of other origin, and other programs' weights."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vpr_edge.commands.options import JSON, OVERWRITE, output_option
from vpr_edge.errors import ModelError
from vpr_edge.escapes import for_terminal
from vpr_edge.output_checks import check_file

if TYPE_CHECKING:
    from vpr_edge.export.door.enter import Wish


@click.command("import")
@click.argument("source")
@click.option("--network", help="Of a .ckpt of Nano-VS-SLAM: which network of the zoo it is of.")
@click.option("--height", type=click.IntRange(8), help="With --network: rows of the input.")
@click.option("--width", type=click.IntRange(8), help="With --network: columns of the input.")
@click.option("--weights", type=click.Path(path_type=Path), help="Of package.module:factory.")
@click.option(
    "--shape", "shapes", multiple=True, metavar="[NAME=]1x3x120x160", help="Of the input."
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="ROLE=NAME",
    help="What an output is: place, score, location, descriptor, segmentation or depth.",
)
@click.option("--mean", default="0", help="The network sees (pixel / 255 - mean) / std; one number")
@click.option("--std", default="1", help="or one a channel, with commas.")
@click.option("--values", is_flag=True, help="The input is no picture, whatever its channels.")
@click.option("--name", help="Of the network; the file's by default.")
@click.option("--check", is_flag=True, help="Only list the operators that are missing.")
@output_option("NETWORK.safetensors")
@OVERWRITE
@JSON
def import_checkpoint(
    source: str,
    network: str | None,
    height: int | None,
    width: int | None,
    weights: Path | None,
    shapes: tuple[str, ...],
    roles: tuple[str, ...],
    mean: str,
    std: str,
    values: bool,
    name: str | None,
    check: bool,
    output: Path,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Bring in a network as a float checkpoint.

    SOURCE is float ONNX; or package.module:factory, a function of your own code that returns a
    torch.nn.Module, which is executed here; or, with --network, a .ckpt that Nano-VS-SLAM's
    training wrote. Of files with weights only tensors are read, never pickled code.

    \b
    vpr-edge import net.onnx --shape image=1x3x120x160 --role place=embedding
    vpr-edge import net.onnx --check
    vpr-edge import mynet:build --weights w.safetensors --shape 1x3x120x160
    vpr-edge import V3_S_A.ckpt --network nano-vs-slam-s-a-fused

    The checkpoint carries its graph: quantise and export it as any of the zoo. How far it computes
    what the original computes is measured in ONNX Runtime and printed.
    """
    if network is not None:
        _nano_vs_slam(Path(source), network, height, width, output, overwrite, as_json)
        return
    if height or width:
        raise ModelError("--height and --width go with --network; give --shape instead.")
    from vpr_edge.export.door.enter import Wish

    stem = name or (source.rpartition(":")[2] if _is_module(source) else Path(source).stem)
    target = Path(str(output).replace("NETWORK", stem))
    if not check:
        check_file(target, overwrite, ".safetensors")
    wish = Wish(
        dict(_shape(text) for text in shapes),
        dict(_pair(text) for text in roles),
        _numbers("--mean", mean),
        _numbers("--std", std),
        values,
        stem,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(source)
        if _is_module(source):
            from vpr_edge.export.door.module import module_as_onnx

            if len(wish.shapes) != 1:
                raise ModelError(f"{source} needs one --shape, such as --shape 1x3x120x160.")
            (shape,) = wish.shapes.values()
            path = module_as_onnx(source, weights, shape, Path(folder))
        elif weights is not None:
            raise ModelError("--weights goes with package.module:factory; ONNX holds its own.")
        if check:
            _check(path, wish, as_json)
        else:
            _enter(path, wish, target, overwrite, as_json)


def _is_module(source: str) -> bool:
    return ":" in source and not Path(source).exists() and not source.endswith(".onnx")


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, sizes = text.rpartition("=")
    try:
        return name, tuple(int(size) for size in sizes.split("x"))
    except ValueError as error:
        raise ModelError(f"--shape {text} is not NAME=1x3x120x160.") from error


def _pair(text: str) -> tuple[str, str]:
    role, _, name = text.partition("=")
    if not name:
        raise ModelError(f"--role {text} is not ROLE=NAME.")
    return role, name


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError as error:
        raise ModelError(f"{option} {text} is no number, nor several with commas.") from error


def _check(path: Path, wish: "Wish", as_json: bool) -> None:
    from dataclasses import asdict

    from vpr_edge.export.door.enter import missing_operators

    missing = missing_operators(path, wish)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in missing], indent=2))
        return
    for one in missing:
        share = f"{100 * one.macs_share:.1f} % of the work"
        click.echo(f"{one.operator} '{one.node}' ({share}): {one.why}")
    click.echo(f"{len(missing)} nodes are missing" if missing else "every operator is known")


def _enter(path: Path, wish: "Wish", target: Path, overwrite: bool, as_json: bool) -> None:
    from vpr_edge.export.door.enter import enter_onnx
    from vpr_edge.models.checkpoint import save_checkpoint

    found = enter_onnx(path, wish)
    save_checkpoint(target, found.checkpoint, overwrite)
    graph = found.checkpoint.graph
    if as_json:
        report = {"checkpoint": str(target), "parameters": graph.parameters(),
                  "macs": graph.macs(), "operators": found.operators,
                  "snr_db": found.snr_db}  # fmt: skip
        click.echo(json.dumps(report, indent=2))
        return
    click.echo(f"{graph.parameters():,} parameters, {graph.macs():,} MAC", err=True)
    for name, snr in found.snr_db.items():
        channels, rows, columns = graph[name].shape
        click.echo(
            f"{name}: {channels} channels, {rows}x{columns}; the original's values within "
            f"{snr:.0f} dB",
            err=True,
        )
    click.echo(str(target))


def _nano_vs_slam(
    ckpt: Path,
    network: str,
    height: int | None,
    width: int | None,
    output: Path,
    overwrite: bool,
    as_json: bool,
) -> None:
    from vpr_edge.models.checkpoint import save_checkpoint
    from vpr_edge.models.import_nano_vs_slam import import_nano_vs_slam
    from vpr_edge.models.import_state import read_state
    from vpr_edge.models.zoo import network_config, resized

    target = Path(str(output).replace("NETWORK", network))
    check_file(target, overwrite, ".safetensors")
    config = network_config(network)
    config = resized(config, height or config.height, width or config.width)
    found = import_nano_vs_slam(read_state(ckpt), config, ckpt.name)
    save_checkpoint(target, found.checkpoint, overwrite)
    if as_json:
        report = {"checkpoint": str(target), "matched": found.matched, "fresh": found.fresh,
                  "unused": found.unused}  # fmt: skip
        click.echo(json.dumps(report, indent=2))
        return
    layers = len(found.matched) + len(found.fresh)
    click.echo(f"{len(found.matched)} of {layers} layers have the weights of {ckpt.name}", err=True)
    for said, names in (
        ("layers it has nothing for, at random weights", found.fresh),
        ("its tensors that nothing took", found.unused),
    ):
        if names:
            click.echo(for_terminal(f"{said}: {', '.join(names)}"), err=True)
    click.echo(str(target))
