"""The report of real figures: complete, self-contained, and right in a real browser."""

import csv
import io
import os
import re
import shutil
import subprocess
from dataclasses import astuple, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vpr_edge.benchmarks.devices.boards import BOARDS, predicted_rows
from vpr_edge.benchmarks.devices.mcu import bench_mcu
from vpr_edge.benchmarks.diagnosis.diagnose import diagnose
from vpr_edge.benchmarks.report.bench_figures import best, choices, sort_rows
from vpr_edge.benchmarks.report.bench_report import bench_page, write_bench_report
from vpr_edge.benchmarks.report.page import figure, rough
from vpr_edge.benchmarks.results import Results, Run, Series
from vpr_edge.benchmarks.rows import Row
from vpr_edge.benchmarks.static import static_rows
from vpr_edge.errors import DataError, OutputError, ToolMissingError
from vpr_edge.export.package import export
from vpr_edge.models.checkpoint import find_checkpoint

PLACES = "town, night->day, tolerance 8 m, database 120 (test), 240 queries"
PAIRS = "BSDS500 test, 200 synthetic homographies, 160x120, k 300"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Counted on an emulated core; figures that need data or a clock are those of the README."""
    folder = tmp_path_factory.mktemp("report") / "int8"
    path = export(find_checkpoint("nano-int8"), "tflite-int8", folder) / "nano.tflite"
    rows = static_rows(path)
    try:
        rows += bench_mcu(path, "cortex-m4", runs=1, layers=True)
    except ToolMissingError as error:
        pytest.skip(f"nothing to count instructions with: {error}")
    (counted,) = [row for row in rows if row.metric == "instructions"]
    rows += predicted_rows(path.name, counted.device, counted.value)
    for runtime, median in (("litert", 0.35), ("tflm", 46.85), ("c", 9.91)):
        where = (path.name, f"host/{runtime}")
        rows += [
            Row(*where, "", "latency_median_ms", median, "ms", "measured"),
            Row(*where, "", "latency_p95_ms", median * 1.1, "ms", "measured"),
            Row(*where, "", "a_figure_of_tomorrow", 17.25, "ms", "measured"),
            Row(*where, PLACES, "recall_at_1", 0.867, "fraction", "measured"),
            Row(*where, PLACES, "recall_at_5", 0.979, "fraction", "measured"),
            Row(*where, PAIRS, "repeatability", 0.483, "fraction", "measured"),
            Row(*where, PAIRS, "localization_error_px", 1.89, "px", "measured"),
        ]
    series = Series(path.name, "host/c", "power_mw", "mW", (0.0, 0.5, 1.0), (3100.0, 5200, 5150))
    run = Run(
        time="2026-01-01T00:00:00+00:00",
        command="vpr-edge bench <nano.tflite> --device cortex-m4",
        machine={"cpu": "a processor", "system": "Linux"},
        rows=tuple(rows),
        series=(series,),
        diagnoses=(diagnose(path),),
    )
    return Results((run,))


@pytest.fixture(scope="module")
def page(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bench_report(results, tmp_path_factory.mktemp("page") / "report.html")


class _Text(HTMLParser):
    """The words of a page, and what it refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.hidden = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden = tag in ("style", "script")
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def _shown(row: Row) -> str:
    if row.method == "predicted":
        return rough(row.value)
    if row.metric == "repeatability":
        return f"{row.value:.3f}"
    return figure(row.value, row.unit)


def _missing(results: Results, text: str) -> list[Row]:
    tokens = set(re.split(r"[\s|:;]+", text))
    return [row for row in results.rows if _shown(row).split()[0] not in tokens]


