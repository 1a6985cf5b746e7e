"""The table of `eval --suite` on a terminal: a line an artefact and set, intervals in brackets."""

from collections.abc import Sequence

from vpr_edge.benchmarks.rows import Row
from vpr_edge.benchmarks.tasks.retrieval import FIGURES
from vpr_edge.commands.console import print_table

HEADINGS = ("R@1", "R@5", "R@10", "AP", "R at P=1")


def print_suite(rows: Sequence[Row]) -> None:
    """A table for each set and one for the macro average, artefacts below one another."""
    for data in dict.fromkeys(row.data for row in rows):
        lines = []
        for artefact, device in dict.fromkeys((r.artefact, r.device) for r in rows):
            values = {
                row.metric: row.value
                for row in rows
                if (row.data, row.artefact, row.device) == (data, artefact, device)
            }
            if values:
                cells = [_cell(values, name) for name in FIGURES]
                lines.append((artefact, device.removeprefix("host/"), *cells))
        print_table(("artefact", "runtime", *HEADINGS), lines, data, "ll" + "r" * len(FIGURES))


def _cell(values: dict[str, float], name: str) -> str:
    if f"{name}_low" not in values:
        return f"{values[name]:.3f}"
    return f"{values[name]:.3f} [{values[f'{name}_low']:.2f} {values[f'{name}_high']:.2f}]"
