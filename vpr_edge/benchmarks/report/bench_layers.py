"""The bench report layer by layer: memory over time, work, instructions, int8 error, remedies."""

import re
from collections.abc import Callable, Sequence

from vpr_edge.benchmarks.diagnosis.diagnosis import Diagnosis, Layer, Remedy, advice, short_name
from vpr_edge.benchmarks.report import charts
from vpr_edge.benchmarks.report.bench_figures import artefacts
from vpr_edge.benchmarks.report.page import (
    Block,
    Cell,
    Chart,
    Charts,
    Section,
    Sentences,
    Table,
)
from vpr_edge.benchmarks.rows import Row

WEAKEST = 5
_ROW = re.compile(r"layer_(\d+)_(\w+)_instructions")


def layers(rows: Sequence[Row], diagnoses: Sequence[Diagnosis]) -> list[Section]:
    """A section for each artefact that was looked into.

    Args:
        rows: `layer_<index>_<operator>_instructions` of all devices.
        diagnoses: of artefacts; of one that was diagnosed twice the last counts.
    """
    known = {diagnosis.artefact: diagnosis for diagnosis in diagnoses}
    names = dict.fromkeys([*artefacts(rows), *known])
    return [
        _section(name, [row for row in rows if row.artefact == name], known.get(name))
        for name in names
    ]


def _section(name: str, rows: Sequence[Row], found: Diagnosis | None) -> Section:
    blocks: list[Block] = []
    note = "Instructions of one run."
    if found:
        blocks.append(Charts(_charts(found, rows)))
        note = (
            "Work and bytes of the generated C; constants and tensors that the compiler leaves out "
            "do not count."
        )
    if found and found.terms:
        note += f" Int8: {found.terms}."
    if found and found.errors:
        note += (
            " SNR and cosine: of each map against float as TensorFlow Lite "
            "Micro computes it, earlier layers' errors included; red: the weakest. In 16 bits: by "
            "how many decibels the outputs' SNR rises, mean over the outputs, when that map alone "
            "is kept in 16 bits (simulated)."
        )
    if found and found.ranges:
        note += (
            " Saturated: elements at an end of int8 that is not real zero. Dead range: steps of "
            "int8 outside what the inputs used."
        )
    if found and found.remedies:
        blocks.append(Sentences(tuple(advice(found.remedies))))
        blocks.append(_tried(found.remedies))
    blocks.append(_table(rows, found))
    return Section(f"Layer by layer: {name}", note, tuple(blocks))


def _charts(found: Diagnosis, rows: Sequence[Row]) -> tuple[Chart, ...]:
    names = {layer.index: f"{layer.index} {short_name(layer.tensor)}" for layer in found.layers}
    drawn = [_memory(found)]
    device = rows[0].device if rows else ""
    counts = [
        (f"{names.get(int(match[1]), match[1])}: {row.value:,.0f}", row.value / 1e6, False)
        for row in rows
        if row.device == device and (match := _ROW.fullmatch(row.metric))
    ]
    if counts:
        caption = f"Instructions of each layer on {device}."
        drawn.append(Chart(charts.bars(counts, "million instructions"), caption))
    known = [(layer.index, found.errors[layer.tensor].snr_db) for layer in found.layers
             if layer.tensor in found.errors]  # fmt: skip
    if known:
        weak = sorted(snr for _, snr in known)[:WEAKEST][-1]
        levels = [(f"{names[index]}: {snr:.1f} dB", snr, snr <= weak) for index, snr in known]
        caption = f"SNR of each layer's int8 map against float; red: the weakest {WEAKEST}."
        drawn.append(Chart(charts.bars(levels, "SNR, dB"), caption))
    return tuple(drawn)


def _memory(found: Diagnosis) -> Chart:
    count = len(found.layers)
    blocks = [
        charts.Block(
            f"{short_name(b.tensor) if b.tensor else 'scratch'}: {b.bytes:,} B at {b.offset:,}, "
            f"layers {max(b.first, 0)} to {min(b.last, count - 1)}",
            b.first,
            b.last,
            b.offset,
            b.bytes,
            not b.tensor,
        )
        for b in found.blocks
    ]
    live = [sum(b.bytes for b in found.blocks if b.first <= i <= b.last) for i in range(count)]
    fullest = found.layers[max(range(count), key=live.__getitem__)]
    caption = (
        f"Memory over time: what lies where in the arena of {found.arena_bytes:,} bytes (dashed) "
        f"while the layers run; fullest at {fullest.index} {short_name(fullest.tensor)}."
    )
    return Chart(charts.memory_map(blocks, found.arena_bytes, count), caption)


