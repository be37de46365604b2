"""Comma-separated text: rows, cells and numbers, read the same in training and in serving.

Strict on purpose: what is not exactly a number or a missing cell is refused with its place, so
that nothing is silently misread.
"""

import csv
import math
import re
from array import array
from collections.abc import Iterator, Sequence
from typing import IO

import numpy as np
from numpy.typing import NDArray

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})
"""What stands for a missing cell, in lower case."""

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_CARRIAGE_RETURN = re.compile(r"(?<=\r)(?!\n)")  # ends a line by itself, in old files
_FLOAT32_OVERFLOW = 2.0**128 - 2.0**103  # rounds to infinity, and so does all beyond it


class CellError(ValueError):
    """A text that is no table; the message says where and why, and ends without a full stop."""


def read_rows(content: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
    """Yield (row, cells) for every row that is not blank; rows count from 1, blank ones too.

    A byte-order mark and any line ending are accepted.

    Raises:
        CellError: the text is not UTF-8, has a NUL, or its quotes do not close.
    """
    row = 0
    try:
        for row, cells in enumerate(csv.reader(_lines(content), strict=True), start=1):
            if cells:
                yield row, cells
    except UnicodeDecodeError as error:
        found = error.object[error.start]
        raise CellError(f"row {row + 1} has the byte 0x{found:02x}, which is not UTF-8") from error
    except csv.Error as error:
        raise CellError(f"row {row + 1} is not valid CSV ({error})") from error


def _lines(content: IO[bytes]) -> Iterator[str]:
    """Yield lines with their endings, decoded one by one, so that an error is where it is found."""
    for number, line in enumerate(content):
        text = line.decode("utf-8" if number else "utf-8-sig")
        if "\0" in text:
            raise csv.Error("a NUL byte, as UTF-16 has them")
        if text.count("\r") > text.endswith("\r\n"):
            yield from _CARRIAGE_RETURN.split(text)
        else:
            yield text


def append_numbers(numbers: "array[float]", cells: Sequence[str], row: int, first: int) -> None:
    """Append the cells of one row to `numbers` as float64, NaN for a missing cell.

    `first` is the number of the first cell's column, counted from 1, for the message.

    Raises:
        CellError: a cell is no number, or too large for a 32-bit float.
    """
    for column, cell in enumerate(cells, start=first):
        text = cell.strip(" \t")
        if is_number(text):
            value = float(text)
            if abs(value) >= _FLOAT32_OVERFLOW:
                problem = "beyond the range of a 32-bit float"
                raise CellError(f"row {row}, column {column} is {shown(cell)}, {problem}")
        elif text.lower() in MISSING:
            value = math.nan
        else:
            raise CellError(f"row {row}, column {column} is {shown(cell)}, not a number")
        numbers.append(value)


def is_number(text: str) -> bool:
    """Say whether a text is a number in decimal notation, without blanks."""
    return _NUMBER.fullmatch(text) is not None


def as_matrix(numbers: "array[float]", n_columns: int) -> NDArray[np.float32]:
    """Return the numbers as a float32 matrix of shape (n_rows, n_columns), a copy."""
    return np.frombuffer(numbers, dtype=np.float64).astype(np.float32).reshape(-1, n_columns)


def shown(cell: str) -> str:
    """Return a cell as a message shows it: quoted and short."""
    return repr(cell if len(cell) <= 40 else f"{cell[:40]}...")
