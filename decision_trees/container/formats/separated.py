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
from container.columns import Columns, resolve
from container.formats import header
from container.formats.header import Row
from container.options import InputOptions

KINDS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
"""The delimiters that are recognised, in the order in which they are tried, and their names."""

_SAMPLE_LINES = 20
_NAMED_DELIMITERS = {"tab": "\t"}

logger = logging.getLogger(__name__)


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
        return Part("", None, iter(()))
    if header.is_header(first, options):
        return _with_header(kind, first, rows, options)
    columns = resolve(len(first[1]), None, options.label, options.weight)
    doubt = header.doubt(first[1], columns) if options.header == "auto" else None
    return Part(kind, columns, _blocks(chain([first], rows), columns, options), doubt)


def _with_header(kind: str, first: Row, rows: Iterator[Row], options: InputOptions) -> Part:
    names = [name.strip(" \t") for name in first[1]]
    columns = resolve(len(names), names, options.label, options.weight)
    doubt = Doubt(names[columns.label], was_header=True) if options.header == "auto" else None
    if not all(map(cells.is_number, names)):  # else a row of data may be like it
        rows = _without(first[1], rows)
    return Part(kind, columns, _blocks(rows, columns, options), doubt)


def _recognise(sample: list[bytes]) -> str:
    """Return the delimiter with which the first rows have one width, which is more than 1.

    Raises:
        CellError: there are two such delimiters, as where numbers have decimal commas.
    """
    widths = {delimiter: _widths(sample, delimiter) for delimiter in KINDS}
    found = [delimiter for delimiter, counts in widths.items() if max(counts, default=1) > 1]
    uniform = [delimiter for delimiter in found if len(widths[delimiter]) == 1]
    if len(uniform) > 1:
        raise CellError(
            f"rows can be split at {' or at '.join(f'{d!r}' for d in uniform)}",
            "say which it is with the hyperparameter delimiter; decimals have a point",
        )
    return next(iter([*uniform, *found]), ",")


def _widths(sample: list[bytes], delimiter: str) -> set[int]:
    widths = set()
    with suppress(CellError):  # a mistake is told of when the rows are read
        for _, found in delimited.read_rows(sample, delimiter):
            widths.add(len(found))
    return widths


def _without(names: list[str], rows: Iterator[Row]) -> Iterator[Row]:
    """Leave out rows that repeat the header, as they do where files were joined."""
    repeated = 0
    for row in rows:
        if row[1] == names:
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
        if '"' in cell and cell.lstrip(" \t") != cell and cell.strip(" \t").startswith('"'):
            raise CellError(f"{where} is {cells.shown(cell)}, a quote after a blank")
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
