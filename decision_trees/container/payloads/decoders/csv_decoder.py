"""Decode CSV: one row a line, with or without a header, without a label.

A body is parsed at most twice. `numeric` parses plain numbers; from the first piece that it
rejects on, the csv module parses row by row, and finds the row and the column of an error.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from functools import partial
from itertools import count

from container.formats import cells, csv_rows, numeric
from container.formats.cells import CellError
from container.payloads.decoders import naming
from container.payloads.decoders.collector import (
    RowCollector,
    RowError,
    column,
    too_long,
    with_line_feeds,
)
from container.payloads.types import Expected, Rows

_DECIMAL = b"0123456789.eE+-, \t"
"""Characters of numbers, and of the blanks and commas between them."""

_BLANK = (b"", BOM_UTF8)
"""Lines without a cell: `csv_rows` ignores a byte-order mark."""

_MANY_LINE_FEEDS = b"\n" * 4096

_NAME = re.compile(r"[^\W\d]")
_INFINITE = re.compile(r"inf(inity)?", re.IGNORECASE)


def remedy(expected: Expected) -> str:
    """Return what to send in place of a body that cannot be read."""
    count = f"{expected.n_features} number{'s' * (expected.n_features != 1)}"
    return f"send one row a line: {count} with commas between, no header, no label"


def decode(body: bytes, expected: Expected, mark_bad: bool) -> Rows:
    """Return the rows of a CSV body.

    The first line is a header if it has the names of the training, in any order. Names that are
    all numbers are a header only in the order of training, because they may be a row of data.

    Raises:
        CellError: the body is not CSV, or its rows do not have this model's features.
    """
    return _rows(body, expected, mark_bad, may_have_header=True)


def decode_headed(body: bytes, expected: Expected, mark_bad: bool) -> Rows:
    """Return the rows of a CSV body whose content type says header=present, as `decode`.

    The header may be absent all the same: if a file is split, only the first part has it.

    Raises:
        CellError: as `decode`, or the features have no names.
    """
    if expected.names is None:
        raise CellError(
            f"there is a header, as the content type says, but {naming.NO_NAMES}",
            "send only rows, and header=absent",
        )
    return decode(body, expected, mark_bad)


def decode_headless(body: bytes, expected: Expected, mark_bad: bool) -> Rows:
    """Return the rows of a CSV body whose content type says header=absent, as `decode`."""
    return _rows(body, expected, mark_bad, may_have_header=False)


def _rows(body: bytes, expected: Expected, mark_bad: bool, *, may_have_header: bool) -> Rows:
    text = with_line_feeds(body).removeprefix(BOM_UTF8)
    end = _end(text, expected.n_features)
    is_plain = not (may_have_header and _may_start_with_header(text, end, expected))
    if is_plain and end <= numeric.PIECE_BYTES:
        features = numeric.of_lines(text[:end], expected.n_features)
        if features is not None:
            return Rows(features)
        is_plain = False
    collected = RowCollector(expected, len(body), mark_bad=mark_bad)
    collected.expect_lines(text, end)
    reader = _Reader(text, end, expected, collected, may_have_header=may_have_header)
    return reader.rows(is_plain=is_plain)


def _may_start_with_header(text: bytes, end: int, expected: Expected) -> bool:
    """Return whether the first line is a header, too long, or has characters that no number has."""
    line_end = text.find(b"\n", 0, end)
    line = text[: min(end if line_end < 0 else line_end, expected.max_row_bytes + 1)]
    if len(line) > expected.max_row_bytes or line.translate(None, _DECIMAL):
        return True
    names = expected.names
    if not names or names[0].encode().translate(None, _DECIMAL):
        return False
    return _is_header(line.decode().split(","), expected)


class _Reader:
    """Reads a body from start to end; each byte is read once as plain numbers, once carefully."""

    def __init__(
        self,
        text: bytes,
        end: int,
        expected: Expected,
        collected: RowCollector,
        *,
        may_have_header: bool,
    ) -> None:
        self._text = text
        self._end = end
        self._position = 0 if end else 1
        """Where the next line starts; a blank one may start at the end of the text."""

        self._expected = expected
        self._may_have_header = may_have_header
        self._names: list[str] | None = None
        self._used: list[int] | None = None
        """Index of the cells of each row to read; None for all of them."""

        self._n_cells = expected.n_features
        self._order: list[int] | None = None
        self._collected = collected
        self._row_bytes = 0
        """Size of the lines of the current row that were read carefully."""

    def rows(self, *, is_plain: bool) -> Rows:
        """Read the body; raise CellError if it cannot be used.

        `is_plain` is whether it may start with plain numbers, which have not been looked for yet.
        """
        if is_plain:
            self._read_plain()
        while self._position <= self._end:
            if self._read_carefully():
                self._read_plain()
        return self._collected.rows(self._order)

    def _read_plain(self) -> None:
        """Read up to the first piece that is anything but plain numbers."""
        text, end = self._text, self._end
        while self._position <= end:
            at = text.find(b"\n", self._position + numeric.PIECE_BYTES, end)
            at = end if at < 0 else at
            if at - self._position > numeric.PIECE_BYTES + self._expected.max_row_bytes:
                return
            features = numeric.of_lines(text[self._position : at], self._expected.n_features)
            if features is None:
                return
            self._collected.extend(features)
            self._position = at + 1

    def _read_carefully(self) -> bool:
        """Read only the header and return True, or read all rows that are left."""
        first = self._collected.n_rows + (self._names is not None)
        for row, found in csv_rows.read_rows(self._lines(first + 1), before=first):
            self._row_bytes = 0
            if row == 1 and self._may_have_header and self._take_header(found):
                return True
            self._read_row(row, found)
        return False

    def _lines(self, first: int) -> Iterator[bytes]:
        """Yield the lines that are left, the first of which has the number `first`.

        Blank lines are refused here, because `read_rows` skips them.

        Raises:
            RowError: a line is blank, or a row is too long.
        """
        for row in count(first):
            if self._position > self._end:
                return
            at = self._text.find(b"\n", self._position, self._end)
            at = self._end if at < 0 else at
            if self._row_bytes + at - self._position > self._expected.max_row_bytes:
                raise too_long(row, self._expected)
            line = self._text[self._position : at]
            self._position = at + 1
            if not self._row_bytes and line in _BLANK:
                self._collected.refuse(RowError(f"row {row} is blank", row))
            else:
                self._row_bytes += len(line)
            yield line + b"\n"

    def _take_header(self, found: list[str]) -> bool:
        """Return whether the first row is a header; raise CellError if it has other names."""
        if not _is_header(found, self._expected):
            return False
        if self._expected.names is None:
            raise RowError(f"row 1 looks like a header, but {naming.NO_NAMES}", 1)
        try:
            self._used = self._expected.used_names(found)
            names = naming.part(found, self._used)
            self._order = naming.order(names, self._expected.names, "row 1, a header,")
        except CellError as error:
            raise RowError(str(error), 1, remedy=error.remedy) from error
        self._names = naming.compared(found, self._expected.names)
        self._n_cells = len(found)
        return True

    def _read_row(self, row: int, found: list[str]) -> None:
        # A line break within a cell would give the response fewer rows than the body has lines.
        if any("\n" in cell for cell in found):
            raise RowError(f"row {row} has a line break within quotes", row)
        try:
            self._collected.append(self._numbers(row, found))
        except RowError as error:
            self._collected.refuse(error)

    def _numbers(self, row: int, found: list[str]) -> list[float]:
        """Return the numbers of one row, NaN where one is missing; raise RowError."""
        used = self._expected.used(len(found)) if self._names is None else self._used
        if len(found) != self._n_cells and (used is None or self._names is not None):
            raise RowError(f"row {row} has {len(found)} cells", row)
        numbers = csv_rows.plain_numbers(naming.part(found, used))
        if numbers is not None:
            return numbers
        return [self._number(row, i, found[i]) for i in used or range(len(found))]

    def _number(self, row: int, index: int, cell: str) -> float:
        try:
            where = partial(_place, row, index, self._names)
            return cells.number(cell, where, self._expected.notation)
        except CellError as error:
            raise RowError(str(error), row, column(index, self._names)[1]) from error


def _place(row: int, index: int, names: list[str] | None) -> str:
    return f"row {row}, {column(index, names)[0]}"


def _end(text: bytes, n_features: int) -> int:
    """Return where the last row ends; a large text is not copied to cut off what follows it."""
    end = len(text)
    while n_features > 1 and text.endswith(_MANY_LINE_FEEDS, 0, end):
        end -= len(_MANY_LINE_FEEDS)
    while text.endswith(b"\n", 0, end):
        end -= 1
        if n_features == 1:  # a blank line is a row of one cell, which is missing
            break
    return end


def _is_header(found: list[str], expected: Expected) -> bool:
    """Return whether a row consists of names: those of the training, or others."""
    trained = set(expected.names or ())
    names = naming.compared(naming.part(found, expected.used_names(found)), trained)
    if names == list(expected.names or ()):
        return True
    if set(names) == trained:
        return not all(map(cells.is_number, names))
    if any(cells.is_value(name, expected.notation) for name in names):
        return False
    return any(name in trained for name in names) or all(map(_looks_like_name, names))


def _looks_like_name(text: str) -> bool:
    return _NAME.match(text) is not None and _INFINITE.fullmatch(text) is None
