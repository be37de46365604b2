"""Plain numbers: rows of nothing but decimal numbers and empty cells, read many at once.

simdjson reads an array of JSON into doubles without an object for each, and rounds as `float`
does. What it refuses, and what it would read in another way than `float`, is refused here without
a reason: whoever asks then reads the text cell by cell, and knows what is wrong and where.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import simdjson
from numpy.typing import NDArray

from container.formats.cells import FLOAT32_OVERFLOW

PIECE_BYTES = 128 * 1024
"""So much text keeps the interpreter for less than a millisecond; rows are read in such pieces."""

_MISSING = b"9e99"
"""Stands for a missing cell: a number that no row may have, as it is beyond a 32-bit float."""

_FEW = 256  # of so many numbers Python finds the largest sooner than NumPy
_NEGATIVE_ZERO = re.compile(rb"-0(?![0-9.eE])")
_DECIMAL = b"0123456789.eE+-, \t"  # of these characters, `float` makes decimal numbers alone
_ALL_BUT = {marks: bytes(set(range(256)) - set(marks)) for marks in (b",\n", b"[],")}
_BETWEEN_LISTS = re.compile(rb"[ \t\r\n]*,[ \t\r\n]*")

_PARSERS: list[simdjson.Parser] = []
"""Those that nobody uses now: as many as threads have ever read at once, each with its memory."""


def forget() -> None:
    """Let go of the memory in which numbers have been read."""
    _PARSERS.clear()


def of_lines(text: bytes, n_columns: int) -> NDArray[np.float32] | None:
    """Return rows that stand one a line, commas between their cells; None for anything else.

    Args:
        text: lines with line feeds between them, and none at the end.
        n_columns: how many cells each row must have.

    Returns:
        Shape (n_rows, n_columns), NaN where a cell is empty.
    """
    n_rows = _count_rows(text, b",\n", b"," * (n_columns - 1) + b"\n")
    if not n_rows or b"[" in text or b"\r" in text:
        return None
    # Of one column, an empty cell is a blank line.
    values = of_cells(text.replace(b"\n", b","), n_rows * n_columns, may_be_empty=n_columns > 1)
    return None if values is None else values.astype(np.float32).reshape(n_rows, n_columns)


def of_lists(text: bytes, n_columns: int) -> NDArray[np.float32] | None:
    """Return rows that stand in lists of JSON, `[1, 2], [3, null]`; None for anything else.

    Returns:
        Shape (n_rows, n_columns), NaN where there is null.
    """
    n_rows = _count_rows(text, b"[],", b"[" + b"," * (n_columns - 1) + b"],")
    if not n_rows:
        return None
    filled = text.replace(b"null", b" %b " % _MISSING) if b"null" in text else text
    values = _parse(b"[%b]" % filled)
    if values is None or len(values) != n_rows * n_columns:
        return None
    values = _in_range(values, (len(filled) - len(text)) // (len(_MISSING) + 2 - len(b"null")))
    return None if values is None else values.astype(np.float32).reshape(n_rows, n_columns)


def of_cells(
    listed: bytes, n_cells: int, *, may_be_empty: bool = True
) -> NDArray[np.float64] | None:
    """Return cells with commas between, NaN where one is empty; None for anything else.

    Args:
        listed: the text of the cells; without a bracket, as those of lists would be lost.
        n_cells: how many cells there are, as counted by the commas.
        may_be_empty: whether an empty cell is missing, or something else.
    """
    n_missing = 0
    values = _parse(b"[%b]" % listed)
    if values is None and may_be_empty:
        listed, n_missing = _fill(listed)
        values = _parse(b"[%b]" % listed) if n_missing else None
    if values is None:
        values = _parse_loosely(listed)
    if values is None or len(values) != n_cells:
        return None
    return _in_range(values, n_missing)


def lists_in_pieces(text: bytes) -> Iterator[bytes]:
    """Cut `[1, 2], [3, 4]` where a list ends, into pieces of about PIECE_BYTES."""
    start = 0
    while start < len(text):
        end = text.find(b"]", start + PIECE_BYTES) + 1
        between = _BETWEEN_LISTS.match(text, end) if end else None
        yield text[start : end if between else len(text)]
        start = between.end() if between else len(text)
        if between and start == len(text):
            yield b""  # a comma without a list, which is refused


def _parse(document: bytes) -> NDArray[np.float64] | None:
    """Return the numbers of an array of JSON, nested ones row after row, as `float` reads them.

    None when anything else is in it. Any thread may call this.
    """
    parser: Any = _PARSERS.pop() if _PARSERS else simdjson.Parser()  # its types allow for no array
    try:
        buffer = parser.parse(document).as_buffer(of_type="d")
    except (ValueError, TypeError, RuntimeError):
        return None
    finally:
        _PARSERS.append(parser)
    values = np.frombuffer(buffer)
    if np.count_nonzero(values) < len(values) and _NEGATIVE_ZERO.search(document):
        return None  # simdjson takes it for an integer, which has no sign at 0
    return values


def _fill(listed: bytes) -> tuple[bytes, int]:
    """Return cells between commas with _MISSING where one is empty, and how many were."""
    filled = b",%b," % listed
    for _ in range(2):  # of neighbours the first time fills every other one
        filled = filled.replace(b",,", b",%b," % _MISSING)
    return filled[1:-1], (len(filled) - 2 - len(listed)) // len(_MISSING)


def _parse_loosely(listed: bytes) -> NDArray[np.float64] | None:
    """Return cells between commas, also such as JSON does not know: 007, +1, .5 and 5."""
    if listed.translate(None, _DECIMAL):
        return None
    cells = listed.decode("ascii").split(",")
    try:
        return np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None


def _count_rows(text: bytes, marks: bytes, row: bytes) -> int:
    """Return how often a text has the marks of a row, the very last left out; 0 for other marks."""
    found = text.translate(None, _ALL_BUT[marks]) + row[-1:]
    n_rows = len(found) // len(row)
    return n_rows if found == row * n_rows else 0


def _in_range(values: NDArray[np.float64], n_missing: int) -> NDArray[np.float64] | None:
    """Return values with NaN for _MISSING; None when any other is beyond a 32-bit float."""
    if not n_missing and len(values) <= _FEW:
        few = values.tolist()
        return values if max(few) < FLOAT32_OVERFLOW > -min(few) else None
    outside = np.abs(values) >= FLOAT32_OVERFLOW
    if np.count_nonzero(outside) != n_missing:
        return None
    return np.where(outside, np.nan, values) if n_missing else values
