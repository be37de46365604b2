"""Print the first rows of a job's training table without the label: a request to try it with.

usage: first_rows.py DIRECTORY

DIRECTORY takes the place of /opt/ml. The rows are printed as CSV, with the header of the table.
"""

import csv
import gzip
import json
import sys
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

N_ROWS = 6  # the header included


def main() -> None:
    """Print the rows."""
    inputs = Path(sys.argv[1]) / "input"
    given = json.loads((inputs / "config/hyperparameters.json").read_text(encoding="utf-8"))
    (table,) = (inputs / "data/training").iterdir()
    rows = read(table, given.get("delimiter", "auto"))
    if len(rows[0]) < 2:
        refuse(table)
    others = {index_of(given.get("label", "0"), rows[0])}
    if "weight" in given:
        others.add(index_of(given["weight"], rows[0]))
    csv.writer(sys.stdout, lineterminator="\n").writerows(
        [cell for index, cell in enumerate(row) if index not in others] for row in rows
    )


def read(table: Path, delimiter: str) -> list[list[Any]]:
    """Return the first rows of a file; its first bytes tell its format."""
    with table.open("rb") as file:
        magic = file.read(4)
    if magic == b"PAR1":
        return parquet_rows(table)
    try:
        return csv_rows(table, delimiter, is_compressed=magic.startswith(b"\x1f\x8b"))
    except UnicodeDecodeError:
        refuse(table)


def refuse(table: Path) -> NoReturn:
    """Exit with a message."""
    sys.exit(
        f"first_rows: {table.name} is not CSV, TSV or Parquet; "
        "the rows of a request can be taken from these only."
    )


def parquet_rows(table: Path) -> list[list[Any]]:
    """Return the names of the columns and the first rows."""
    from pyarrow.parquet import ParquetFile

    batch = next(ParquetFile(table).iter_batches(N_ROWS - 1))
    columns = batch.to_pydict()
    return [list(columns), *map(list, zip(*columns.values(), strict=True))]


def csv_rows(table: Path, delimiter: str, *, is_compressed: bool) -> list[list[str]]:
    """Return the first rows; the delimiter is the one that the first row has most of."""
    opened = gzip.open if is_compressed else open
    with opened(table, "rt", encoding="utf-8-sig", newline="") as lines:
        if delimiter == "auto":
            delimiter = max(",\t;|", key=lines.readline().count)
            lines.seek(0)
        reader = csv.reader(lines, delimiter="\t" if delimiter == "tab" else delimiter)
        return list(islice(filter(None, reader), N_ROWS))


def index_of(column: str, first_row: list[Any]) -> int:
    """Return the index of a column that is given by its name or index, as `train` accepts it."""
    names, column = [stripped(str(name)) for name in first_row], stripped(column)
    if column.removeprefix("-").isdecimal() and -len(names) <= int(column) < len(names):
        return int(column) % len(names)
    return names.index(column)


def stripped(name: str) -> str:
    """Return a name without blanks and byte-order marks at its ends, which do not count."""
    return name.strip().strip("\ufeff\u200b").strip()


if __name__ == "__main__":
    main()
