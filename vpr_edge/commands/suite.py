"""What `eval --suite` does: each artefact on every place set, and the table."""

import json
import os
from pathlib import Path

import click

from vpr_edge.benchmarks.rows import Row, rows_as_json
from vpr_edge.commands.bench import chosen_artefacts
from vpr_edge.commands.console import progress
from vpr_edge.commands.suite_table import print_suite
from vpr_edge.datasets.registry import ROOT_VARIABLE
from vpr_edge.errors import DataError


def evaluate_suite(
    artefacts: tuple[str, ...],
    runtimes: tuple[str, ...],
    data: str | None,
    centre: bool,
    as_json: bool,
) -> None:
    """Judge artefacts and frozen descriptors on every place set of a folder.

    Args:
        artefacts: files, shipped checkpoints or names of `benchmarks.frozen.FROZEN`.
        runtimes: of the files; the usual one where none is named.
        data: the folder of sets; by default that of the environment.
        centre: subtract each traversal's mean descriptor.
        as_json: print rows alone.

    Raises:
        DataError: there is no such folder, or no set in it.
    """
    from vpr_edge.benchmarks.tasks.evaluate import describer
    from vpr_edge.benchmarks.tasks.frozen import FROZEN, frozen_describe
    from vpr_edge.benchmarks.tasks.suite import run_suite, suite_rows, suite_sets
    from vpr_edge.runtimes.choose import open_runtime

    root = data or os.environ.get(ROOT_VARIABLE)
    if not root:
        raise DataError(f"the place sets' folder is not known; pass --data or set {ROOT_VARIABLE}.")
    sets = suite_sets(Path(root))
    rows: list[Row] = []
    files = tuple(name for name in artefacts if name not in FROZEN)
    for path, label, names in chosen_artefacts(files, runtimes) if files else ():
        for name in names if runtimes else names[:1]:
            runtime = open_runtime(path, name)
            with progress(f"{label} in {name}") as report:
                scores = run_suite(describer(runtime), sets, report, centre=centre)
            rows += suite_rows(scores, label, f"host/{name}")
    for name in artefacts:
        if name in FROZEN:
            describe, raw = frozen_describe(name)
            with progress(name) as report:
                scores = run_suite(describe, sets, report, name if raw else "", centre)
            rows += suite_rows(scores, name, "host/python")
    if as_json:
        click.echo(json.dumps(rows_as_json(rows), indent=2))
    else:
        print_suite(rows)
