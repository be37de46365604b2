"""Parquet reader: typed columns with names, read one column after the other.

A column takes some megabytes while it is read, for its dictionary and pages. To limit the memory
next to the table, only one column is read at a time, and a large row group in several passes.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from container.data.columns import Columns, resolve
from container.data.readers.batches import BATCH_VALUES, Batch, BatchReader
from container.formats.cells import (
    FLOAT32_OVERFLOW,
    CellError,
    as_float32,
    is_missing,
    shown,
    stripped,
)
from container.formats.parquet_columns import (
    REMEDY,
    infinite,
    is_boolean,
    is_number,
    is_text,
    missing,
    numbers,
    pandas_index,
    plain,
    readable,
    value_type,
    written,
)
from container.hyperparameters.input_options import InputOptions

_READ_BYTES = 64 * 1024
"""Size of the read buffer; without one, pyarrow reads a whole column of a row group at once."""

_BATCH_ROWS = 8 * 1024

_PASSES = 4
"""Number of passes over a large row group: more passes take less memory and more time."""

logger = logging.getLogger(__name__)


def read(stream: BinaryIO, options: InputOptions) -> BatchReader:
    """Return a reader of a Parquet file.

    Columns have the names of the schema, without an index that pandas wrote. Nulls and NaN are
    missing. Class labels are text as Python writes it: `1`, `1.0`, `True`.

    Args:
        stream: the file, seekable.
        options: the roles of the columns, and whether labels are numbers.

    Raises:
        CellError: the file is damaged, or the type of a column is not supported.
        HyperparameterError: a hyperparameter names no column.
    """
    with readable("the file"):
        file = pq.ParquetFile(
            stream, pre_buffer=False, buffer_size=_READ_BYTES, page_checksum_verification=True
        )
        schema = file.schema_arrow
        names = _without_index(schema, options)
    columns = resolve(len(names), names, options.label, options.weight, options.ignored)
    fields = [schema.field(name) for name in names]
    _check_types(fields, columns, options.labels_are_numbers)
    batches = _batches(file, fields, columns, options)
    return BatchReader("Parquet", columns, batches)


def _without_index(schema: pa.Schema, options: InputOptions) -> list[str]:
    """Return the names of all columns but the index, as written.

    Raises:
        CellError: the index has a name and may be the label.
    """
    index, names = pandas_index(schema), schema.names
    left_out = {n: None for n in names if n in index or n.startswith("__index_level_")}
    named = [name for name in left_out if not name.startswith("__index_level_")]
    if named and (options.label is None or stripped(options.label) in map(stripped, named)):
        raise CellError(
            f"pandas wrote {shown(named[0])} as an index, which is not read as a column",
            "write it as a column with reset_index(), or set the hyperparameter label to another "
            "column",
        )
    if left_out:
        logger.info("left out the index that pandas wrote: %s", ", ".join(left_out))
    return [name for name in names if name not in left_out]


def _check_types(fields: list[pa.Field], columns: Columns, labels_are_numbers: bool) -> None:
    """Refuse columns whose type is not supported, before any row is read."""
    for index, field in enumerate(fields):
        if index in columns.ignored:
            continue
        found = value_type(field.type)
        is_class = index == columns.label and not labels_are_numbers
        if is_number(found) or (is_class and is_text(found)):
            continue
        where = f"{columns.name(index)} holds {found} values"
        if is_class:
            raise CellError(f"{where}, but a label must be text, a number or a boolean")
        if index in (columns.label, columns.weight):
            raise CellError(f"{where}, not numbers")
        raise CellError(f"{where}, not numbers", "encode it as numbers or remove it")


def _batches(
    file: Any, fields: list[pa.Field], columns: Columns, options: InputOptions
) -> Iterator[Batch]:
    n_rows = max(1, BATCH_VALUES // columns.width)
    first_row = 1
    for groups, n_found in _joined(file.metadata, n_rows):
        at_once = max(n_rows, -(-n_found // _PASSES))
        for start in range(0, n_found, at_once):
            n_read = min(at_once, n_found - start)
            place = groups, start, n_read, first_row + start
            yield from _RowRange(file, fields, columns, options, *place).batches(n_rows)
        first_row += n_found


def _joined(metadata: Any, at_least: int) -> Iterator[tuple[list[int], int]]:
    """Yield row groups to read together and their number of rows; small ones are joined."""
    groups, n_rows = [], 0
    for group in range(metadata.num_row_groups):
        groups.append(group)
        n_rows += metadata.row_group(group).num_rows
        if n_rows >= at_least or (n_rows and group == metadata.num_row_groups - 1):
            yield groups, n_rows
            groups, n_rows = [], 0


@dataclass(frozen=True)
class _RowRange:
    """Consecutive rows of some row groups, read one column at a time."""

    file: Any
    fields: list[pa.Field]
    """Names and types of the columns; pyarrow makes a schema anew each time."""

    columns: Columns
    options: InputOptions
    groups: list[int]
    start: int
    """Number of rows of the groups before these."""

    n_rows: int
    first_row: int
    """Number of the first of these rows in the file, from 1."""

    def batches(self, n_rows: int) -> Iterator[Batch]:
        """Read all columns; yield batches of `n_rows` rows."""
        label, weight = self.columns.label, self.columns.weight
        features = self._features()
        are_numbers = self.options.labels_are_numbers
        labels = self._numeric_labels(label) if are_numbers else self._class_labels(label)
        gone, place = self._unlabelled(labels)
        weights = None if weight is None else self._weights(weight, gone)
        booleans = {
            position: "every row"
            for position, index in enumerate(self.columns.features)
            if is_boolean(self._type(index))
        }
        for start in range(0, self.n_rows, n_rows):
            rows = slice(start, start + n_rows)
            part = None if weights is None else weights[rows]
            # A view would keep all these rows in memory while the next are read.
            some, are_text = features[rows].copy(), is_text(self._type(label))
            yield Batch(some, labels[rows], part, are_text, booleans, gone[rows], place)

    def _features(self) -> NDArray[np.float32]:
        features = np.empty((self.n_rows, len(self.columns.features)), dtype=np.float32)
        for position, index in enumerate(self.columns.features):
            name = (self.columns.name(index),).__getitem__
            for rows, cells in self._cells(index):
                values = numbers(cells)[:, np.newaxis]
                found = as_float32(values, self.first_row + rows.start, name)
                features[rows, position] = found[:, 0]
        return features

    def _class_labels(self, index: int) -> list[str]:
        labels: list[str] = []
        for rows, found in self._cells(index):
            cells = plain(found)
            self._refuse(index, infinite(cells), "infinite", rows.start)
            gone = missing(cells)
            with readable(self.columns.name(index)):
                texts = iter(written(cells.filter(~gone) if gone.any() else cells))
            labels += ["" if is_gone else next(texts) for is_gone in gone.tolist()]
        return labels

    def _unlabelled(self, labels: list[str] | NDArray[np.float64]) -> tuple[NDArray[np.bool_], str]:
        """Return which rows have no label, and the place of the first such row."""
        if isinstance(labels, list):
            notation = self.options.notation
            gone = {label for label in set(labels) if is_missing(label, notation)}
            mask = np.array([label in gone for label in labels], dtype=np.bool_)
        else:
            mask = np.isnan(labels)
        if not mask.any():
            return mask, ""
        first = int(mask.argmax())
        found = shown(labels[first]) if isinstance(labels, list) and labels[first] else "empty"
        where = f"row {self.first_row + first}, {self.columns.name(self.columns.label)}"
        return mask, f"{where} is {found}"

    def _numeric_labels(self, index: int) -> NDArray[np.float64]:
        found = self._numbers(index)
        self._refuse(index, np.isinf(found), "infinite")
        too_large = np.abs(found) >= FLOAT32_OVERFLOW
        self._refuse(index, too_large, "beyond the range of a 32-bit float")
        return found

    def _weights(self, index: int, unlabelled: NDArray[np.bool_]) -> NDArray[np.float64]:
        found = self._numbers(index)
        self._refuse(index, np.isnan(found) & ~unlabelled, "empty: no weight")
        self._refuse(index, np.isinf(found), "infinite")
        self._refuse(index, found < 0, "negative: no weight")
        return found

    def _numbers(self, index: int) -> NDArray[np.float64]:
        found = np.empty(self.n_rows, dtype=np.float64)
        for rows, cells in self._cells(index):
            found[rows] = numbers(cells)
        return found

    def _refuse(self, index: int, wrong: NDArray[np.bool_], problem: str, start: int = 0) -> None:
        """Raise CellError for the first wrong cell; `wrong` begins at row `start` of these."""
        if wrong.any():
            row = self.first_row + start + int(wrong.argmax())
            raise CellError(f"row {row}, {self.columns.name(index)} is {problem}")

    def _cells(self, index: int) -> Iterator[tuple[slice, Any]]:
        """Yield cells of one column and the slice of these rows that they fill."""
        where, end = self.columns.name(index), -self.start
        with readable(where):
            batches = self.file.iter_batches(
                _BATCH_ROWS, self.groups, columns=[self.fields[index].name], use_threads=False
            )
        while end < self.n_rows:
            with readable(f"{where}, from row {self.first_row + end} on,"):
                batch: Any = next(batches, None)
            if not batch:
                raise CellError(f"{where} has fewer rows than the file says", REMEDY)
            start, end = end, end + len(batch)
            if end > 0:
                cells = batch.column(0)[max(0, -start) : self.n_rows - start]
                yield slice(max(0, start), min(end, self.n_rows)), cells

    def _type(self, index: int) -> pa.DataType:
        return value_type(self.fields[index].type)
