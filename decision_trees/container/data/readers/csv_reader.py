"""Text with delimiters, such as CSV and TSV: header, roles of the columns, labels, numbers."""

import io
import logging
from array import array
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import BinaryIO

import numpy as np

from container.data.columns import Columns, resolve
from container.data.readers import csv_columns, csv_header
from container.data.readers.batches import BATCH_VALUES, Batch, Doubt, Part
from container.data.readers.csv_header import Row
from container.formats import cells, csv_rows
from container.formats.cells import CellError
from container.hyperparameters.input_options import InputOptions

KINDS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
"""The delimiters that are recognised, in the order in which they are tried, and their names."""

_SAMPLE_LINES = 20
_PIECE_BYTES = 256 * 1024  # so much is fast, and as numbers still small beside a table
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
    reader = _Reader(sample, stream, delimiter, options)
    first = reader.first
    if first is None:
        return Part("", None, iter(()))
    kind = f"{KINDS[delimiter]}-separated text"
    if csv_header.is_header(first, options):
        names = [name.strip(" \t") for name in first[1]]
        columns = resolve(len(names), names, options.label, options.weight)
        doubt: Doubt | None = Doubt(names[columns.label], was_header=True)
    else:
        columns = resolve(len(first[1]), None, options.label, options.weight)
        doubt = csv_header.doubt(first[1], columns)
    blocks = reader.blocks(columns)
    return Part(kind, columns, blocks, doubt if options.header == "auto" else None)


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
        for _, found in csv_rows.read_rows(sample, delimiter):
            widths.add(len(found))
    return widths


class _Reader:
    """Reads a text to its end: many rows at once where they are plain, else row by row."""

    def __init__(
        self, sample: list[bytes], stream: BinaryIO, delimiter: str, options: InputOptions
    ) -> None:
        self._lines = iter(sample)
        self._stream = stream
        self._delimiter = delimiter
        self._options = options
        self._begun: list[bytes] = []
        self._rows = csv_rows.read_rows(self._noted(), delimiter)
        self._header: list[str] | None = None
        self._n_repeated = 0
        self.first = next(self._rows, None)
        """The first row that is not blank; None when there is none."""

    def _noted(self) -> Iterator[bytes]:
        """Yield lines, and note those with which the text begins."""
        for line in chain(self._lines, self._stream):
            self._begun.append(line)
            yield line

    def blocks(self, columns: Columns) -> Iterator[Batch]:
        """Yield all rows below the header, which is the first row if the columns have names."""
        begun, row = b"".join(self._begun), 0
        if columns.names is not None and self.first is not None:
            row, found = self.first
            if not all(map(cells.is_number, columns.names)):  # else a row of data may be like it
                self._header = found
            if _has_bare_carriage_return(begun):  # there may be more rows than the first in it
                yield from self._row_by_row(self._rows, columns)
            begun = b""
        for text in _pieces(begun + b"".join(self._lines), self._stream):
            block = self._at_once(text, columns)
            if block is not None:
                yield block
            else:
                yield from self._row_by_row(self._read_rows(text, row), columns)
            row += _count_lines(text)
        if self._n_repeated:
            logger.info("skipped %d rows that repeat the header", self._n_repeated)

    def _at_once(self, text: bytes, columns: Columns) -> Batch | None:
        """Return rows that are all plain, none of them a header."""
        are_numbers = self._options.labels_are_numbers
        block = csv_columns.read(text, self._delimiter, columns, labels_are_numbers=are_numbers)
        if block is None or self._header is None or are_numbers:
            return block
        return None if self._header[columns.label].strip(" \t") in block.labels else block

    def _read_rows(self, text: bytes, before: int) -> Iterator[Row]:
        """Yield the rows of a piece; a quote in it may be closed anywhere, so then of all."""
        lines: Iterable[bytes] = io.BytesIO(text)
        if b'"' in text:
            lines = chain(lines, self._stream)
        return csv_rows.read_rows(lines, self._delimiter, before)

    def _row_by_row(self, rows: Iterator[Row], columns: Columns) -> Iterator[Batch]:
        builder = _Builder(columns, self._options)
        for row, found in rows:
            if found == self._header:  # as where files were joined
                self._n_repeated += 1
                continue
            builder.add(row, found)
            if len(builder.numbers) >= BATCH_VALUES:
                yield builder.block()
                builder = _Builder(columns, self._options)
        if builder.numbers:
            yield builder.block()


def _pieces(begun: bytes, stream: BinaryIO) -> Iterator[bytes]:
    """Yield whole lines of a text of which some are read already."""
    while text := begun + stream.read(_PIECE_BYTES) + stream.readline():
        yield text
        begun = b""


def _has_bare_carriage_return(text: bytes) -> bool:
    return b"\r" in text.replace(b"\r\n", b"")


def _count_lines(text: bytes) -> int:
    return text.count(b"\n") + text.replace(b"\r\n", b"").count(b"\r")


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
        csv_rows.append_numbers(self.numbers, row, found, columns.feature)

    def block(self) -> Batch:
        """Return everything that was added."""
        quantities = np.frombuffer(self.quantities, dtype=np.float64)
        return Batch(
            csv_rows.as_matrix(self.numbers, len(self.columns.features)),
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