def _browse(address: str, *options: str) -> str:
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", *options, address]
    environment = os.environ | {"DBUS_SESSION_BUS_ADDRESS": "disabled:"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("width", [390, 1440])
def test_report_reads_well_in_a_browser(
    width: int, page: Path, results: Results, tmp_path: Path
) -> None:
    if CHROMIUM is None:
        pytest.skip("no browser: install chromium to look at the report in one")
    # Headless windows have a least width, frames have none.
    frame = tmp_path / "frame.html"
    shutil.copy(page, tmp_path / "report.html")
    frame.write_text(
        f'<body style="margin:0"><iframe src="report.html" style="border:0;width:{width}px;'
        'height:2000px"></iframe><pre></pre><script>'
        'document.querySelector("iframe").onload = event => {'
        "const page = event.target.contentDocument, root = page.documentElement;"
        'document.querySelector("pre").textContent = `${event.target.contentWindow.innerWidth} '
        "${root.clientWidth} ${root.scrollWidth} ${page.querySelectorAll('svg').length} `"
        "+ page.body.innerText; }</script>"
    )
    options = (f"--user-data-dir={tmp_path / 'profile'}", "--allow-file-access-from-files")
    told = _browse(frame.as_uri(), *options, "--virtual-time-budget=5000", "--dump-dom")
    found = re.search(r"<pre>(\d+) (\d+) (\d+) (\d+) (.*)</pre>", told, re.DOTALL)
    assert found is not None
    inner, client, scroll, drawings = (int(found[i]) for i in range(1, 5))
    assert inner == width
    assert scroll <= client, "the page is wider than the window"
    assert drawings >= 3
    assert not _missing(results, found[5])

    picture = tmp_path / "report.png"
    size = f"--window-size={max(width, 500)},2000"
    _browse(frame.as_uri(), *options, "--hide-scrollbars", size, f"--screenshot={picture}")
    seen = np.asarray(Image.open(picture).convert("RGB"))[:, :width]
    assert seen.shape[:2] == (2000, width)
    # Ink all the way down: no band of a quarter of the window is empty.
    for band in np.array_split(seen, 4):
        assert band.std() > 5
        assert len(np.unique(band.reshape(-1, 3), axis=0)) > 20


def test_report_is_one_file_that_loads_nothing(page: Path) -> None:
    text = page.read_text()
    assert not _Text(text).links
    assert "url(" not in text and "@import" not in text and "http" not in text.replace("https", "")


def test_every_figure_of_the_rows_is_in_every_form(results: Results, tmp_path: Path) -> None:
    page = write_bench_report(results, tmp_path / "report.html")
    assert not _missing(results, _Text(page.read_text()).text)
    plain = write_bench_report(results, tmp_path / "report.md").read_text()
    assert not _missing(results, plain)
    table = write_bench_report(results, tmp_path / "report.csv").read_text()
    head, *lines = csv.reader(io.StringIO(table))
    assert head == ["artefact", "device", "data", "metric", "value", "unit", "method"]
    assert lines == [[str(value) for value in astuple(row)] for row in results.rows]


def test_report_says_for_every_named_board_whether_the_model_fits(page: Path) -> None:
    text = _Text(page.read_text()).text
    for board in BOARDS:
        assert re.search(
            rf"{re.escape(board.name)} ?{re.escape(board.core)}, .{{1,12}}MHz ?fits", text
        )
    assert "uncalibrated" in text and "predicted" in text


def test_markup_in_names_is_text(page: Path) -> None:
    assert "<nano.tflite>" not in page.read_text()
    assert "<nano.tflite>" in _Text(page.read_text()).text


def test_memory_is_told_in_the_columns_that_users_know(results: Results, tmp_path: Path) -> None:
    plain = write_bench_report(results, tmp_path / "report.md").read_text()
    value = {row.metric: row.value for row in results.rows if row.device.startswith("cortex-m4")}
    ram = value["arena_bytes"] + value["stack_bytes"] + value["static_ram_bytes"]
    flash = value["weights_bytes"] + value["code_bytes"]
    (line,) = [line for line in plain.splitlines() if f"| {ram:,.0f} |" in line]
    for heading in ("activations RAM", "total RAM", "weights flash", "code flash", "total flash"):
        assert heading in plain
    assert f"| {flash:,.0f} |" in line
    assert "R@1: 86.7, R@5: 97.9" in plain


def test_the_recall_of_a_core_is_that_of_tflm_only_if_its_outputs_are_equal(
    results: Results,
) -> None:
    _, found = choices(sort_rows(results.rows))
    assert {choice.recall for choice in found} == {0.867}
    unequal = [
        replace(row, value=3.0) if row.metric == "oracle_unequal_elements" else row
        for row in results.rows
    ]
    _, found = choices(sort_rows(unequal))
    assert {c.recall for c in found if c.method == "predicted"} == {None}


def test_a_board_that_was_timed_counts_for_more_than_a_prediction(results: Results) -> None:
    board = ("nano.tflite", "serial:/dev/ttyACM0", "")
    rows = (
        Row(*board, "latency_median_ms", 1234.5, "ms", "measured"),
        Row(*board, "oracle_unequal_elements", 0, "count", "measured"),
    )
    more = Results((*results.runs, Run(rows=rows)))
    _, found = choices(sort_rows(more.rows))
    (timed,) = [choice for choice in found if choice.place == board[1]]
    assert (timed.recall, timed.method) == (0.867, "measured")
    (headline,) = [h for h in bench_page(more).headlines if h.label == "on a microcontroller"]
    assert headline.value == "1,234.5 ms" and board[1] in headline.terms


def test_the_front_holds_what_a_sweep_finds() -> None:
    rng = np.random.default_rng(0)
    points = [(float(x), float(y)) for x, y in rng.integers(0, 30, (200, 2))]
    swept, highest = set(), -1.0
    for x, y in sorted(points, key=lambda point: (point[0], -point[1])):
        if y > highest:
            swept.add((x, y))
            highest = y
    front = best(points, larger_is_better=True)
    assert {point for point, good in zip(points, front, strict=True) if good} == swept


def test_paths_and_results_that_make_no_report_are_refused(
    results: Results, page: Path, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match=r"\.html, \.md or \.csv"):
        write_bench_report(results, tmp_path / "report.pdf")
    with pytest.raises(OutputError, match="exists already"):
        write_bench_report(results, page, overwrite=False)
    with pytest.raises(DataError, match="no figures"):
        write_bench_report(Results(), tmp_path / "report.html")
