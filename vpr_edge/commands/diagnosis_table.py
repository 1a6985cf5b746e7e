"""A diagnosis on a terminal: the layers that cost most, and what would help."""

import click

from vpr_edge.benchmarks.diagnosis.diagnosis import Diagnosis, advice, short_name
from vpr_edge.commands.console import print_table
from vpr_edge.escapes import for_terminal

SHOWN = 12


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """Print the layers that cost the outputs most, or of unknown errors those of most work."""
    errors, ranges = diagnosis.errors, diagnosis.ranges

    def cost(tensor: str, macs: int) -> tuple[float, int]:
        error = errors.get(tensor)
        return (error.gain_db or 0.0 if error else 0.0, macs)

    worst = sorted(diagnosis.layers, key=lambda layer: cost(layer.tensor, layer.macs))[::-1]
    lines = []
    for layer in worst[:SHOWN]:
        error, use = errors.get(layer.tensor), ranges.get(layer.tensor)
        gain = error.gain_db if error else None
        lines.append(
            (
                str(layer.index),
                layer.op,
                for_terminal(short_name(layer.tensor)),
                f"{layer.macs:,}",
                f"{layer.output_bytes:,}",
                f"{layer.weights_bytes:,}",
                f"{error.snr_db:.1f}" if error else "",
                f"{error.cosine:.4f}" if error else "",
                f"{100 * use.saturated_fraction:.2f}" if use else "",
                f"{100 * use.dead_fraction:.1f}" if use else "",
                "" if gain is None else f"{gain:+.2f}",
            )
        )
    headings = ("layer", "operator", "tensor", "MAC", "bytes", "weights", "SNR dB", "cosine",
                "saturated %", "dead range %", "in 16 bits dB")  # fmt: skip
    title = f"{diagnosis.artefact}: the {len(lines)} layers that cost most of {len(worst)}"
    print_table(headings, lines, title, "rllrrrrrrrr")
    if diagnosis.terms:
        click.echo(diagnosis.terms)
    for line in advice(diagnosis.remedies):
        click.echo(f"- {line}")
