"""The corridor's layout: `gt.csv` lists for each query the acceptable references.

The data set is Milford's indoor corridor (2013) as VPR-Bench ships it; any set with `ref/` and a
`gt.csv` of the columns `query,ref_acceptable` (stems of `ref/`, divided by blanks) reads likewise.
"""

from pathlib import Path

from vpr_edge.datasets.images import Images, find_images
from vpr_edge.datasets.place_set import PlaceSet, as_positives
from vpr_edge.datasets.table import existing, read_table
from vpr_edge.errors import DataError

COLUMNS = ("query", "ref_acceptable")


def load_corridor(folder: Path) -> PlaceSet:
    """Read `gt.csv` and list the images; they are read when asked for.

    Raises:
        DataError: a file is missing, or `gt.csv` names an absent one.
    """
    table = folder / "gt.csv"
    rows = read_table(table, COLUMNS)
    database = Images.from_files(find_images(folder / "ref"))
    index = {name: i for i, name in enumerate(database.names)}
    queries = Images.from_files([existing(table, folder / row["query"]) for row in rows])
    try:
        found = [[index[stem] for stem in row["ref_acceptable"].split()] for row in rows]
    except KeyError as error:
        raise DataError(
            f"{table} names the reference {error}, which is not in {folder / 'ref'}; copy the "
            "data set again."
        ) from error
    positives = as_positives(found)
    spread = max((len(p) for p in positives), default=1) // 2
    return PlaceSet(
        folder.resolve().name,
        database,
        queries,
        positives,
        f"query->ref, tolerance {spread} frames, database {len(database)}",
        drives=(0,),
    )
