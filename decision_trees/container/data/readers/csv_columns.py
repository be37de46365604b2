"""Plain rows: a label as text, and numbers, many rows of a text with delimiters at once.

Whatever is not exactly that is refused without a reason; whoever asks then reads row by row.
"""

import csv

import numpy as np
from numpy.typing import NDArray

from container.data.columns import Columns
from container.data.readers.batches import Batch
from container.formats import cells, numeric

_LINE_FEED, _COMMA, _BLANK, _ONE = b"\n, 1"
_STRANGE = '"\r\0\ufeff'  # what a label may have, and the careful reader must look at

Places = NDArray[np.int64]
"""Shape (n_rows, n_columns): where each cell starts, or ends, in a text."""


def read(
    text: bytes, delimiter: str, columns: Columns, *, labels_are_numbers: bool
) -> Batch | None:
    """Return the rows of a text; None unless all of them are plain.

    Args:
        text: whole lines; the last needs no line ending.
        delimiter: what stands between cells.
        columns: how many there are, and their roles.
        labels_are_numbers: whether the labels are numbers as well.
    """
    text = text.replace(b"\r\n", b"\n").removesuffix(b"\n")
    ends = _ends(text, ord(delimiter), columns.width)
    if ends is None:
        return None
    numbers, labels = bytearray(text), None
    if not labels_are_numbers:
        cut = _starts(ends)[:, columns.label], ends[:, columns.label]
        labels = _labels(text, *cut)
        _overwrite(numbers, *cut)
    values = _values(numbers, delimiter, ends)
    if values is None or (labels is None and not labels_are_numbers):
        return None
    return _block(values, labels, columns)


def _ends(text: bytes, delimiter: int, width: int) -> Places | None:
    """Return where each cell ends; None when rows have not `width` cells each."""
    view = np.frombuffer(text, np.uint8)
    marks = np.flatnonzero((view == delimiter) | (view == _LINE_FEED))
    ends = np.append(marks, len(text)).astype(np.int64, copy=False)
    if len(ends) % width or np.diff(ends).max(initial=ends[0]) > csv.field_size_limit():
        return None
    are_last = np.append(view[marks] == _LINE_FEED, True).reshape(-1, width)
    if not are_last[:, -1].all() or are_last[:, :-1].any():
        return None
    return ends.reshape(-1, width)


def _starts(ends: Places) -> Places:
    return np.append(0, ends.ravel()[:-1] + 1).reshape(ends.shape)


def _labels(text: bytes, starts: Places, ends: Places) -> list[str] | None:
    """Return the cells of a column as labels; None when one is none, or not written plainly."""
    found = [text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    names = {cell: _label(cell) for cell in set(found)}
    if None in names.values():
        return None
    return [names[cell] or "" for cell in found]


def _label(cell: bytes) -> str | None:
    if len(cell) > 1 and cell.startswith(b'"') and cell.endswith(b'"'):
        cell = cell[1:-1]
    try:
        label = cell.decode()
    except UnicodeDecodeError:
        return None
    if cells.is_missing(label) or any(mark in label for mark in _STRANGE):
        return None
    return label.strip(" \t")


def _overwrite(text: bytearray, starts: Places, ends: Places) -> None:
    """Put a number, and blanks after it, in place of cells that are not empty."""
    lengths = ends - starts
    before = np.cumsum(lengths) - lengths
    view = np.frombuffer(text, np.uint8)
    view[np.arange(lengths.sum()) + np.repeat(starts - before, lengths)] = _BLANK
    view[starts[lengths > 0]] = _ONE


def _values(text: bytearray, delimiter: str, ends: Places) -> NDArray[np.float64] | None:
    """Return all cells as numbers, shape (n_rows, n_columns); None when one is not plain."""
    if b"[" in text or b"\r" in text or (delimiter != "," and b"," in text):
        return None
    np.frombuffer(text, np.uint8)[ends.ravel()[:-1]] = _COMMA
    values = numeric.of_cells(bytes(text), ends.size)
    return None if values is None else values.reshape(ends.shape)


def _block(values: NDArray[np.float64], labels: list[str] | None, columns: Columns) -> Batch | None:
    """Return the columns by their roles; None when a label or a weight is no good."""
    quantities = values[:, columns.label].copy()
    weights = None if columns.weight is None else values[:, columns.weight].copy()
    if np.isnan(quantities).any() or (weights is not None and not (weights >= 0).all()):
        return None
    features = values[:, columns.features].astype(np.float32)
    return Batch(features, quantities if labels is None else labels, weights)
