"""The sections of the bench report by which one decides: in short, trade-offs, boards."""

from collections.abc import Sequence

from vpr_edge.benchmarks.devices.boards import BOARDS, predicted_ms
from vpr_edge.benchmarks.report import charts
from vpr_edge.benchmarks.report.bench_figures import (
    BoardFit,
    Choice,
    Sorted,
    artefacts,
    best,
    choices,
    fits,
)
from vpr_edge.benchmarks.report.page import (
    Cell,
    Chart,
    Charts,
    Mark,
    Section,
    Sentences,
    Table,
    figure,
    rough,
)
from vpr_edge.benchmarks.rows import Row


def in_short(rows: Sorted) -> Section:
    """One sentence an artefact."""
    data, found = choices(rows)
    lines = []
    for artefact in artefacts((*rows.host, *rows.mcu, *rows.accuracy, *rows.static)):
        parts = []
        recall = recall_text(rows.accuracy, artefact, data)
        if recall:
            parts.append(recall)
        boards = fits(rows.mcu, artefact)
        if boards:
            good = sum(fit.verdict.fits for fit in boards)
            parts.append(f"fits {good} of {len(boards)} boards")
        mine = [c for c in found if c.artefact == artefact and c.milliseconds is not None]
        parts += [
            f"predicted {rough(c.milliseconds or 0.0)} ms on {c.place}"
            for c in mine
            if c.method == "predicted"
        ]
        hosts = [c for c in mine if c.method != "predicted"]
        if hosts:
            fastest = min(hosts, key=lambda c: c.milliseconds or 0)
            parts.append(f"{figure(fastest.milliseconds, 'ms')} ms on {fastest.place}, the fastest")
        lines.append(f"{artefact}: {'; '.join(parts) or 'only what its file says'}.")
    note = f"Recall in per cent on {data}." if data else ""
    return Section("In short", note, (Sentences(tuple(lines)),))


def recall_text(rows: Sequence[Row], artefact: str, data: str) -> str:
    """The usual line `R@1: .., R@5: ..` of an artefact's first runtime, "" without recall."""
    mine = [r for r in rows if r.artefact == artefact and r.data == data]
    mine = [r for r in mine if r.metric.startswith("recall_at_") and r.device == mine[0].device]
    return ", ".join(f"R@{r.metric.removeprefix('recall_at_')}: {100 * r.value:.1f}" for r in mine)


def trade_offs(rows: Sorted) -> Section | None:
    """Recall against milliseconds against SRAM."""
    data, found = choices(rows)
    names = artefacts((*rows.host, *rows.mcu))
    panels = (
        _panel(found, names, "milliseconds", "recall", "ms a run", "recall@1, %"),
        _panel(found, names, "sram", "recall", "KiB of SRAM", "recall@1, %"),
        _panel(found, names, "milliseconds", "sram", "ms a run", "KiB of SRAM"),
    )
    drawn = tuple(panel for panel in panels if panel)
    if not found:
        return None
    lines = [
        (
            Cell(str(number)),
            Cell(choice.artefact),
            Cell(choice.place),
            Cell("-" if choice.recall is None else f"{100 * choice.recall:.1f}"),
            Cell(_milliseconds(choice)),
            Cell(choice.method if choice.milliseconds is not None else "-"),
            Cell("-" if choice.sram is None else f"{choice.sram / 1024:,.1f}"),
        )
        for number, choice in enumerate(found, start=1)
    ]
    headings = ("#", "artefact", "where", "recall@1\n%", "ms", "method", "SRAM\nKiB")
    note = (
        "Filled: no other point is better in both directions. Numbers are those of the table. "
        "SRAM: arena, stack and static variables of the generated C."
    )
    if data:
        note += " Recall on microcontrollers is that of TFLM, whose bits the C gives."
    charted = (Charts(drawn, tuple(names)),) if drawn else ()
    blocks = (*charted, Table(headings, tuple(lines), words=3))
    return Section("Trade-offs", note, blocks)


def _milliseconds(choice: Choice) -> str:
    if choice.milliseconds is None or choice.method != "predicted":
        return figure(choice.milliseconds, "ms")
    return rough(choice.milliseconds)