def _tried(remedies: Sequence[Remedy]) -> Table:
    lines = tuple(
        (
            remedy.layer or "the whole network",
            Cell(remedy.what, prose=True),
            Cell(f"{remedy.gain:+.2f}", mark="good" if remedy.gain > 0 else "bad"),
            "simulated" if remedy.simulated else "TFLM's bits",
            f"{remedy.layer_before:.1f} to {remedy.layer_after:.1f}" if remedy.layer else "-",
            *(f"{remedy.before[n]:.1f} to {remedy.after[n]:.1f}" for n in remedy.before),
        )
        for remedy in remedies
    )
    outputs = [f"{name}\nSNR, dB" for name in remedies[0].before]
    headings = (
        "layer",
        "tried",
        "gain at the\noutputs, dB",
        "measured in",
        "at the layer\nSNR, dB",
    )
    return Table((*headings, *outputs), lines, 1, "What was tried")


def _table(rows: Sequence[Row], found: Diagnosis | None) -> Table:
    devices = list(dict.fromkeys(row.device for row in rows))
    counts: dict[tuple[int, str], float] = {}
    operators: dict[int, str] = {}
    for row in rows:
        if match := _ROW.fullmatch(row.metric):
            counts[int(match[1]), row.device] = row.value
            operators[int(match[1])] = match[2]
    known = found.layers if found else [Layer(i, op, "", 0, 0, 0) for i, op in operators.items()]
    columns = [
        *(_error_columns(found) if found else []),
        *(
            _column(
                f"instructions\n{device.split('/')[0]}",
                [counts.get((layer.index, device)) for layer in known],
                "{:,.0f}".format,
                bars=device == devices[0],
            )
            for device in devices
        ),
    ]
    if found:
        columns += [
            _column("MAC", [layer.macs for layer in known], "{:,}".format),
            _column("output\nbytes", [layer.output_bytes for layer in known], "{:,}".format),
            _column("weights\nbytes", [layer.weights_bytes for layer in known], "{:,}".format),
        ]
    names = [f"{layer.index} {layer.op}\n{short_name(layer.tensor)}".strip() for layer in known]
    headings = ("layer", *(heading for heading, _ in columns))
    cells = zip(names, *(column for _, column in columns), strict=True)
    return Table(headings, tuple(cells), 1, "Every layer")


Column = tuple[str, list[Cell]]


def _column(
    heading: str,
    values: Sequence[float | None],
    write: Callable[[float], str],
    bars: bool = False,
    bad_up_to: float | None = None,
) -> Column:
    """A column of figures; those up to a limit are marked."""
    most = max((value for value in values if value is not None), default=0.0)
    cells = []
    for value in values:
        if value is None:
            cells.append(Cell("-"))
            continue
        share = max(value, 0.0) / most if bars and most > 0 else None
        weak = bad_up_to is not None and value <= bad_up_to
        cells.append(Cell(write(value), share, "bad" if weak else ""))
    return heading, cells


def _error_columns(found: Diagnosis) -> list[Column]:
    columns = []
    errors = [found.errors.get(layer.tensor) for layer in found.layers]
    ranges = [found.ranges.get(layer.tensor) for layer in found.layers]
    if found.errors:
        snr = [error.snr_db if error else None for error in errors]
        weak = sorted(value for value in snr if value is not None)[:WEAKEST]
        columns += [
            _column("SNR\ndB", snr, "{:.1f}".format, True, weak[-1] if weak else None),
            _column(
                "in 16 bits\ndB",
                [error.gain_db if error else None for error in errors],
                "{:+.2f}".format,
                bars=True,
            ),
            _column("cosine", [e.cosine if e else None for e in errors], "{:.4f}".format),
        ]
    if found.ranges:
        columns += [
            _column(
                "saturated\n%",
                [100 * use.saturated_fraction if use else None for use in ranges],
                "{:.2f}".format,
            ),
            _column(
                "dead range\n%",
                [100 * use.dead_fraction if use else None for use in ranges],
                "{:.1f}".format,
            ),
        ]
    return columns
