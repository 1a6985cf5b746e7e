"""The command that brings other programs' weights onto the zoo's networks."""

import json
from pathlib import Path

import click

from vpr_edge.commands.options import JSON, OVERWRITE, output_option
from vpr_edge.escapes import for_terminal
from vpr_edge.output_checks import check_file


@click.command("import")
@click.argument("ckpt", type=click.Path(path_type=Path))
@click.option("--network", required=True, help="Which network of the zoo was trained.")
@click.option("--height", type=click.IntRange(8), help="Rows of the input; the zoo's by default.")
@click.option("--width", type=click.IntRange(8), help="Columns of the input; likewise.")
@output_option("NETWORK.safetensors")
@OVERWRITE
@JSON
def import_checkpoint(
    ckpt: Path,
    network: str,
    height: int | None,
    width: int | None,
    output: Path,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Take the weights of a .ckpt that Nano-VS-SLAM's training wrote.

    Only tensors are read; a file that asks for pickled code is refused.

    \b
    vpr-edge import V3_S_A.ckpt --network nano-vs-slam-s-a-fused
    vpr-edge import V2_S.ckpt --network nano-vs-slam-s --height 240 --width 320

    The numbers of matched and of unmatched layers are printed. The result is a float checkpoint
    to train on, quantise and export; docs/models.md says what differs from the original.
    """
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
