"""Collect the rows of a request: parts shared by all decoders."""

from array import array
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from container.formats.cells import CellError, shown
from container.formats.numeric import PIECE_BYTES
from container.payloads import limits
from container.payloads.types import Expected, Rows


class RowError(CellError):
    """A row that cannot be used, while others may be."""

    def __init__(
        self, problem: str, row: int, column: int | str | None = None, remedy: str = ""
    ) -> None:
        super().__init__(problem, remedy, row, column)


class RowCollector:
    """Collects the rows of a request; a bad row is marked, or ends the request.

    The cells are in one array that grows in place, so that the table is in memory only once.
    """

    def __init__(self, expected: Expected, n_bytes: int, *, mark_bad: bool = False) -> None:
        """Prepare for the rows of a body of `n_bytes`."""
        self.n_rows = 0
        self._expected = expected
        self._n_bytes = n_bytes
        self._mark_bad = mark_bad
        self._max_rows = limits.max_rows(n_bytes, expected.n_features, expected.request_bytes)
        self._cells = array("f")
        self._bad = array("q")

    def expect_lines(self, text: bytes, end: int) -> None:
        """Raise PayloadTooLarge if a text has too many lines, before any is read."""
        n_lines = text.count(b"\n", 0, end)  # one less: a line may be a header
        refuse_rows(n_lines, self._n_bytes, self._expected)

    def extend(self, features: NDArray[np.float32]) -> None:
        """Add good rows of shape (n_rows, n_features)."""
        self._count(len(features))
        self._cells.frombytes(np.ascontiguousarray(features).data.cast("B"))

    def append(self, values: Iterable[float]) -> None:
        """Add one good row of n_features numbers in range, NaN where one is missing."""
        self._count(1)
        self._cells.extend(values)

    def refuse(self, error: RowError) -> None:
        """Mark a row as bad; raise the error if bad rows are not marked."""
        if not self._mark_bad:
            raise error
        self._bad.append(self.n_rows)
        self.append([np.nan] * self._expected.n_features)

    def rows(self, order: Sequence[int] | None = None) -> Rows:
        """Return all rows; `order` is the column of each feature in the request.

        Raises:
            CellError: there is no row.
        """
        if not self.n_rows:
            raise CellError("there is no row")
        features = np.frombuffer(self._cells, np.float32).reshape(self.n_rows, -1)
        return Rows(features if order is None else features[:, order], self._bad)

    def _count(self, n_rows: int) -> None:
        self.n_rows += n_rows
        if self.n_rows > self._max_rows:
            refuse_rows(self.n_rows, self._n_bytes, self._expected)


def refuse_rows(n_rows: int, n_bytes: int, expected: Expected) -> None:
    """Raise PayloadTooLarge if a body of `n_bytes` has too many rows."""
    limits.refuse_rows(n_rows, n_bytes, expected.n_features, expected.request_bytes)


def lines_in_pieces(text: bytes, end: int, expected: Expected) -> Iterator[bytes]:
    """Yield the lines of a text in pieces of about PIECE_BYTES, without the last line feed of each.

    Raises:
        RowError: a line is too long for a row of this model.
    """
    start, row = 0, 1
    while start <= end:
        at = text.find(b"\n", start + PIECE_BYTES, end)
        at = end if at < 0 else at
        n_lines = text.count(b"\n", start, at)
        if at - start > PIECE_BYTES + expected.max_row_bytes:
            raise too_long(row + n_lines, expected)
        yield text[start:at]
        start, row = at + 1, row + n_lines + 1


def too_long(row: int, expected: Expected) -> RowError:
    """Return the error for a row of more than `max_row_bytes`."""
    return RowError(f"row {row} has more than {expected.max_row_bytes} bytes", row)


def with_line_feeds(body: bytes) -> bytes:
    """Return a text whose lines end with line feeds only."""
    if b"\r" in body:
        body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return body


def text_of(lines: bytes, first_row: int = 1) -> str:
    """Return lines, the first of which has the number `first_row`, as text.

    Raises:
        RowError: they are not UTF-8.
    """
    try:
        return lines.decode()
    except UnicodeDecodeError as error:
        row = first_row + lines.count(b"\n", 0, error.start)
        byte = lines[error.start]
        raise RowError(f"row {row} has the byte 0x{byte:02x}, which is not UTF-8", row) from error


def column(index: int, names: Sequence[str] | None) -> tuple[str, int | str]:
    """Return the name of a column in a message, and in `RowError.column`."""
    if names is None:
        return f"column {index + 1}", index + 1
    return f"column {index + 1} ({shown(names[index])})", names[index]


def out_of_range(value: float) -> str:
    """Return the problem of a value outside the range of a 32-bit float."""
    infinite = value in (float("inf"), float("-inf"))
    return "infinite" if infinite else f"{value!r}, beyond the range of a 32-bit float"
