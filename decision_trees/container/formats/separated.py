"""Text with delimiters, such as CSV and TSV: header, roles of the columns, labels, numbers."""

import logging
from array import array
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import BinaryIO

import numpy as np

from container import cells, delimited
from container.blocks import BLOCK_VALUES, Block, Doubt, Part
from container.cells import CellError
from container.columns import Columns, is_index, resolve
from container.options import InputOptions

KINDS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
"""The delimiters that are recognised, in the order in which they are tried, and their names."""

_SAMPLE_LINES = 20
_SAY_WHETHER_HEADER = (
    "say with the hyperparameter header whether it is a header (present) or data (absent)"
)
_NAMED_DELIMITERS = {"tab": "\t"}
_COUNTED_FROM_0, _COUNTED = 3, 5  # so many cells that count up are taken for names

logger = logging.getLogger(__name__)

Row = tuple[int, list[str]]


def read(stream: BinaryIO, options: InputOptions) -> Part:
    """Open text with delimiters; it is read once, from its start to its end.

    Raises:
        CellError: the first rows are no table, or may be read in two ways.
        HyperparameterError: label or weight name no column.
    """
    sample = list(islice(stream, _SAMPLE_LINES))
    delimiter = _NAMED_DELIMITERS.get(options.delimiter, options.delimiter)
    if delimiter == "auto":
        delimiter = _recognise(sample)
    rows = delimited.read_rows(chain(sample, stream), delimiter)
    kind = f"{KINDS[delimiter]}-separated text"
    first = next(rows, None)
    if first is None:
        return Part(kind, None, iter(()))
    if _has_header(first, options):
        return _with_header(kind, first, rows, options)
    columns = resolve(len(first[1]), None, options.label, options.weight)
    doubt = _doubt(first[1], columns) if options.header == "auto" else None
    return Part(kind, columns, _blocks(chain([first], rows), columns, options), doubt)


def _with_header(kind: str, first: Row, rows: Iterator[Row], options: InputOptions) -> Part:
    header = first[1]
    names = [name.strip(" \t") for name in header]
    columns = resolve(len(names), names, options.label, options.weight)
    doubt = Doubt(names[columns.label], was_header=True) if options.header == "auto" else None
    return Part(kind, columns, _blocks(_without(header, rows), columns, options), doubt)


def _recognise(sample: list[bytes]) -> str:
    """Return the delimiter with which the first rows have one width, which is more than 1."""
    widths = {delimiter: _widths(sample, delimiter) for delimiter in KINDS}
    uniform = [delimiter for delimiter, found in widths.items() if len(found) == 1]
    for delimiter in chain(uniform, widths):
        if max(widths[delimiter], default=1) > 1:
            return delimiter
    return ","


def _widths(sample: list[bytes], delimiter: str) -> set[int]:
    widths = set()
    with suppress(CellError):  # a mistake is told of when the rows are read
        for _, found in delimited.read_rows(sample, delimiter):
            widths.add(len(found))
    return widths


def _has_header(first: Row, options: InputOptions) -> bool:
    """Say whether the first row holds names; raises CellError when that cannot be said."""
    if options.header != "auto":
        return options.header == "present"
    if not (is_index(options.label) and is_index(options.weight)):
        return True  # they are names, so there must be a header
    row, found = first
    columns = resolve(len(found), None, options.label, options.weight)
    texts = [index for index in columns.features if _is_text(found[index])]
    if not texts:
        _refuse_counting(row, found)
        return False
    label = found[columns.label].strip(" \t")
    if len(texts) == len(columns.features) and not cells.is_number(label):
        return True
    other = next(index for index in range(len(found)) if not _is_text(found[index]))
    raise CellError(
        f"row {row} is neither a header nor a row of numbers: {columns.name(texts[0])} is "
        f"{cells.shown(found[texts[0]])}, {columns.name(other)} is {cells.shown(found[other])}",
        f"correct it, or {_SAY_WHETHER_HEADER}",
    )


