"""Parse rows of plain numbers, that is of decimal numbers and empty cells only, many at once.

simdjson parses a JSON array into doubles without an object for each number, and rounds as `float`
does. Text that it rejects, or would parse differently from `float`, is rejected here without a
reason; the caller then parses cell by cell, and finds the error and its place.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import simdjson
from numpy.typing import NDArray

from container.formats.cells import FLOAT32_OVERFLOW

PIECE_BYTES = 128 * 1024
"""Size of the pieces in which text is parsed; one holds the interpreter below a millisecond."""

_MISSING = b"9e99"
"""Placeholder for a missing cell: a number that no row can have, beyond a 32-bit float."""

_FEW = 256  # up to this many numbers, Python finds the largest faster than NumPy
_NEGATIVE_ZERO = re.compile(rb"-0(?![0-9.eE])")
_DECIMAL = b"0123456789.eE+-, \t"  # from these characters, `float` parses only decimal numbers
_ALL_BUT = {marks: bytes(set(range(256)) - set(marks)) for marks in (b",\n", b"[],")}
_BETWEEN_LISTS = re.compile(rb"[ \t\r\n]*,[ \t\r\n]*")

_PARSERS: list[simdjson.Parser] = []
"""Idle parsers, at most one for each thread that ever parsed at the same time."""


def forget() -> None:
    """Release the memory of the parsers."""
    _PARSERS.clear()


def of_lines(text: bytes, n_columns: int) -> NDArray[np.float32] | None:
    """Return rows written one a line with commas between the cells; None for anything else.

    Args:
        text: lines with line feeds between them, and none at the end.
        n_columns: number of cells that each row must have.

    Returns:
        Shape (n_rows, n_columns), NaN where a cell is empty.
    """
    n_rows = _count_rows(text, b",\n", b"," * (n_columns - 1) + b"\n")
    if not n_rows or b"[" in text or b"\r" in text:
        return None
    # With one column, an empty cell is a blank line.
    values = of_cells(text.replace(b"\n", b","), n_rows * n_columns, may_be_empty=n_columns > 1)
    return None if values is None else values.astype(np.float32).reshape(n_rows, n_columns)


def of_lists(text: bytes, n_columns: int) -> NDArray[np.float32] | None:
    """Return rows written as lists of JSON, `[1, 2], [3, null]`; None for anything else.

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
    """Return cells with commas between them, NaN where one is empty; None for anything else.

    Args:
        listed: text of the cells, without brackets: those of nested lists would be lost.
        n_cells: number of cells, as counted by the commas.
        may_be_empty: whether an empty cell is missing; otherwise it is rejected.
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


def lists_in_pieces(text: bytes, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """Yield `[1, 2], [3, 4]`, a part of a text, in pieces of about PIECE_BYTES that end a list."""
    stop = len(text) if stop is None else stop
    while start < stop:
        end = text.find(b"]", start + PIECE_BYTES, stop) + 1
        between = _BETWEEN_LISTS.match(text, end, stop) if end else None
        yield text[start : end if between else stop]
        start = between.end() if between else stop
        if between and start == stop:
            yield b""  # a comma without a list, which is rejected


def _parse(document: bytes) -> NDArray[np.float64] | None:
    """Return the numbers of a JSON array, nested ones flattened, exactly as `float` parses them.

    None if it contains anything else. Thread-safe.
    """
    parser: Any = _PARSERS.pop() if _PARSERS else simdjson.Parser()  # its annotations lack arrays
    try:
        buffer = parser.parse(document).as_buffer(of_type="d")
    except (ValueError, TypeError, RuntimeError):
        return None
    finally:
        _PARSERS.append(parser)
    values = np.frombuffer(buffer)
    if np.count_nonzero(values) < len(values) and _NEGATIVE_ZERO.search(document):
        return None  # simdjson parses -0 as an integer, which has no negative zero
    return values


def _fill(listed: bytes) -> tuple[bytes, int]:
    """Return cells with _MISSING where one is empty, and the number of empty ones."""
    filled = b",%b," % listed
    for _ in range(2):  # the first pass fills only every other one of adjacent empty cells
        filled = filled.replace(b",,", b",%b," % _MISSING)
    return filled[1:-1], (len(filled) - 2 - len(listed)) // len(_MISSING)


def _parse_loosely(listed: bytes) -> NDArray[np.float64] | None:
    """Return cells, including numbers that JSON does not allow: 007, +1, .5 and 5."""
    if listed.translate(None, _DECIMAL):
        return None
    cells = listed.decode("ascii").split(",")
    try:
        return np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None


def _count_rows(text: bytes, marks: bytes, row: bytes) -> int:
    """Return the number of rows by the marks of a row, without the last mark; 0 for other marks."""
    found = text.translate(None, _ALL_BUT[marks]) + row[-1:]
    n_rows = len(found) // len(row)
    return n_rows if found == row * n_rows else 0


def _in_range(values: NDArray[np.float64], n_missing: int) -> NDArray[np.float64] | None:
    """Return values with NaN for _MISSING; None if any other is beyond a 32-bit float."""
    if not n_missing and len(values) <= _FEW:
        few = values.tolist()
        return values if max(few) < FLOAT32_OVERFLOW > -min(few) else None
    outside = np.abs(values) >= FLOAT32_OVERFLOW
    if np.count_nonzero(outside) != n_missing:
        return None
    return np.where(outside, np.nan, values) if n_missing else values
