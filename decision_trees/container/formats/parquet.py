"""Parquet: typed columns with names, read one column after the other.

A column that is being read costs some megabytes, for its dictionary and its pages. So only one is
read at a time, and a large row group in a few passes, to hold but a part of it beside the table.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from container.blocks import BLOCK_VALUES, Block, Part
from container.cells import FLOAT32_OVERFLOW, CellError, as_float32, shown
from container.columns import Columns, resolve
from container.options import InputOptions

_READ_BYTES = 64 * 1024
"""How much of a column is read ahead; without it, all of a row group's column is."""

_BATCH_ROWS = 8 * 1024

_PASSES = 4
"""How often a large row group is read: more passes take less memory and more time."""

_REMEDY = "write it again: it is damaged or cut off"

logger = logging.getLogger(__name__)


def read(stream: BinaryIO, options: InputOptions) -> Part:
    """Open a Parquet file.

    Columns have the names of the schema; an index that pandas wrote is left out. Nulls and NaN are
    missing. Classes are text as Python writes them: `1`, `1.0`, `True`.

    Args:
        stream: the file; it must be seekable.
        options: the roles of the columns, and whether labels are numbers.

    Raises:
        CellError: the file is damaged, or a column has a type that cannot be used.
        HyperparameterError: a hyperparameter names no column.
    """
    with readable("the file"):
        file = pq.ParquetFile(
            stream, pre_buffer=False, buffer_size=_READ_BYTES, page_checksum_verification=True
        )
        schema = file.schema_arrow
        names = _without_index(schema, options)
    columns = resolve(len(names), names, options.label, options.weight)
    _check_types(schema, columns, options.labels_are_numbers)
    return Part("Parquet", columns, _blocks(file, columns, options.labels_are_numbers))


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Say what pyarrow cannot read, and why."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0][:160].rstrip(". ")
        raise CellError(f"{what} cannot be read as Parquet ({reason})", _REMEDY) from error


def _without_index(schema: pa.Schema, options: InputOptions) -> list[str]:
    """Return the names of the columns that are data, in their order.

    Raises:
        CellError: the index has a name, and may be the label that the job does not name.
    """
    index = pandas_index(schema)
    left_out = [n for n in schema.names if n in index or n.startswith("__index_level_")]
    named = [name for name in left_out if not name.startswith("__index_level_")]
    if named and (options.label is None or options.label in named):
        raise CellError(
            f"pandas wrote {shown(named[0])} as an index, which is no column",
            "write it as a column with reset_index(), or name another column with the "
            "hyperparameter label",
        )
    if left_out:
        logger.info("left out what pandas wrote as an index: %s", ", ".join(left_out))
    return [name for name in schema.names if name not in left_out]


def pandas_index(schema: pa.Schema) -> list[object]:
    """Return the columns that are an index; one that is a mere range is a dictionary.

    Source: https://pandas.pydata.org/docs/development/developer.html
    """
    try:
        written = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    except ValueError as error:
        raise CellError("the metadata of pandas is not valid JSON", _REMEDY) from error
    index = written.get("index_columns") if isinstance(written, dict) else None
    return index if isinstance(index, list) else []


def _check_types(schema: pa.Schema, columns: Columns, labels_are_numbers: bool) -> None:
    """Refuse columns whose type cannot be used, before any row is read."""
    for index, name in enumerate(columns.names or ()):
        found = value_type(schema.field(name).type)
        is_class = index == columns.label and not labels_are_numbers
        if is_number(found) or (is_class and _is_text(found)):
            continue
        where = f"{columns.name(index)} holds {found} values"
        if is_class:
            raise CellError(f"{where}, but a label is text, a number or a boolean")
        if index in (columns.label, columns.weight):
            raise CellError(f"{where}, not numbers")
        raise CellError(f"{where}, not numbers", "encode it as numbers or leave it out")


def value_type(found: pa.DataType) -> pa.DataType:
    """Return the type of the values of a column, be they in a dictionary or not."""
    return found.value_type if pa.types.is_dictionary(found) else found


def is_number(found: pa.DataType) -> bool:
    """Say whether values of a type can be made numbers."""
    is_of = pa.types
    kinds = (is_of.is_integer, is_of.is_floating, is_of.is_decimal, is_of.is_boolean, is_of.is_null)
    return any(is_kind(found) for is_kind in kinds)


def _is_text(found: pa.DataType) -> bool:
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_kind(found) for is_kind in kinds)


