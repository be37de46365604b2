"""CSV: one row a line, with or without a header, without a label."""

import io
import re
from codecs import BOM_UTF8

from container.formats import cells, csv_rows, numeric
from container.formats.cells import CellError
from container.payloads.decoders import naming
from container.payloads.decoders.collector import RowCollector, RowError, column
from container.payloads.types import Expected, Rows

_LINE_FEED = ord("\n")
_ROW = re.compile(r"row ([0-9]+)")
_NAME = re.compile(r"[^\W\d]")
_INFINITE = re.compile(r"inf(inity)?", re.IGNORECASE)


def remedy(expected: Expected) -> str:
    """Return what to do about a body that cannot be read."""
    count = f"{expected.n_features} number{'s' * (expected.n_features != 1)}"
    return f"send one row a line: {count} with commas between, no header, no label"


def decode(body: bytes, expected: Expected, mark_bad: bool) -> Rows:
    """Return the rows of a body of CSV.

    Its first line is a header when it has the names of the training, in any order. Names that are
    all numbers are a header in the order of training alone, as else they may be a row of data.

    Raises:
        CellError: the body is no CSV, or not of this model's features.
    """
    return _rows(body, expected, mark_bad, may_have_header=True)


def decode_headed(body: bytes, expected: Expected, mark_bad: bool) -> Rows:
    """Return the rows of a body of CSV that is said to have a header; as `decode`.

    Of the parts of a file only the first has it, so that it may be absent all the same.

    Raises:
        CellError: as `decode`; or features have no names here.
    """
    if expected.names is None:
        raise CellError(
            f"there is a header, as the content type says, but {naming.NO_NAMES}",
            "send rows alone, and header=absent",
        )
    return decode(body, expected, mark_bad)


def decode_headless(body: bytes, expected: Expected, mark_bad: bool) -> Rows:
    """Return the rows of a body of CSV whose first line is known to be data; as `decode`."""
    return _rows(body, expected, mark_bad, may_have_header=False)


def _rows(body: bytes, expected: Expected, mark_bad: bool, *, may_have_header: bool) -> Rows:
    text = _with_line_feeds(body)
    end = _end(text, expected.n_features)
    may_be_names = may_have_header and expected.names and cells.is_number(expected.names[0])
    if end <= numeric.PIECE_BYTES and not may_be_names:
        features = numeric.of_lines(text[:end], expected.n_features)
        if features is not None:
            return Rows(features)
    reader = _Reader(text, end, expected, mark_bad)
    if not may_be_names:
        reader.read_plain()
    if reader.position == 0 and may_have_header:
        reader.read_header()
        reader.read_plain()
    reader.read_any()
    return reader.collected.rows(reader.order)


def _with_line_feeds(body: bytes) -> bytes:
    if b"\r" in body:
        body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return body.removeprefix(BOM_UTF8)


def _end(text: bytes, n_features: int) -> int:
    """Return where the last row ends; a large text is not copied to cut off what follows it."""
    end = len(text)
    while end and text[end - 1] == _LINE_FEED:
        end -= 1
        if n_features == 1:  # a blank line is a row of one cell, which is missing
            break
    return end


class _Reader:
    """Reads a body from its start to its end, quickly as long as it has plain numbers alone."""

    def __init__(self, text: bytes, end: int, expected: Expected, mark_bad: bool) -> None:
        self.collected = RowCollector(expected, mark_bad)
        self.position = 0
        self.order: list[int] | None = None
        self._names: list[str] | None = None
        self._text = text
        self._end = end
        self._expected = expected

    def read_plain(self) -> None:
        """Read on up to the first piece of the body that needs a closer look."""
        while self.position < self._end:
            end = self._text.find(b"\n", self.position + numeric.PIECE_BYTES, self._end)
            end = self._end if end < 0 else end
            piece = self._text[self.position : end]
            features = numeric.of_lines(piece, self._expected.n_features)
            if features is None:
                return
            self.collected.extend(features)
            self.position = min(end + 1, self._end)

    def read_header(self) -> None:
        """Read the first row if it is a header; raises CellError when it has other names."""
        stream = io.BytesIO(self._text)
        try:
            row, found = next(csv_rows.read_rows(stream), (0, []))
        except CellError:
            return  # told of when rows are read
        names = [cell.strip(" \t") for cell in found]
        if row != 1 or not _is_header(names, self._expected):
            return
        if self._expected.names is None:
            problem = f"row 1 looks like a header, but {naming.NO_NAMES}"
            raise RowError(problem, 1)
        try:
            self.order = naming.order(names, self._expected, "row 1, a header,")
        except CellError as error:
            raise RowError(str(error), 1, remedy=error.remedy) from error
        self._names, self.position = names, stream.tell()

    def read_any(self) -> None:
        """Read all the rest, row by row."""
        before = self.collected.n_rows + (self._names is not None)
        last = before
        stream = io.BytesIO(self._text[self.position : self._end])
        try:
            for row, found in csv_rows.read_rows(stream):
                for blank in range(last + 1, before + row):
                    self.collected.refuse(RowError(f"row {blank} is blank", blank))
                last = before + row
                self._read_row(last, found)
            for blank in range(last + 1, before + self._n_lines() + 1):
                self.collected.refuse(RowError(f"row {blank} is blank", blank))
        except RowError:
            raise
        except CellError as error:
            raise _moved(error, before) from error

    def _n_lines(self) -> int:
        """Return how many lines are left, the last of which may be blank."""
        rest = self._text[self.position : self._end]
        return rest.count(b"\n") + 1 if rest else 0

    def _read_row(self, row: int, found: list[str]) -> None:
        if any("\n" in cell for cell in found):  # it would make fewer rows than there are lines
            raise RowError(f"row {row} has a line break within quotes", row)
        numbers = self.collected.numbers
        n_before = len(numbers)
        if len(found) != self._expected.n_features:
            self.collected.refuse(RowError(f"row {row} has {len(found)} cells", row))
            return
        try:
            csv_rows.append_numbers(numbers, row, found)
        except CellError:
            del numbers[n_before:]
            self.collected.refuse(self._problem(row, found))
        else:
            self.collected.n_rows += 1

    def _problem(self, row: int, found: list[str]) -> RowError:
        """Return what is wrong with a row that has a cell that is no number."""
        for index, cell in enumerate(found):
            where, name = column(index, self._names)
            place = f"row {row}, {where}"
            try:
                cells.number(cell, place.__str__)
            except CellError as error:
                return RowError(str(error), row, name)
        raise AssertionError(found)


def _is_header(names: list[str], expected: Expected) -> bool:
    """Say whether a row holds names: those of the training, or others."""
    trained = set(expected.names or ())
    if names == list(expected.names or ()):
        return True
    if set(names) == trained:
        return not all(map(cells.is_number, names))
    if any(cells.is_number(name) or cells.is_missing(name) for name in names):
        return False
    return any(name in trained for name in names) or all(map(_looks_like_name, names))


def _looks_like_name(text: str) -> bool:
    return _NAME.match(text) is not None and _INFINITE.fullmatch(text) is None


def _moved(error: CellError, by: int) -> CellError:
    """Return an error of the rest of a body with the number that the row has in all of it."""
    text = str(error)
    match = _ROW.match(text)
    if match is None:
        return error
    row = int(match[1]) + by
    return RowError(f"row {row}{text[match.end() :]}", row)
