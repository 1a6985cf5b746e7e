"""The command that lists networks and shipped checkpoints."""

import click

from vpr_edge.benchmarks.rows import Row
from vpr_edge.commands.console import print_rows, print_table
from vpr_edge.commands.options import JSON


@click.command()
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
