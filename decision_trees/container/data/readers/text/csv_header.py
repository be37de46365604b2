"""Header detection for CSV: whether the first row holds names or data.

A header that is read as data, or data that is read as a header, would not be noticed later. So if
the first row can be either, the job must say which it is.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from container.data.columns import HEADER_REMEDY, Columns, HeaderGuess, is_index, resolve
from container.data.labels import ClassLabels
from container.formats import cells
from container.formats.cells import CellError, Notation
from container.formats.csv_rows import Row
from container.hyperparameters.input_options import InputOptions

_MIN_NAMES_FROM_0, _MIN_NAMES = 3, 5
"""Minimum number of cells that count up from 0, or from any number, to be taken for names."""


def is_header(
    first: Row, below: Sequence[list[str]], options: InputOptions, notation: Notation
) -> bool:
    """Return whether the first row holds names; raises CellError if it can be either.

    `below` are some of the rows after it.
    """
    if options.header != "auto":
        return options.header == "present"
    row, found = first
    if any(_is_name(name, found) for name in (options.label, options.weight, *options.ignored)):
        return True
    while len(found) > 2 and cells.is_missing(found[-1]):  # as where rows end with a delimiter
        found = found[:-1]
    columns = resolve(len(found), None, options.label, options.weight, options.ignored)
    texts = [i for i in columns.features if not cells.is_value(found[i], notation)]
    if not texts:
        _refuse_counting(row, found, columns)
        return False
    label = cells.stripped(found[columns.label])
    if len(texts) == len(columns.features) and not cells.is_number(label):
        return True
    rows = [row for row in below if len(row) > max(*texts, columns.label)]
    has_numbers = any(cells.is_number(row[i].strip(" \t")) for row in rows for i in texts)
    if label in [cells.stripped(row[columns.label]) for row in rows] or (rows and not has_numbers):
        return False  # a row of data with text in a feature, which the reader explains
    other = next(i for i, cell in enumerate(found) if cells.is_value(cell, notation))
    raise CellError(
        f"row {row} is neither a header nor a row of numbers: {columns.name(texts[0])} is "
        f"{cells.shown(found[texts[0]])}, {columns.name(other)} is {cells.shown(found[other])}",
        "set the hyperparameter header=present" if rows else f"correct it, or {HEADER_REMEDY}",
    )


def _is_name(wanted: str | None, found: list[str]) -> bool:
    """Return whether a hyperparameter can only be the name of a column."""
    if wanted is None or (is_index(wanted) and -len(found) <= int(wanted) < len(found)):
        return False
    return not is_index(wanted) or wanted in map(cells.stripped, found)


def _refuse_counting(row: int, found: list[str], columns: Columns) -> None:
    """Refuse a first row that counts up, such as `0,1,2,3`: pandas' names for unnamed columns."""
    label_is_text = not cells.is_value(found[columns.label])
    texts = [
        cell.strip(" \t")
        for index, cell in enumerate(found)
        if not (label_is_text and index == columns.label)
    ]
    if not all(text.isascii() and text.isdigit() and len(text) < 10 for text in texts):
        return
    first = int(texts[0])
    enough = len(texts) >= (_MIN_NAMES if first else _MIN_NAMES_FROM_0)
    if enough and [int(text) - first for text in texts] == list(range(len(texts))):
        raise CellError(
            f"row {row} counts from {texts[0]} to {texts[-1]}, as names of columns do",
            HEADER_REMEDY,
        )


def guess(first: list[str], columns: Columns, notation: Notation) -> HeaderGuess | None:
    """Return the guess about a first row; None if it must be data, or is left out.

    A number that repeats is no name.
    """
    is_header = columns.names is not None
    numbers = [first[index].strip(" \t") for index in columns.features]
    if not is_header and len(set(numbers)) < len(numbers):
        return None
    if cells.is_missing(first[columns.label], notation):
        return None
    return HeaderGuess(cells.stripped(first[columns.label]), is_header)


def check_guesses(guesses: Sequence[HeaderGuess], labels: ClassLabels) -> None:
    """Compare guesses about the first rows of files with the labels of all rows.

    Raises:
        CellError: a row taken for a header looks like data, or the other way round.
    """
    n_rows: Counter[str] = Counter()
    for name, count in zip(labels.names, labels.counts.tolist(), strict=True):
        n_rows[cells.stripped(name)] += count
    for guess in guesses:
        if guess.is_header and guess.label in n_rows:
            raise CellError(
                f"the first row was read as a header, but {cells.shown(guess.label)} in it is also "
                "the label of other rows",
                HEADER_REMEDY,
            )
    outstanding = _outstanding(n_rows)
    for label, times in Counter(guess.label for guess in guesses if not guess.is_header).items():
        if n_rows[label] <= times and label in outstanding:
            raise CellError(
                f"the first row may be a header: no other row has its label {cells.shown(label)}",
                HEADER_REMEDY,
            )


def _outstanding(n_rows: Mapping[str, int]) -> set[str]:
    """Return the labels that differ from all others as a name differs from data."""
    if len(n_rows) == 1:
        return set()
    numbers = {name for name in n_rows if cells.is_number(name)}
    texts = n_rows.keys() - numbers
    single = {name for name, count in n_rows.items() if count == 1}
    found = {name for kind in (numbers, texts) if len(kind) == 1 for name in kind}
    if len(single) <= 1:  # any text stands out if all others recur
        found |= texts & single if single else texts
    return found
