"""What the bench report computes from rows: which figure belongs where, trade-offs, boards."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vpr_edge.benchmarks.devices.boards import BOARDS, Board, Need, Verdict, verdict
from vpr_edge.benchmarks.rows import Row

# Runtimes that give the bits of TensorFlow Lite Micro, and so of the generated C on any core.
SAME_BITS = ("host/c", "host/tflm", "host/litert-reference")


@dataclass(frozen=True)
class Sorted:
    """The rows of a results file by what they are about; every row is in one of these.

    Attributes:
        static: read off a file.
        predicted: milliseconds of boards.
        layers: figures of single layers.
        accuracy: figures on data.
        mcu: counted on emulated microcontrollers.
        host: latency and memory as measured: on machines with an operating system, and on boards.
    """

    static: tuple[Row, ...]
    predicted: tuple[Row, ...]
    layers: tuple[Row, ...]
    accuracy: tuple[Row, ...]
    mcu: tuple[Row, ...]
    host: tuple[Row, ...]


def sort_rows(rows: Sequence[Row]) -> Sorted:
    """Put every row where it belongs."""
    chips = {row.device for row in rows if row.metric in ("instructions", "code_bytes")}
    parts: dict[str, list[Row]] = {name: [] for name in Sorted.__annotations__}
    for row in rows:
        if not row.device:
            part = "static"
        elif row.metric == "predicted_ms":
            part = "predicted"
        elif row.metric.startswith("layer_"):
            part = "layers"
        elif row.data:
            part = "accuracy"
        else:
            part = "mcu" if row.device in chips else "host"
        parts[part].append(row)
    return Sorted(**{name: tuple(found) for name, found in parts.items()})


def artefacts(rows: Iterable[Row]) -> list[str]:
    """The artefacts, in the order in which they were measured."""
    return list(dict.fromkeys(row.artefact for row in rows))


def needs(rows: Sequence[Row], artefact: str) -> dict[str, Need]:
    """What an artefact takes of a chip, by device; devices whose figures are not whole are out."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.artefact == artefact:
            found.setdefault(row.device, {})[row.metric] = row.value
    metrics = ("arena_bytes", "stack_bytes", "static_ram_bytes", "code_bytes", "weights_bytes")
    return {
        device: Need(*(values[metric] for metric in metrics))
        for device, values in found.items()
        if all(metric in values for metric in metrics)
    }


@dataclass(frozen=True)
class BoardFit:
    """One model on one board.

    Attributes:
        board: which.
        verdict: whether it fits.
        measured_on: device whose figures were taken.
        own_core: whether that is the board's own core; other cores' code differs a little in size.
        instructions: of one run; None where they were not counted on the board's core.
    """

    board: Board
    verdict: Verdict
    measured_on: str
    own_core: bool
    instructions: float | None


def fits(rows: Sequence[Row], artefact: str) -> tuple[BoardFit, ...]:
    """The verdict for every named board; none where an artefact was measured on no core."""
    by_device = needs(rows, artefact)
    counted = {
        row.device: row.value
        for row in rows
        if row.artefact == artefact and row.metric == "instructions"
    }
    found = []
    for board in BOARDS if by_device else ():
        own = [d for d in by_device if d.split("/")[0] == board.counted_on]
        device = (own or list(by_device))[0]
        found.append(
            BoardFit(
                board,
                verdict(board, by_device[device]),
                device,
                bool(own),
                counted.get(device) if own else None,
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class Choice:
    """An artefact somewhere, by the figures that a choice is made by.

    Attributes:
        artefact, place: what runs where.
        method: how `milliseconds` came about.
        recall: recall@1 on `data`, a fraction, or None.
        milliseconds: median or predicted, or None.
        sram: bytes of a chip's RAM, or None.
    """

    artefact: str
    place: str
    method: str
    recall: float | None
    milliseconds: float | None
    sram: float | None


def choices(rows: Sorted) -> tuple[str, tuple[Choice, ...]]:
    """All combinations that were measured, and the terms of their recall ("" where there is none).

    Where the outputs equalled TFLM's in every element, the recall is that of TFLM.
    """
    recalls = [row for row in rows.accuracy if row.metric == "recall_at_1"]
    data = recalls[0].data if recalls else ""
    by_runtime = {(r.artefact, r.device): r.value for r in recalls if r.data == data}
    equal = {
        (row.artefact, row.device)
        for row in (*rows.host, *rows.mcu)
        if row.metric == "oracle_unequal_elements" and row.value == 0
    }

    def recall_of(artefact: str, device: str) -> float | None:
        # Threads are a term of the latency, not of the recall.
        runtimes = (device.partition(",")[0], *(SAME_BITS if (artefact, device) in equal else ()))
        known = (by_runtime.get((artefact, runtime)) for runtime in runtimes)
        return next((value for value in known if value is not None), None)

    found = [
        Choice(
            row.artefact,
            row.device,
            row.method,
            recall_of(row.artefact, row.device),
            row.value,
            None,
        )
        for row in rows.host
        if row.metric == "latency_median_ms"
    ]
    for artefact in artefacts(rows.mcu):
        for device, need in needs(rows.mcu, artefact).items():
            recall = recall_of(artefact, device)
            times = {
                row.device: row.value
                for row in rows.predicted
                if row.artefact == artefact and f"on {device}:" in row.data
            }
            places: dict[str, float | None] = {**times} or {device: None}
            found += [
                Choice(artefact, place, "predicted", recall, value, need.ram)
                for place, value in places.items()
            ]
    timed = {c.artefact for c in found if c.sram is not None and c.milliseconds is not None}
    # Cores of which nothing but the memory is known say no more than those that are timed.
    kept = [c for c in found if c.milliseconds is not None or c.artefact not in timed]
    names = artefacts((*rows.host, *rows.mcu))
    return data, tuple(sorted(kept, key=lambda c: names.index(c.artefact)))


def best(points: Sequence[tuple[float, float]], larger_is_better: bool) -> list[bool]:
    """Which points no other beats in both coordinates (the Pareto front).

    Args:
        points: of which a smaller first coordinate is better.
        larger_is_better: whether a larger second one is.
    """
    sign = -1 if larger_is_better else 1
    turned = [(x, sign * y) for x, y in points]
    return [not any(a <= x and b <= y and (a, b) != (x, y) for a, b in turned) for x, y in turned]
