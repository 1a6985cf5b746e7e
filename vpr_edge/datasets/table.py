"""Ground-truth tables: CSV files whose first line names the columns."""

import csv
from pathlib import Path

from vpr_edge.errors import DataError


def read_table(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a CSV file, each with a value in each of `columns`.

    Raises:
        DataError: the file is missing, is not text, lacks a column, has no rows or a short row.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise DataError(f"{path} could not be read; copy the data set again.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a CSV table ({error}); copy it again.") from error
    if not rows:
        raise DataError(f"{path} has no rows; copy the data set again.")
    for line, row in enumerate(rows, start=2):
        for column in columns:
            if row.get(column) is None:
                raise DataError(
                    f"{path}, line {line}, has no column {column!r}; the table needs the columns "
                    f"{', '.join(columns)}."
                )
    return rows


def existing(table: Path, path: Path) -> Path:
    """`path` again, if there is such a file.

    Raises:
        DataError: `table` names a file that is absent.
    """
    if not path.is_file():
        raise DataError(f"{table} names {path}, which is absent; copy the data set again.")
    return path
