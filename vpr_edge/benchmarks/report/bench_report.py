"""The report of `bench`: a results file as self-contained HTML, as Markdown, or as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from vpr_edge.benchmarks.report import bench_decisions as decisions
from vpr_edge.benchmarks.report import bench_sections as sections
from vpr_edge.benchmarks.report import charts
from vpr_edge.benchmarks.report.bench_figures import Sorted, artefacts, choices, fits, sort_rows
from vpr_edge.benchmarks.report.bench_layers import layers
from vpr_edge.benchmarks.report.page import (
    Chart,
    Charts,
    Facts,
    Headline,
    Page,
    Section,
    figure,
    html,
    markdown,
    rough,
)
from vpr_edge.benchmarks.results import Results, Run, Series
from vpr_edge.benchmarks.rows import Row
from vpr_edge.errors import DataError, OutputError
from vpr_edge.escapes import for_csv
from vpr_edge.files import atomic_file
from vpr_edge.metrics.table import label
from vpr_edge.output_checks import check_file

FORMATS = (".html", ".md", ".csv")
# What the names of devices with an operating system begin with.
HOSTS = ("host/", "jetson", "remote ")


def check_report(path: Path, overwrite: bool) -> None:
    """Refuse a path that no report can be written to, before anything is measured.

    Raises:
        OutputError: another ending, or the file exists and is to be kept.
    """
    if path.suffix not in FORMATS:
        raise OutputError(
            f"{path} does not say what kind of report is wanted; let it end in "
            f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}."
        )
    check_file(path, overwrite)


def write_bench_report(results: Results, path: Path, overwrite: bool = True) -> Path:
    """Write a report; the path's ending says in which form.

    Of figures that were measured several times the latest is shown.

    Raises:
        DataError: there are no figures.
        OutputError: another ending, or the file exists, or it could not be written.
    """
    check_report(path, overwrite)
    rows = results.latest()
    if not rows:
        raise DataError("these results hold no figures to report; run vpr-edge bench first.")
    if path.suffix == ".csv":
        text = _csv(rows)
    else:
        text = (html if path.suffix == ".html" else markdown)(bench_page(results))
    with atomic_file(path, overwrite) as scratch:
        scratch.write_text(text, encoding="utf-8")
    return path


def bench_page(results: Results) -> Page:
    """All that the report shows."""
    rows = sort_rows(results.latest())
    names = artefacts(results.latest())
    parts: list[Section | None] = [
        decisions.in_short(rows),
        decisions.trade_offs(rows),
        decisions.boards(rows),
        sections.memory(rows),
        sections.instructions(rows),
        sections.hosts(rows),
        sections.accuracy(rows),
    ]
    parts += layers(rows.layers, [one for run in results.runs for one in run.diagnoses])
    parts.append(_over_time([series for run in results.runs for series in run.series]))
    parts.append(sections.files(rows))
    parts.append(_provenance(results.runs))
    machine = next((run.machine for run in results.runs if run.machine), {})
    about = ", ".join([*names, *(machine[k] for k in ("cpu", "system") if k in machine)])
    return Page(
        "vpr-edge bench: " + (names[0] if len(names) == 1 else f"{len(names)} artefacts"),
        about,
        _headlines(rows),
        tuple(part for part in parts if part),
    )


def _headlines(rows: Sorted) -> tuple[Headline, ...]:
    """Of the first artefact that fits a microcontroller, or else of the first."""
    data, found = choices(rows)
    judged = [r.artefact for r in rows.accuracy if r.data == data]
    small = artefacts(rows.mcu)
    name = next((n for n in small if n in judged), (small or artefacts(rows.host) or [""])[0])
    lines = []
    recall = [r for r in rows.accuracy if (r.artefact, r.data) == (name, data)]
    if data and recall and recall[0].metric == "recall_at_1":
        terms, place = decisions.recall_text(rows.accuracy, name, data), data.split(",")[0]
        lines.append(
            Headline("recall@1", f"{100 * recall[0].value:.1f} %", f"{name}, {place}; {terms}")
        )
    mine = [c for c in found if c.artefact == name and c.milliseconds is not None]
    boards = [c for c in mine if not c.place.startswith(HOSTS)]
    for heading, times in (
        ("fastest host", [c for c in mine if c.place.startswith(HOSTS)]),
        # What was measured on a board says more than what was predicted for one.
        ("on a microcontroller", [c for c in boards if c.method == "measured"] or boards),
    ):
        if times:
            one = min(times, key=lambda c: c.milliseconds or 0.0)
            terms = f"{name}, {one.place}, {one.method}"
            time = one.milliseconds or 0.0
            text = rough(time) if one.method == "predicted" else figure(time, "ms")
            lines.append(Headline(heading, f"{text} ms", terms))
    judgements = fits(rows.mcu, name)
    if judgements:
        good = [fit for fit in judgements if fit.verdict.fits]
        least = min((fit.board for fit in good), key=lambda b: b.sram_bytes, default=None)
        terms = f"{name}; smallest: {least.name}" if least else name
        lines.append(Headline("boards it fits", f"{len(good)} of {len(judgements)}", terms))
    sram = [c.sram for c in found if c.artefact == name and c.sram is not None]
    if sram:
        terms = f"{name}: arena, stack and static variables"
        lines.append(Headline("SRAM", f"{min(sram) / 1024:.0f} KiB", terms))
    return tuple(lines)


def _over_time(series: Sequence[Series]) -> Section | None:
    """A chart for each quantity of each artefact, a colour a device."""
    if not series:
        return None
    devices = list(dict.fromkeys(one.device for one in series))
    drawn = []
    for artefact, metric, unit in dict.fromkeys((s.artefact, s.metric, s.unit) for s in series):
        scale, shown = (1 / 1e6, "MB") if unit == "bytes" else (1.0, unit)
        curves = [
            charts.Curve(
                one.device, one.seconds, [v * scale for v in one.values], devices.index(one.device)
            )
            for one in series
            if (one.artefact, one.metric, one.unit) == (artefact, metric, unit)
        ]
        title = label(metric.removesuffix(f"_{unit.lower()}"))
        drawn.append(
            Chart(charts.lines(curves, "seconds", f"{title}, {shown}"), f"{artefact}: {title}")
        )
    blocks = (Charts(tuple(drawn), tuple(devices)),)
    return Section("Over time", "Sampled while the artefact ran.", blocks)


def _provenance(runs: Sequence[Run]) -> Section:
    blocks = []
    for number, run in enumerate(runs, start=1):
        lines = [
            ("begun", run.time),
            ("command", run.command),
            ("vpr-edge", run.version),
            *run.machine.items(),
            ("threads", str(run.threads)),
            ("affinity", ", ".join(map(str, run.affinity)) or "none"),
            *((name.replace("_", " "), _plain(value)) for name, value in run.settings.items()),
            *(
                (f"{device}: {name}", value)
                for device, values in run.facts.items()
                for name, value in values.items()
            ),
            ("figures", str(len(run.rows))),
            ("ended early", run.ended),
        ]
        kept = tuple((what, value) for what, value in lines if value)
        blocks.append(Facts(kept, f"Run {number} of {len(runs)}" if len(runs) > 1 else ""))
    return Section("Provenance", "", tuple(blocks))


def _plain(value: Any) -> str:
    """A setting as words; "" for one that is not set."""
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(_plain, value)))
    return "" if value is None else str(value)


def _csv(rows: Sequence[Row]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow([field.name for field in fields(Row)])
    writer.writerows(map(for_csv, astuple(row)) for row in rows)
    return stream.getvalue()
