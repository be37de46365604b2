"""Print the first rows of a job's training table without the label: a request to try it with.

usage: first_rows.py DIRECTORY

DIRECTORY takes the place of /opt/ml. A header is kept, and so is everything in a cell.
"""

import csv
import json
import sys
from itertools import islice
from pathlib import Path

N_ROWS = 6  # the header included


def main() -> None:
    """Print the rows as CSV."""
    inputs = Path(sys.argv[1]) / "input"
    given = json.loads((inputs / "config/hyperparameters.json").read_text(encoding="utf-8"))
    (table,) = (inputs / "data/training").iterdir()
    try:
        rows = read(table, given.get("delimiter", "auto"))
    except UnicodeDecodeError:
        sys.exit(f"first_rows: {table.name} is not text; rows to send are taken from CSV only.")
    others = {index_of(given.get("label", "0"), rows[0])}
    if "weight" in given:
        others.add(index_of(given["weight"], rows[0]))
    csv.writer(sys.stdout, lineterminator="\n").writerows(
        [cell for index, cell in enumerate(row) if index not in others] for row in rows
    )


def read(table: Path, delimiter: str) -> list[list[str]]:
    """Return the first rows; the delimiter is the one that the first row has most of."""
    with table.open(encoding="utf-8-sig", newline="") as lines:
        if delimiter == "auto":
            delimiter = max(",\t;|", key=lines.readline().count)
            lines.seek(0)
        reader = csv.reader(lines, delimiter="\t" if delimiter == "tab" else delimiter)
        return list(islice(filter(None, reader), N_ROWS))


def index_of(column: str, first_row: list[str]) -> int:
    """Return the index of a column that is given by its name or index, as `train` accepts it."""
    names = [name.strip() for name in first_row]
    if column.removeprefix("-").isdecimal() and -len(names) <= int(column) < len(names):
        return int(column) % len(names)
    return names.index(column)


if __name__ == "__main__":
    main()