def _refuse_counting(row: int, found: list[str]) -> None:
    """Refuse a first row that counts up, such as `0,1,2,3`: so pandas names unnamed columns."""
    texts = [cell.strip(" \t") for cell in found]
    if not all(text.isascii() and text.isdigit() and len(text) < 10 for text in texts):
        return
    first, enough = int(texts[0]), _COUNTED if int(texts[0]) else _COUNTED_FROM_0
    if len(texts) >= enough and [int(text) - first for text in texts] == list(range(len(texts))):
        raise CellError(
            f"row {row} counts from {texts[0]} to {texts[-1]}, as names of columns do",
            _SAY_WHETHER_HEADER,
        )


def _doubt(first: list[str], columns: Columns) -> Doubt | None:
    """Return a doubt about a row of distinct whole numbers beside a text: it may hold names."""
    label = first[columns.label].strip(" \t")
    numbers = [first[index].strip(" \t") for index in columns.features]
    may_be_names = all(map(str.isdigit, numbers)) and len(set(numbers)) == len(numbers)
    return Doubt(label, was_header=False) if may_be_names and not cells.is_number(label) else None


def _is_text(cell: str) -> bool:
    return not (cells.is_missing(cell) or cells.is_number(cell.strip(" \t")))


def _without(header: list[str], rows: Iterator[Row]) -> Iterator[Row]:
    """Leave out rows that repeat the header, as they do where files were joined."""
    repeated = 0
    for row in rows:
        if row[1] == header:
            repeated += 1
        else:
            yield row
    if repeated:
        logger.info("skipped %d rows that repeat the header", repeated)


def _blocks(rows: Iterable[Row], columns: Columns, options: InputOptions) -> Iterator[Block]:
    builder = _Builder(columns, options)
    for row, found in rows:
        builder.add(row, found)
        if len(builder.numbers) >= BLOCK_VALUES:
            yield builder.block()
            builder = _Builder(columns, options)
    if builder.numbers:
        yield builder.block()


@dataclass
class _Builder:
    """Collects the rows of one block."""

    columns: Columns
    options: InputOptions
    numbers: "array[float]" = field(default_factory=lambda: array("d"))
    classes: list[str] = field(default_factory=list)
    quantities: "array[float]" = field(default_factory=lambda: array("d"))
    weights: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, row: int, found: list[str]) -> None:
        """Append one row, which is emptied of what is no feature; raises CellError."""
        columns = self.columns
        if len(found) != columns.width:
            count = "1 column" if len(found) == 1 else f"{len(found)} columns"
            raise CellError(f"row {row} has {count}, the rows before {columns.width}")
        self._add_label(row, found[columns.label])
        if columns.weight is not None:
            self._add_weight(row, found[columns.weight])
        for index in columns.others:
            del found[index]
        delimited.append_numbers(self.numbers, row, found, columns.feature)

    def block(self) -> Block:
        """Return everything that was added."""
        quantities = np.frombuffer(self.quantities, dtype=np.float64)
        return Block(
            delimited.as_matrix(self.numbers, len(self.columns.features)),
            quantities if self.options.labels_are_numbers else self.classes,
            None if self.columns.weight is None else np.frombuffer(self.weights, dtype=np.float64),
        )

    def _add_label(self, row: int, cell: str) -> None:
        where = f"row {row}, {self.columns.name(self.columns.label)}"
        if cells.is_missing(cell):
            raise CellError(f"{where} is {cells.shown(cell)}: no label")
        if self.options.labels_are_numbers:
            self.quantities.append(cells.number(cell, lambda: where))
        else:
            self.classes.append(cell.strip(" \t"))

    def _add_weight(self, row: int, cell: str) -> None:
        where = f"row {row}, {self.columns.name(self.columns.weight or 0)}"
        weight = cells.number(cell, lambda: where)
        if not weight >= 0:
            raise CellError(f"{where} is {cells.shown(cell)}, not a weight: a number from 0")
        self.weights.append(weight)
