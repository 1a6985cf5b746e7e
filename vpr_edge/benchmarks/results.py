"""The results file of `bench`: every row of every run, and the terms each run was made under.

As JSON an object with `rows`, as `--json` prints them, in the order of `runs`; each run says how
many of the rows are its own (`row_count`), when and how it was made, on which machine, and holds
series such as memory over time. As Parquet the same rows, one a line, with `runs` in the metadata
of the schema.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from vpr_edge.benchmarks.diagnosis.diagnosis import Diagnosis
from vpr_edge.benchmarks.rows import Row
from vpr_edge.errors import DataError, ToolMissingError
from vpr_edge.extras import install_extra
from vpr_edge.files import atomic_file, sole_writer, write_json

METADATA = b"vpr_edge_runs"


@dataclass(frozen=True)
class Series:
    """A quantity that was watched while an artefact ran on a device.

    Attributes:
        artefact, device: as in the rows of the same run.
        metric: `resident_memory_bytes`, `power_mw`, `temperature_c`, ...
        unit: of the values.
        seconds: since the series began, one a value.
        values: the quantity.
    """

    artefact: str
    device: str
    metric: str
    unit: str
    seconds: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Facts:
    """What a device says of itself: versions, clocks, power mode, by name."""

    device: str
    values: dict[str, str]


Measured = Row | Series | Facts | Diagnosis
"""What the generator of a device yields as soon as it is known."""


@dataclass(frozen=True)
class Run:
    """One call of `bench`.

    Attributes:
        time: when it began, ISO 8601 in UTC; "" where a file does not say.
        command: the command line.
        version: of vpr-edge.
        machine: of this machine "cpu" (model), "cores" and "system".
        threads: of every runtime on the host.
        affinity: the CPUs that host runtimes were pinned to; empty where they were not.
        settings: the options in force, by name.
        rows: the figures, in the order in which they were measured.
        series: quantities over time.
        facts: by device, what it says of itself.
        diagnoses: of artefacts whose layers were looked into.
        ended: "" when everything was measured, else the sentence that says why not.
    """

    time: str = ""
    command: str = ""
    version: str = ""
    machine: dict[str, str] = field(default_factory=dict)
    threads: int = 1
    affinity: tuple[int, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    series: tuple[Series, ...] = ()
    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    diagnoses: tuple[Diagnosis, ...] = ()
    ended: str = ""

    def holding(self, found: Iterable[Measured]) -> "Run":
        """This run with what was measured sorted into `rows`, `series`, `facts` and `diagnoses`."""
        every = list(found)
        facts = {name: dict(values) for name, values in self.facts.items()}
        for one in every:
            if isinstance(one, Facts):
                facts.setdefault(one.device, {}).update(one.values)
        return replace(
            self,
            rows=(*self.rows, *(one for one in every if isinstance(one, Row))),
            series=(*self.series, *(one for one in every if isinstance(one, Series))),
            diagnoses=(*self.diagnoses, *(one for one in every if isinstance(one, Diagnosis))),
            facts=facts,
        )


@dataclass(frozen=True)
class Results:
    """A results file.

    Attributes:
        runs: in the order in which they were made.
    """

    runs: tuple[Run, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of all runs."""
        return tuple(row for run in self.runs for row in run.rows)

    def latest(self) -> tuple[Row, ...]:
        """Of each figure (artefact, device, data, metric) the row that was measured last."""
        found = {(row.artefact, row.device, row.data, row.metric): row for row in self.rows}
        return tuple(found.values())


def results_as_json(results: Results) -> dict[str, Any]:
    """The object that a results file holds."""
    runs = []
    for run in results.runs:
        entry = asdict(run)
        entry["row_count"] = len(entry.pop("rows"))
        runs.append(entry)
    return {"rows": [asdict(row) for row in results.rows], "runs": runs}


