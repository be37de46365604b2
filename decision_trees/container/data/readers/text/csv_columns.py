"""Fast path of the CSV reader: parse many rows at once, if all cells but the label are numbers.

Any other text is refused without a reason; the caller then parses it row by row.
"""

import csv

import numpy as np
from numpy.typing import NDArray

from container.data.columns import Columns
from container.data.readers.batches import Batch
from container.formats import cells, numeric
from container.formats.cells import PLAIN, Notation

_LINE_FEED, _COMMA, _BLANK, _ONE = b"\n, 1"
_SPECIAL = '"\r\0\ufeff'  # in a label, these need the row-by-row parser

Offsets = NDArray[np.int64]
"""Shape (n_rows, n_columns): where each cell starts, or ends, in a text."""


def read(
    text: bytes,
    delimiter: str,
    columns: Columns,
    notation: Notation = PLAIN,
    *,
    labels_are_numbers: bool,
) -> Batch | None:
    """Return the rows of a text; None unless all of them can be parsed at once.

    Args:
        text: whole lines; the line ending of the last is optional.
        delimiter: one character.
        columns: their number and roles.
        notation: the notation of cells.
        labels_are_numbers: whether the labels are numbers as well.
    """
    text = text.replace(b"\r\n", b"\n").removesuffix(b"\n")
    ends = _ends(text, ord(delimiter), columns.width) if delimiter.isascii() else None
    if ends is None:
        return None
    numbers, labels = bytearray(text), None
    if columns.ignored:
        if b'"' in text:  # which may hold delimiters
            return None
        for index in columns.ignored:
            _overwrite(numbers, _starts(ends)[:, index], ends[:, index])
    if not labels_are_numbers:
        cut = _starts(ends)[:, columns.label], ends[:, columns.label]
        labels = _labels(text, *cut, notation)
        _overwrite(numbers, *cut)
    values = _values(numbers, delimiter, ends, notation)
    if values is None or (labels is None and not labels_are_numbers):
        return None
    return _batch(values, labels, columns)


def _ends(text: bytes, delimiter: int, width: int) -> Offsets | None:
    """Return where each cell ends; None unless every row has `width` cells."""
    view = np.frombuffer(text, np.uint8)
    marks = np.flatnonzero((view == delimiter) | (view == _LINE_FEED))
    ends = np.append(marks, len(text)).astype(np.int64, copy=False)
    if len(ends) % width or np.diff(ends).max(initial=ends[0]) > csv.field_size_limit():
        return None
    are_last = np.append(view[marks] == _LINE_FEED, True).reshape(-1, width)
    if not are_last[:, -1].all() or are_last[:, :-1].any():
        return None
    return ends.reshape(-1, width)


def _starts(ends: Offsets) -> Offsets:
    return np.append(0, ends.ravel()[:-1] + 1).reshape(ends.shape)


def _labels(text: bytes, starts: Offsets, ends: Offsets, notation: Notation) -> list[str] | None:
    """Return the cells of a column as labels; None if one is missing or special."""
    found = [text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    names = {cell: _label(cell, notation) for cell in set(found)}
    if None in names.values():
        return None
    return [names[cell] or "" for cell in found]


def _label(cell: bytes, notation: Notation) -> str | None:
    if len(cell) > 1 and cell.startswith(b'"') and cell.endswith(b'"'):
        cell = cell[1:-1]
    try:
        label = cell.decode()
    except UnicodeDecodeError:
        return None
    if cells.is_missing(label, notation) or any(mark in label for mark in _SPECIAL):
        return None
    return label.strip(" \t")


def _overwrite(text: bytearray, starts: Offsets, ends: Offsets) -> None:
    """Replace cells that are not empty by a number and blanks, so that all cells are numbers."""
    lengths = ends - starts
    before = np.cumsum(lengths) - lengths
    view = np.frombuffer(text, np.uint8)
    view[np.arange(lengths.sum()) + np.repeat(starts - before, lengths)] = _BLANK
    view[starts[lengths > 0]] = _ONE


def _values(
    text: bytearray, delimiter: str, ends: Offsets, notation: Notation
) -> NDArray[np.float64] | None:
    """Return all cells as numbers, shape (n_rows, n_columns); None if one is not a number."""
    if b"[" in text or b"\r" in text:
        return None
    if notation.decimal == ",":
        if delimiter == "," or b"." in text:
            return None
        text = text.replace(b",", b".")
    elif delimiter != "," and b"," in text:
        return None
    np.frombuffer(text, np.uint8)[ends.ravel()[:-1]] = _COMMA
    values = numeric.of_cells(bytes(text), ends.size)
    return None if values is None else values.reshape(ends.shape)


def _batch(values: NDArray[np.float64], labels: list[str] | None, columns: Columns) -> Batch | None:
    """Return the columns by their roles; None if a label is missing or a weight is negative."""
    quantities = values[:, columns.label].copy()
    weights = None if columns.weight is None else values[:, columns.weight].copy()
    if np.isnan(quantities).any() or (weights is not None and not (weights >= 0).all()):
        return None
    features = values[:, columns.features].astype(np.float32)
    return Batch(features, quantities if labels is None else labels, weights)
