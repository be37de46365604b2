"""Grammar of delimited text, the same in training and in serving.

It is strict: a cell that is neither a number nor missing is an error with its place, so that
nothing is silently misread.
"""

import csv
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from container.formats import cells
from container.formats.cells import CellError

Row = tuple[int, list[str]]
"""The number of a row, from 1, and its cells."""

_DECIMAL = re.compile(r"[0-9.eE+,-]*")  # from these characters, `float` parses only decimal numbers
_BYTE_ORDER_MARK = "\ufeff"
_CARRIAGE_RETURN = re.compile(r"(?<=\r)(?!\n)")  # ends a line by itself, in old files


def read_rows(content: Iterable[bytes], delimiter: str = ",", before: int = 0) -> Iterator[Row]:
    """Yield (row, cells) for every row that is not blank; rows count from 1, including blank ones.

    `content` yields lines, as an open file does, after `before` rows that were read already. Any
    line ending is accepted, and a byte-order mark, even in the middle if files were concatenated.

    Raises:
        CellError: the text is not UTF-8, has a NUL, or its quotes do not close.
    """
    row = before
    reader = csv.reader(_lines(content), delimiter=delimiter, strict=True)
    try:
        for row, found in enumerate(reader, start=before + 1):
            if found:
                yield row, found
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        problem = f"row {row + 1} has the byte 0x{byte:02x}, which is not UTF-8"
        raise CellError(problem, row=row + 1) from error
    except csv.Error as error:
        raise CellError(f"row {row + 1} is not valid CSV ({error})", row=row + 1) from error


def _lines(content: Iterable[bytes]) -> Iterator[str]:
    """Yield lines with their endings, decoded one by one, so that an error has its row."""
    for line in content:
        text = line.decode().removeprefix(_BYTE_ORDER_MARK)
        if "\0" in text:
            raise csv.Error("a NUL byte, as in UTF-16")
        if text.count("\r") > text.endswith("\r\n"):
            for part in _CARRIAGE_RETURN.split(text):
                yield part.removeprefix(_BYTE_ORDER_MARK)
        else:
            yield text


def plain_numbers(found: Sequence[str]) -> list[float] | None:
    """Return the cells of one row as numbers; None if one is missing, or not a valid number."""
    if not _DECIMAL.fullmatch(",".join(found)):
        return None
    try:
        values = [float(cell) for cell in found]
    except ValueError:
        return None
    return values if max(values) < cells.FLOAT32_OVERFLOW > -min(values) else None


def as_matrix(numbers: "array[float]", n_columns: int) -> NDArray[np.float32]:
    """Return the numbers as a float32 matrix of shape (n_rows, n_columns), a copy."""
    return np.frombuffer(numbers, dtype=np.float64).astype(np.float32).reshape(-1, n_columns)
