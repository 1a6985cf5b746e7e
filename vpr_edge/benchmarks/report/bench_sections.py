"""The sections of the bench report that show figures: memory, instructions, latency, accuracy."""

from collections.abc import Sequence

from vpr_edge.benchmarks.report.bench_figures import Sorted, artefacts, needs
from vpr_edge.benchmarks.report.page import Block, Cell, Section, Sentences, Table, figure, rough
from vpr_edge.benchmarks.rows import Row
from vpr_edge.metrics.table import label, metric, place

_MEMORY = (
    "arena_bytes",
    "stack_bytes",
    "static_ram_bytes",
    "code_bytes",
    "weights_bytes",
)


def memory(rows: Sorted) -> Section | None:
    """RAM and flash in ST's columns."""
    lines = []
    for artefact in artefacts(rows.mcu):
        for device, need in needs(rows.mcu, artefact).items():
            other = {r.metric: r.value for r in rows.mcu
                     if (r.artefact, r.device) == (artefact, device)}  # fmt: skip
            cells = (
                *(need.arena, need.stack, need.static_ram, need.ram),
                *(need.weights, need.code, need.flash),
                *(other.get(name) for name in ("arena_bound_bytes", "scratch_bytes")),
            )
            lines.append((artefact, device, *(figure(value, "bytes") for value in cells)))
    if not lines:
        return None
    headings = (
        "artefact",
        "core",
        "activations\nRAM",
        "stack\nRAM",
        "static\nRAM",
        "total\nRAM",
        "weights\nflash",
        "code\nflash",
        "total\nflash",
        "arena's\nlower bound",
        "scratch\nwithin the arena",
    )
    note = (
        "Bytes. Activations are the arena, inputs and outputs included; stack and static variables "
        "are the runtime's RAM. Code includes constants other than weights. Nothing else is linked."
    )
    return Section("Memory on microcontrollers", note, (Table(headings, tuple(lines), 2),))


def instructions(rows: Sorted) -> Section | None:
    """Instructions, what they are predicted to take, and equality with TFLM."""
    counted = [row for row in rows.mcu if row.metric == "instructions"]
    if not counted and not rows.predicted:
        return None
    most = max((row.value for row in counted), default=1.0)
    known = {*_MEMORY, "arena_bound_bytes", "scratch_bytes", "instructions", "macs"}
    more = list(dict.fromkeys(row.metric for row in rows.mcu if row.metric not in known))
    found = {(r.artefact, r.device, r.metric): r for r in rows.mcu}
    lines: list[tuple[Cell | str, ...]] = []
    for artefact, device in dict.fromkeys((r.artefact, r.device) for r in rows.mcu):
        count = found.get((artefact, device, "instructions"))
        macs = found.get((artefact, device, "macs"))
        lines.append(
            (
                artefact,
                device,
                figure(macs.value, "count") if macs else "-",
                Cell(figure(count.value, "count"), count.value / most) if count else "-",
                f"{count.value / macs.value:.2f}" if count and macs and macs.value else "-",
                *_values(found, artefact, device, more),
            )
        )
    headings = ("artefact", "core", "MAC", "instructions\na run", "instructions\na MAC")
    counts = Table((*headings, *(label(name) for name in more)), tuple(lines), 2)
    blocks: list[Block] = [counts]
    if rows.predicted:
        foretold = tuple((r.artefact, r.device, rough(r.value)) for r in rows.predicted)
        blocks.append(Table(("artefact", "board", "ms"), foretold, 2, "Predicted"))
        terms = dict.fromkeys(f"{r.device}: {r.data}." for r in rows.predicted)
        blocks.append(Sentences(tuple(terms)))
    note = (
        "Counted by the emulator, every instruction of one run; the same model, compiler and "
        "emulator give the same count anywhere. Outputs are compared with TensorFlow Lite "
        "Micro's, element by element."
    )
    return Section("Instructions on microcontrollers", note, tuple(blocks))


def hosts(rows: Sorted) -> Section | None:
    """Latency and memory as measured, as ratios too."""
    if not rows.host:
        return None
    metrics = sorted(dict.fromkeys(row.metric for row in rows.host), key=place)
    found = {(r.artefact, r.device, r.metric): r for r in rows.host}
    tables = []
    for artefact in artefacts(rows.host):
        mine = {r.device: r.value for r in rows.host
                if r.artefact == artefact and r.metric == "latency_median_ms"}  # fmt: skip
        fastest, slowest = min(mine.values(), default=1.0), max(mine.values(), default=1.0)
        lines: list[tuple[Cell | str, ...]] = []
        for device in dict.fromkeys(r.device for r in rows.host if r.artefact == artefact):
            time = mine.get(device)
            ratio = Cell(f"{time / fastest:.1f} x", time / slowest) if time else Cell("-")
            lines.append((device, ratio, *_values(found, artefact, device, metrics)))
        headings = ("where", "median over\nthe fastest's", *(label(name) for name in metrics))
        tables.append(Table(headings, tuple(lines), 1, artefact))
    note = (
        "On host/: wall clock, each runtime in a process of its own; how many threads is under "
        "Provenance. Spread: between the medians of the windows. The figures of a host order "
        "runtimes on that machine; they do not predict a microcontroller."
    )
    return Section("Measured latency and memory", note, tuple(tables))


def accuracy(rows: Sorted) -> Section | None:
    """A table for every data set."""
    if not rows.accuracy:
        return None
    tables = []
    for data in dict.fromkeys(row.data for row in rows.accuracy):
        mine = [row for row in rows.accuracy if row.data == data]
        metrics = sorted(dict.fromkeys(row.metric for row in mine), key=place)
        found = {(r.artefact, r.device, r.metric): r for r in mine}
        lines = tuple(
            (artefact, device, *_values(found, artefact, device, metrics))
            for artefact, device in dict.fromkeys((r.artefact, r.device) for r in mine)
        )
        headings = ("artefact", "where", *(label(name) for name in metrics))
        tables.append(Table(headings, lines, 2, data))
    note = (
        "Of the artefact in that runtime. Recall and mIoU in per cent; keypoints as shares, in "
        "the columns of KP2D."
    )
    return Section("Accuracy", note, tuple(tables))


def files(rows: Sorted) -> Section | None:
    """What the files say."""
    if not rows.static:
        return None
    names = artefacts(rows.static)
    found = {(r.artefact, r.metric): r.value for r in rows.static}
    lines = tuple(
        (metric.replace("operator_", "operators "), *(figure(found.get((n, metric)), unit)
                                                      for n in names))
        for metric, unit in dict.fromkeys((r.metric, r.unit) for r in rows.static)
    )  # fmt: skip
    return Section("As the files say", "Counted, not run.", (Table(("figure", *names), lines),))


def _values(
    found: dict[tuple[str, str, str], Row], artefact: str, device: str, metrics: Sequence[str]
) -> list[str]:
    return [_value(found.get((artefact, device, metric))) for metric in metrics]


def _value(row: Row | None) -> str:
    if row is None:
        return "-"
    if metric(row.metric).share:
        return f"{row.value:.3f}"
    return figure(row.value, row.unit)
