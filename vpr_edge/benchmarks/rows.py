"""One measured figure, in the form in which every command reports it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """A figure and its terms.

    Attributes:
        artefact: file that was measured.
        device: machine and runtime, for example "host/tflm".
        data: data set with direction, tolerance and database size; "" where none is involved.
        metric: name of the figure (`latency_median_ms`, `recall_at_1`, ...).
        value: the figure.
        unit: of the value: "ms", "bytes", "fraction", "count", "px".
        method: "measured", "emulated", "predicted" or "static".
    """

    artefact: str
    device: str
    data: str
    metric: str
    value: float
    unit: str
    method: str


def rows_as_json(rows: Iterable[Row]) -> dict[str, Any]:
    """The object that `--json` prints."""
    return {"rows": [asdict(row) for row in rows]}