def _panel(
    found: Sequence[Choice], names: list[str], x: str, y: str, across: str, up: str
) -> Chart | None:
    scale = {"recall": 100.0, "sram": 1 / 1024, "milliseconds": 1.0}
    known = [
        (number, choice, getattr(choice, x) * scale[x], getattr(choice, y) * scale[y])
        for number, choice in enumerate(found, start=1)
        if getattr(choice, x) is not None and getattr(choice, y) is not None
    ]
    if len({(round(a, 1), round(b, 1)) for *_, a, b in known}) < 2:
        return None
    front = best([(a, b) for *_, a, b in known], larger_is_better=y == "recall")
    points = [
        charts.Point(
            a,
            b,
            str(number),
            f"{choice.artefact}, {choice.place}: {figure(a, 'ms')} {across}, "
            f"{figure(b, 'ms')} {up}",
            names.index(choice.artefact),
            not good,
        )
        for (number, choice, a, b), good in zip(known, front, strict=True)
    ]
    values = [a for *_, a, _ in known]
    wide = min(values) > 0 and max(values) / min(values) > 20
    tall = y == "sram" and max(b for *_, b in known) > 20 * min(b for *_, b in known)
    upright = charts.Axis(up, tall)
    if y == "recall":
        upright = charts.Axis(up, least_span=10.0, top=100.0)
    level = charts.Axis(across, wide, least_span=0.0 if wide else 0.5 * max(values))
    return Chart(
        charts.scatter(points, level, upright),
        f"{up} against {across}" + (", logarithmic" if wide else ""),
    )


def boards(rows: Sorted) -> Section | None:
    """The verdict for each named board."""
    names = artefacts(rows.mcu)
    by_artefact = {name: fits(rows.mcu, name) for name in names}
    by_artefact = {name: found for name, found in by_artefact.items() if found}
    if not by_artefact:
        return None
    lines = []
    for line in zip(*by_artefact.values(), strict=True):
        board = line[0].board
        cells = [Cell(f"{board.name}\n{board.core}, {board.clock_mhz:g} MHz")]
        for fit in line:
            cells += _fit_cells(fit)
        memory = f"{board.sram_bytes // 1024:,} / {board.flash_bytes // 1024:,}"
        cells.append(Cell(memory))
        cells.append(Cell(board.source, mark="soft", prose=True))
        lines.append(tuple(cells))
    headings = ["board"]
    for name in by_artefact:
        headings += [f"{name}\nverdict", f"{name}\nms a run"]
    cycles = sorted({board.calibration.cycles for board in BOARDS if board.calibration})
    known = " and ".join(f"{value:g}" for value in cycles)
    note = (
        "SRAM: the largest piece in one address range; the application's own memory comes on top. "
        "Milliseconds are predicted where cycles an instruction are known (each row's terms are "
        "under Instructions); elsewhere the board is uncalibrated and the time at one cycle an "
        f"instruction is given as a yardstick: those that are known need {known}. "
        "A Cortex-M85 is judged by what was counted on a Cortex-M55, an M0+ by an M0."
    )
    return Section(
        "Which board it fits",
        note,
        (Table((*headings, "SRAM / flash\nKiB", "source"), tuple(lines)),),
    )


def _fit_cells(fit: BoardFit) -> tuple[Cell, Cell]:
    core = "" if fit.own_core else f" (sizes counted on {fit.measured_on.split('/')[0]})"
    word = "fits" if fit.verdict.fits else "does not fit"
    mark: Mark = "good" if fit.verdict.fits else "bad"
    seen = Cell(f"{word}\n{fit.verdict.why}{core}", mark=mark, prose=True)
    if fit.instructions is None:
        return seen, Cell(f"not counted on {fit.board.counted_on}", mark="soft", prose=True)
    if fit.board.calibration is None:
        least = fit.instructions / (fit.board.clock_mhz * 1e3)
        text = f"uncalibrated\n{rough(least)} at 1 cycle an instruction"
        return seen, Cell(text, mark="soft", prose=True)
    time = predicted_ms(fit.board.calibration, fit.board.clock_mhz, fit.instructions)
    return seen, Cell(f"{rough(time)}\npredicted", prose=True)