def results_of_json(stored: Any) -> Results:
    """The results that a JSON object holds; rows that no run claims become a run without terms.

    Raises:
        KeyError, TypeError, ValueError: it is no results file.
    """
    rows = [Row(**row) for row in stored["rows"]]
    for row in rows:
        texts = (row.artefact, row.device, row.data, row.metric, row.unit, row.method)
        if not all(isinstance(text, str) for text in texts) or type(row.value) not in (int, float):
            raise ValueError("a row holds something else than six texts and a number")
    runs = []
    for entry in stored.get("runs", ()):
        count = entry.pop("row_count")
        if not 0 <= count <= len(rows):
            raise ValueError("runs claim more rows than there are")
        mine, rows = rows[:count], rows[count:]
        series = tuple(
            Series(**one | {"seconds": tuple(one["seconds"]), "values": tuple(one["values"])})
            for one in entry.pop("series", ())
        )
        affinity = tuple(entry.pop("affinity", ()))
        diagnoses = tuple(map(Diagnosis.from_json, entry.pop("diagnoses", ())))
        run = Run(**entry, affinity=affinity, series=series, diagnoses=diagnoses)
        runs.append(replace(run, rows=tuple(mine)))
    if rows:
        runs.append(Run(rows=tuple(rows)))
    return Results(tuple(runs))


def read_results(path: Path) -> Results:
    """Read a results file, or what `--json` printed.

    Raises:
        DataError: there is no such file, or it is no results file.
        ToolMissingError: it is Parquet, and pyarrow is not installed.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist; write one with vpr-edge bench --output {path}.")
    try:
        if path.suffix == ".parquet":
            return _read_parquet(path)
        return results_of_json(json.loads(path.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise DataError(
            f"{path} is not a results file of vpr-edge bench ({_brief(error)}); "
            "write one with vpr-edge bench --output."
        ) from error


def results_writer(path: Path) -> Callable[[Results], None]:
    """A function that writes results to a path, whole or not at all.

    It is asked for before anything is measured, so that a missing package is known in time.

    Raises:
        ToolMissingError: the path ends in .parquet, and pyarrow is not installed.
    """
    parquet = path.suffix == ".parquet"
    if parquet:
        _parquet()

    def write(results: Results) -> None:
        with atomic_file(path) as scratch:
            if parquet:
                _write_parquet(scratch, results)
            else:
                write_json(scratch, results_as_json(results))

    return write


class KeptRun:
    """The run of one call of `bench` in a results file that other calls may add theirs to."""

    def __init__(self, path: Path, append: bool) -> None:
        """See the class.

        Args:
            path: of the file.
            append: whether the runs that it holds are kept.

        Raises:
            DataError: there is a file to append to that is no results file.
            ToolMissingError: the path ends in .parquet, and pyarrow is not installed.
        """
        self._path, self._adds, self._at = path, append, 0
        self._write = results_writer(path)
        if append:
            self._others()

    def keep(self, run: Run) -> Results:
        """Write the run, in the place of what was kept of it before.

        Returns:
            All that the file now holds.

        Raises:
            OutputError: it could not be written.
        """
        # Read anew each time, as others may have added theirs; nobody moves the runs of others.
        with sole_writer(self._path, wait=True):
            runs = list(self._others().runs)
            mine = runs[self._at : self._at + 1]
            if not mine or (mine[0].time, mine[0].command) != (run.time, run.command):
                self._at = len(runs)
            runs[self._at : self._at + 1] = [run]
            results = Results(tuple(runs))
            self._write(results)
            self._adds = True
        return results

    def _others(self) -> Results:
        found = self._adds and self._path.exists()
        return read_results(self._path) if found else Results()


def _read_parquet(path: Path) -> Results:
    table = _parquet().read_table(path)
    stored = json.loads((table.schema.metadata or {}).get(METADATA, b"[]"))
    return results_of_json({"rows": table.to_pylist(), "runs": stored})


def _write_parquet(path: Path, results: Results) -> None:
    parquet = _parquet()
    import pyarrow

    stored = results_as_json(results)
    words = {name: pyarrow.string() for name in Row.__annotations__}
    schema = pyarrow.schema(
        (words | {"value": pyarrow.float64()}).items(),
        metadata={METADATA: json.dumps(stored["runs"]).encode()},
    )
    rows = [row | {"value": float(row["value"])} for row in stored["rows"]]
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), path)


def _parquet() -> Any:
    try:
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise ToolMissingError(
            "Parquet needs the package pyarrow, which is not installed; choose a path that ends in "
            f".json, or {install_extra('parquet')}"
        ) from error
    return pyarrow.parquet


def _brief(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")[:120]
