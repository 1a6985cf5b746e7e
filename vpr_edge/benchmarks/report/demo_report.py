"""The demo's report: one HTML file that holds everything it shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vpr_edge.benchmarks.report.page import Headline, template_environment
from vpr_edge.benchmarks.rows import Row
from vpr_edge.benchmarks.tasks.parity import ParityRow
from vpr_edge.files import atomic_file


@dataclass(frozen=True)
class Retrieved:
    """A database picture (data URI) that was retrieved: metres from the query, whether right."""

    picture: str
    metres: float
    right: bool


@dataclass(frozen=True)
class Strip:
    """A query (data URI), its condition, and what was retrieved for it, best first."""

    picture: str
    condition: str
    retrieved: tuple[Retrieved, ...]


@dataclass(frozen=True)
class SegmentedView:
    """A picture, the classes found and the true classes, painted over it (data URIs)."""

    picture: str
    found: str
    truth: str


@dataclass(frozen=True)
class Report:
    """All that the report shows.

    Attributes:
        title, subtitle: of the page.
        headlines: the figures at the top.
        strips: queries with their retrieved places.
        recall_svg, layers_svg: plots.
        matches: two views with matched keypoints (data URI), and a caption.
        segmented: views, and the legend as (class, css colour).
        accuracy, files, host, mcu: rows of the tables; host holds latency and memory, mcu what was
            counted on emulated microcontrollers, if anything.
        parity: executions compared.
        protocol: how long latency was measured.
        operators: op list of the TFLite file with counts.
        provenance: (what, value) lines.
    """

    title: str
    subtitle: str
    headlines: tuple[Headline, ...]
    strips: tuple[Strip, ...]
    recall_svg: str
    recall_caption: str
    layers_svg: str
    matches: tuple[tuple[str, str], ...]
    segmented: tuple[SegmentedView, ...]
    legend: tuple[tuple[str, str], ...]
    accuracy: tuple[Row, ...]
    files: tuple[Row, ...]
    host: tuple[Row, ...]
    mcu: tuple[Row, ...]
    parity: tuple[ParityRow, ...]
    parity_caption: str
    protocol: str
    operators: tuple[tuple[str, int], ...]
    provenance: tuple[tuple[str, str], ...]


def write_report(report: Report, path: Path) -> Path:
    """Write the report as self-contained HTML.

    Raises:
        OutputError: the file could not be written.
    """
    page = (
        template_environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            accuracy=_pivot(report.accuracy),
            files=_pivot(report.files),
            host=_measured(report.host),
            mcu=_pivot(report.mcu),
            parity=_compared(report.parity),
        )
    )
    with atomic_file(path) as scratch:
        scratch.write_text(page, encoding="utf-8")
    return path


@dataclass(frozen=True)
class _Pivot:
    """Rows as a table: a line a (data, metric, unit), a column an (artefact, device).

    With two columns each line ends in their difference.
    """

    columns: tuple[tuple[str, str], ...]
    lines: tuple[tuple[str, str, str, tuple[float | None, ...]], ...]

    @property
    def compares(self) -> bool:
        return len(self.columns) == 2


def _pivot(rows: Sequence[Row]) -> _Pivot:
    columns = tuple(dict.fromkeys((row.artefact, row.device) for row in rows))
    keys = dict.fromkeys((row.data, row.metric, row.unit) for row in rows)
    found = {(row.artefact, row.device, row.data, row.metric): row.value for row in rows}
    lines = tuple(
        (data, metric, unit, tuple(found.get((*column, data, metric)) for column in columns))
        for data, metric, unit in keys
    )
    return _Pivot(columns, lines)


@dataclass(frozen=True)
class _Measured:
    """Rows as a table: a line an (artefact, device), a column a (metric, unit)."""

    figures: tuple[tuple[str, str], ...]
    lines: tuple[tuple[str, str, tuple[float | None, ...]], ...]


def _measured(rows: Sequence[Row]) -> _Measured:
    figures = tuple(dict.fromkeys((row.metric, row.unit) for row in rows))
    found = {(row.artefact, row.device, row.metric): row.value for row in rows}
    lines = tuple(
        (*ran, tuple(found.get((*ran, metric)) for metric, _ in figures))
        for ran in dict.fromkeys((row.artefact, row.device) for row in rows)
    )
    return _Measured(figures, lines)


@dataclass(frozen=True)
class _Compared:
    """Parity as a table: a line a pair of executions, a cell an output."""

    outputs: tuple[str, ...]
    lines: tuple[tuple[str, str, tuple[ParityRow, ...]], ...]


def _compared(rows: Sequence[ParityRow]) -> _Compared:
    pairs = dict.fromkeys((row.first, row.second) for row in rows)
    lines = tuple(
        (*pair, tuple(row for row in rows if (row.first, row.second) == pair)) for pair in pairs
    )
    return _Compared(tuple(dict.fromkeys(row.output for row in rows)), lines)
