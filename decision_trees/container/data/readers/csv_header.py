"""Headers: whether the first row of a text holds names or numbers.

Where it cannot be told, the job is asked: a header that is learnt as data, or data that is taken
for a header, would be lost without a word.
"""

from container.data.columns import SAY_WHETHER_HEADER, Columns, is_index, resolve
from container.data.readers.batches import Doubt
from container.formats import cells
from container.formats.cells import CellError
from container.hyperparameters.input_options import InputOptions

_COUNTED_FROM_0, _COUNTED = 3, 5  # so many cells that count up are taken for names

Row = tuple[int, list[str]]
"""The number of a row, from 1, and its cells."""


def is_header(first: Row, options: InputOptions) -> bool:
    """Say whether the first row holds names; raises CellError when that cannot be said."""
    if options.header != "auto":
        return options.header == "present"
    row, found = first
    if _is_name(options.label, found) or _is_name(options.weight, found):
        return True
    columns = resolve(len(found), None, options.label, options.weight)
    texts = [index for index in columns.features if _is_text(found[index])]
    if not texts:
        _refuse_counting(row, found, columns)
        return False
    label = found[columns.label].strip(" \t")
    if len(texts) == len(columns.features) and not cells.is_number(label):
        return True
    other = next(index for index in range(len(found)) if not _is_text(found[index]))
    raise CellError(
        f"row {row} is neither a header nor a row of numbers: {columns.name(texts[0])} is "
        f"{cells.shown(found[texts[0]])}, {columns.name(other)} is {cells.shown(found[other])}",
        f"correct it, or {SAY_WHETHER_HEADER}",
    )


def _is_name(wanted: str | None, found: list[str]) -> bool:
    """Say whether a hyperparameter can only mean a column by its name."""
    if wanted is None or (is_index(wanted) and -len(found) <= int(wanted) < len(found)):
        return False
    return not is_index(wanted) or wanted in [cell.strip(" \t") for cell in found]


def _refuse_counting(row: int, found: list[str], columns: Columns) -> None:
    """Refuse a first row that counts up, such as `0,1,2,3`: so pandas names unnamed columns."""
    label_is_text = _is_text(found[columns.label])
    texts = [
        cell.strip(" \t")
        for index, cell in enumerate(found)
        if not (label_is_text and index == columns.label)
    ]
    if not all(text.isascii() and text.isdigit() and len(text) < 10 for text in texts):
        return
    first, enough = int(texts[0]), _COUNTED if int(texts[0]) else _COUNTED_FROM_0
    if len(texts) >= enough and [int(text) - first for text in texts] == list(range(len(texts))):
        raise CellError(
            f"row {row} counts from {texts[0]} to {texts[-1]}, as names of columns do",
            SAY_WHETHER_HEADER,
        )


def doubt(first: list[str], columns: Columns) -> Doubt | None:
    """Return a doubt about a row that was taken for data: distinct numbers may be names."""
    numbers = [first[index].strip(" \t") for index in columns.features]
    if len(set(numbers)) < len(numbers):
        return None
    return Doubt(first[columns.label].strip(" \t"), was_header=False)


def _is_text(cell: str) -> bool:
    return not (cells.is_missing(cell) or cells.is_number(cell.strip(" \t")))
