"""CSV reader, also for other delimiters: header, roles of the columns, labels and numbers.

Written by hand so that training and serving share one grammar of rows and numbers.
"""

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO

import numpy as np

from container.data.columns import Columns, resolve
from container.data.readers.batches import BATCH_VALUES, Batch, BatchReader
from container.data.readers.text import csv_columns, csv_dialect, csv_header
from container.data.readers.text.csv_dialect import Start
from container.data.readers.text.row_batches import FeatureError, RowBatchBuilder
from container.data.readers.text.survey import Survey
from container.formats import cells, csv_rows
from container.formats.cells import CellError
from container.formats.csv_rows import Row
from container.hyperparameters.input_options import InputOptions

_PIECE_BYTES = 256 * 1024  # large enough to be fast; its numbers are small next to a table


def read(stream: BinaryIO, options: InputOptions) -> BatchReader:
    """Return a reader of text with delimiters, which is read once, from start to end.

    Raises:
        CellError: the first rows are not a table, or can be read in two ways.
        HyperparameterError: label or weight name no column.
    """
    start = csv_dialect.start(stream, options)
    rows = _RowReader(start, stream, options)
    first = rows.first
    if first is None:
        return BatchReader("", None, iter(()))
    notation = start.decimals.notation
    below = csv_dialect.rows_of(start.lines, start.decimals.delimiter)[1:]
    is_header = csv_header.is_header(first, below, options, notation)
    names = first[1] if is_header else None
    columns = resolve(len(first[1]), names, options.label, options.weight, options.ignored)
    guess = csv_header.guess(first[1], columns, notation) if options.header == "auto" else None
    format_name = f"{csv_dialect.named(start.decimals.delimiter)}-separated text"
    return BatchReader(format_name, columns, rows.batches(columns), guess, rows.left_out)


class _RowReader:
    """Parses a text to its end: many rows at once if they are plain, otherwise row by row."""

    def __init__(self, start: Start, stream: BinaryIO, options: InputOptions) -> None:
        self._lines = iter(start.lines)
        self._stream = stream
        self._n_before = start.n_before
        self._decimals = start.decimals
        self._delimiter = start.decimals.delimiter
        self._options = options
        self._consumed: list[bytes] = []
        self._rows = csv_rows.read_rows(self._recorded(), self._delimiter, self._n_before)
        self._header: list[str] | None = None
        self.left_out: Counter[str] = Counter()
        self._n_lines = 0
        """Number of lines up to the end of the piece that is read."""

        self._earlier: Batch | None = None
        """The first batch, which shows the columns that have numbers."""

        self.first = next(self._rows, None)
        """The first row that is not blank; None if all are blank."""

    def _recorded(self) -> Iterator[bytes]:
        """Yield lines and record them, so that they can be parsed again."""
        for line in chain(self._lines, self._stream):
            self._consumed.append(line)
            yield line

    def batches(self, columns: Columns) -> Iterator[Batch]:
        """Yield all rows below the header, which is the first row if the columns have names."""
        consumed, row = b"".join(self._consumed), self._n_before
        if columns.names is not None and self.first is not None:
            row, found = self.first
            if not all(map(cells.is_number, columns.names)):  # otherwise a row of data may equal it
                self._header = found
            if _has_bare_carriage_return(consumed):  # which may hold more than the first row
                yield from self._row_by_row(self._rows, columns)
            consumed = b""
        for text in _pieces(consumed + b"".join(self._lines), self._stream):
            self._n_lines = row + _count_lines(text)
            self._decimals = self._decimals.in_text(text)
            batch = self._at_once(text, columns)
            if batch is not None:
                self._earlier = self._earlier or batch
                yield batch
            else:
                yield from self._row_by_row(self._read_rows(text, row), columns)
            row = self._n_lines

    def _at_once(self, text: bytes, columns: Columns) -> Batch | None:
        """Return the rows of a piece; None unless all are plain and none repeats the header."""
        are_numbers = self._options.labels_are_numbers
        batch = csv_columns.read(
            text, self._delimiter, columns, self._decimals.notation, labels_are_numbers=are_numbers
        )
        if batch is None or self._header is None or are_numbers:
            return batch
        return None if self._header[columns.label].strip(" \t") in batch.labels else batch

    def _read_rows(self, text: bytes, before: int) -> Iterator[Row]:
        """Yield the rows of a piece; with a quote in it, those of the rest of the text too."""
        lines: Iterable[bytes] = io.BytesIO(text)
        if b'"' in text:
            lines = chain(lines, self._stream)
        return csv_rows.read_rows(lines, self._delimiter, before)

    def _row_by_row(self, rows: Iterator[Row], columns: Columns) -> Iterator[Batch]:
        builder = self._builder(columns)
        for row, found in rows:
            if found == self._header:  # as in files that were concatenated
                self.left_out["rows that repeat the header"] += 1
                continue
            try:
                builder.add(row, found)
            except FeatureError as error:
                rest = csv_rows.read_rows(self._stream, self._delimiter, self._n_lines)
                seen = chain([(row, found)], rows, rest)
                raise self._explained(error, seen, builder) from error
            if len(builder.numbers) >= BATCH_VALUES:
                yield builder.batch()
                builder = self._builder(columns)
        if builder.numbers:
            yield builder.batch()

    def _explained(
        self, error: CellError, rows: Iterator[Row], builder: RowBatchBuilder
    ) -> CellError:
        features = csv_rows.as_matrix(builder.numbers, len(builder.columns.features))
        if self._earlier is not None and isinstance(self._earlier.features, np.ndarray):
            features = self._earlier.features
        have_numbers = np.flatnonzero((~np.isnan(features)).any(axis=0)).tolist()
        survey = Survey(
            builder.columns,
            self._options,
            self._decimals.notation,
            may_be_comma=self._options.decimal == "auto" and not self._decimals.has_point,
        )
        return survey.explained(error, rows, have_numbers)

    def _builder(self, columns: Columns) -> RowBatchBuilder:
        return RowBatchBuilder(columns, self._options.labels_are_numbers, self._decimals.notation)


def _pieces(consumed: bytes, stream: BinaryIO) -> Iterator[bytes]:
    """Yield whole lines of a text whose beginning was consumed before."""
    while text := consumed + stream.read(_PIECE_BYTES) + stream.readline():
        yield text
        consumed = b""


def _has_bare_carriage_return(text: bytes) -> bool:
    return b"\r" in text.replace(b"\r\n", b"")


def _count_lines(text: bytes) -> int:
    return text.count(b"\n") + text.replace(b"\r\n", b"").count(b"\r")