def _blocks(file: Any, columns: Columns, labels_are_numbers: bool) -> Iterator[Block]:
    """Yield the rows, about BLOCK_VALUES cells at a time."""
    n_rows = max(1, BLOCK_VALUES // columns.width)
    first_row = 1
    for groups, n_found in _together(file.metadata, n_rows):
        at_once = max(n_rows, -(-n_found // _PASSES))
        for start in range(0, n_found, at_once):
            n_read = min(at_once, n_found - start)
            rows = _Rows(file, columns, groups, start, n_read, first_row + start)
            yield from rows.blocks(labels_are_numbers, n_rows)
        first_row += n_found


def _together(metadata: Any, at_least: int) -> Iterator[tuple[list[int], int]]:
    """Yield row groups that are read together, and their number of rows; small ones are joined."""
    groups, n_rows = [], 0
    for group in range(metadata.num_row_groups):
        groups.append(group)
        n_rows += metadata.row_group(group).num_rows
        if n_rows >= at_least or (n_rows and group == metadata.num_row_groups - 1):
            yield groups, n_rows
            groups, n_rows = [], 0


@dataclass(frozen=True)
class _Rows:
    """Rows of some row groups, of which a column is read at a time."""

    file: Any
    columns: Columns
    groups: list[int]
    start: int
    """How many rows of the groups are before these."""

    n_rows: int
    first_row: int
    """The number of the first of these rows in the file."""

    def blocks(self, labels_are_numbers: bool, n_rows: int) -> Iterator[Block]:
        """Read all columns; yield `n_rows` rows at a time."""
        label, weight = self.columns.label, self.columns.weight
        features = self._features()
        labels = self._quantities(label) if labels_are_numbers else self._classes(label)
        weights = None if weight is None else self._weights(weight)
        label_type = self.file.schema_arrow.field(self._name(label)).type
        for start in range(0, self.n_rows, n_rows):
            rows = slice(start, start + n_rows)
            part = None if weights is None else weights[rows]
            # A view would keep all these rows alive while the next are read.
            some = features[rows].copy()
            yield Block(some, labels[rows], part, _is_text(value_type(label_type)))

    def _features(self) -> NDArray[np.float32]:
        features = np.empty((self.n_rows, len(self.columns.features)), dtype=np.float32)
        for position, index in enumerate(self.columns.features):
            name = (self.columns.name(index),).__getitem__
            for rows, cells in self._batches(index):
                values = numbers(cells)[:, np.newaxis]
                found = as_float32(values, self.first_row + rows.start, name)
                features[rows, position] = found[:, 0]
        return features

    def _classes(self, index: int) -> list[str]:
        classes: list[str] = []
        for rows, found in self._batches(index):
            cells = _plain(found)
            self._refuse(index, _missing(cells), "empty: no label", rows.start)
            self._refuse(index, _infinite(cells), "infinite", rows.start)
            with readable(self.columns.name(index)):
                classes += _written(cells)
        return classes

    def _quantities(self, index: int) -> NDArray[np.float64]:
        found = self._numbers(index)
        self._refuse(index, np.isnan(found), "empty: no label")
        self._refuse(index, np.isinf(found), "infinite")
        too_large = np.abs(found) >= FLOAT32_OVERFLOW
        self._refuse(index, too_large, "beyond the range of a 32-bit float")
        return found

    def _weights(self, index: int) -> NDArray[np.float64]:
        found = self._numbers(index)
        self._refuse(index, np.isnan(found), "empty: no weight")
        self._refuse(index, np.isinf(found), "infinite")
        self._refuse(index, found < 0, "negative: no weight")
        return found

    def _numbers(self, index: int) -> NDArray[np.float64]:
        found = np.empty(self.n_rows, dtype=np.float64)
        for rows, cells in self._batches(index):
            found[rows] = numbers(cells)
        return found

    def _refuse(self, index: int, wrong: NDArray[np.bool_], problem: str, start: int = 0) -> None:
        """Raise CellError for the first cell that is wrong, counted from row `start` of these."""
        if wrong.any():
            row = self.first_row + start + int(wrong.argmax())
            raise CellError(f"row {row}, {self.columns.name(index)} is {problem}")

    def _batches(self, index: int) -> Iterator[tuple[slice, Any]]:
        """Yield the cells of one column, and which of these rows they are in."""
        where, end = self.columns.name(index), -self.start
        with readable(where):
            batches = self.file.iter_batches(
                _BATCH_ROWS, self.groups, columns=[self._name(index)], use_threads=False
            )
        while end < self.n_rows:
            with readable(f"{where}, from row {self.first_row + end} on,"):
                batch: Any = next(batches, None)
            if not batch:
                raise CellError(f"{where} has not as many rows as the file says", _REMEDY)
            start, end = end, end + len(batch)
            if end > 0:
                cells = batch.column(0)[max(0, -start) : self.n_rows - start]
                yield slice(max(0, start), min(end, self.n_rows)), cells

    def _name(self, index: int) -> str:
        return (self.columns.names or ())[index]


def _plain(cells: Any) -> Any:
    """Return cells without a dictionary, and in one of few types."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    # pyarrow rounds a decimal less exactly than a text when it makes it a float.
    if _is_text(cells.type) or pa.types.is_decimal(cells.type):
        return cells.cast(pa.large_string())
    return cells.cast(pa.float32()) if pa.types.is_float16(cells.type) else cells


def numbers(cells: Any) -> NDArray[np.float64]:
    """Return cells as float64, NaN where one is missing."""
    numbers = _plain(cells).cast(pa.float64(), safe=False)
    return cast("NDArray[np.float64]", numbers.to_numpy(zero_copy_only=False))


def _missing(cells: Any) -> NDArray[np.bool_]:
    """Say which cells are null, NaN, or a text without a character."""
    if _is_text(cells.type):
        missing = pc.fill_null(pc.equal(cells, ""), fill_value=True)
    else:
        missing = pc.is_null(cells, nan_is_null=True)
    return cast("NDArray[np.bool_]", missing.to_numpy(zero_copy_only=False))


def _infinite(cells: Any) -> NDArray[np.bool_]:
    if not pa.types.is_floating(cells.type):
        return np.zeros(len(cells), dtype=np.bool_)
    return cast("NDArray[np.bool_]", np.isinf(cells.to_numpy()))


def _written(cells: Any) -> list[str]:
    """Return cells as text, none of them missing; equal ones share it."""
    encoded = cells.dictionary_encode()
    # NumPy writes a float32 with the digits that it needs, Python with those of a float64.
    floating = pa.types.is_floating(cells.type)
    distinct = encoded.dictionary.to_numpy() if floating else encoded.dictionary.to_pylist()
    texts = np.array([str(value) for value in distinct], dtype=object)
    return cast("list[str]", texts[encoded.indices.to_numpy()].tolist())
