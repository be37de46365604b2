"""Dialect of a CSV file: the delimiter of its cells, and the character before its decimals."""

import io
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import BinaryIO

from container.formats import cells, csv_rows
from container.formats.cells import CellError, Notation
from container.hyperparameters.input_options import InputOptions

_HIVE = "\x01"
"""Delimiter that Hive writes."""

DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar", _HIVE: "^A"}
"""Delimiters that are detected, in this order, and their names."""

_WITH_COMMA = (";", "\t", _HIVE)
"""Delimiters of files whose numbers may have a decimal comma, if the job does not say."""

_SAMPLE_LINES = 20
_NAMED = {"tab": "\t", "space": " ", "^A": _HIVE}
_SEP = re.compile(rb"(?:\xef\xbb\xbf)?\"?sep=([^\r\n])\"?\r?\n?")
_MAY_BE_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")


def named(delimiter: str) -> str:
    """Return a delimiter as messages show it."""
    return DELIMITERS.get(delimiter, repr(delimiter))


@dataclass(frozen=True)
class Start:
    """Start of a file whose dialect is known."""

    lines: list[bytes]
    """First lines of the table."""

    n_before: int
    """Number of lines before them."""

    decimals: "Decimals"


def start(stream: BinaryIO, options: InputOptions) -> Start:
    """Read the first lines of a file, and skip Excel's line `sep=;`.

    Raises:
        CellError: the lines can be read in two dialects.
    """
    lines, delimiter = list(islice(stream, _SAMPLE_LINES)), options.delimiter
    delimiter = _NAMED.get(delimiter, delimiter)
    found = _SEP.fullmatch(lines[0]) if lines else None
    if found is not None:
        lines, sep = lines[1:], found[1].decode("latin-1")
        if delimiter not in ("auto", sep):
            raise CellError(
                f"row 1 says that {sep!r} is the delimiter, and the hyperparameter {delimiter!r}",
                "leave the hyperparameter delimiter unset",
            )
        delimiter = sep
    if delimiter == "auto":
        delimiter = _detect(lines, options.notation)
    is_decided = options.decimal != "auto" or delimiter not in _WITH_COMMA
    decimals = Decimals(options.notation, delimiter, is_decided=is_decided)
    return Start(lines, int(found is not None), decimals.in_text(b"".join(lines)))


def _detect(sample: list[bytes], notation: Notation) -> str:
    """Return the delimiter that splits the first rows into the same number of cells, above 1.

    If there are several, it is the one whose cells are numbers, except for one column.

    Raises:
        CellError: more than one delimiter is left.
    """
    rows = {delimiter: rows_of(sample, delimiter) for delimiter in DELIMITERS}
    widths = {delimiter: set(map(len, found)) for delimiter, found in rows.items()}
    found = [delimiter for delimiter, counts in widths.items() if max(counts, default=1) > 1]
    uniform = [delimiter for delimiter in found if len(widths[delimiter]) == 1]
    if _HIVE in uniform:  # which no text has
        return _HIVE
    if len(uniform) > 1:
        readable = [d for d in uniform if _is_readable(rows[d][1:], d, notation)]
        if len(readable) != 1:
            raise CellError(
                f"rows can be split at {' or at '.join(f'{d!r}' for d in uniform)}",
                "set the hyperparameter delimiter to the right one",
            )
        return readable[0]
    return next(iter([*uniform, *found]), ",")


def rows_of(lines: Iterable[bytes], delimiter: str) -> list[list[str]]:
    """Return the rows of some lines that are not blank, up to the first error."""
    rows = []
    with suppress(CellError):  # errors are reported when the rows are read
        for _, found in csv_rows.read_rows(lines, delimiter):
            rows.append(found)
    return rows


def _is_readable(rows: list[list[str]], delimiter: str, notation: Notation) -> bool:
    """Return whether all columns but one, which may be the label, consist of numbers."""
    if delimiter in _WITH_COMMA:
        notation = replace(notation, decimal=Decimals(notation, delimiter).seen(rows).decimal)
    columns = list(zip(*rows, strict=True))
    n_numeric = sum(
        all(cells.is_value(cell, notation) for cell in column)
        and not all(cells.is_missing(cell, notation) for cell in column)
        for column in columns
    )
    return bool(columns) and n_numeric >= len(columns) - 1


@dataclass(frozen=True)
class Decimals:
    """What is known of the decimals in a file whose numbers may have a decimal comma."""

    notation: Notation
    delimiter: str
    has_point: bool = False
    is_decided: bool = False

    @property
    def decimal(self) -> str:
        """Return the character before decimals, as far as is known."""
        return self.notation.decimal

    def in_text(self, text: bytes) -> "Decimals":
        """Return what is known after more whole lines."""
        if self.is_decided or b"," not in text:
            return replace(self, has_point=self.has_point or b"." in text)
        return self.seen(rows_of(io.BytesIO(text), self.delimiter))

    def seen(self, rows: list[list[str]]) -> "Decimals":
        """Return what is known after more rows.

        A comma is decimal if no number has a point, and one of those with a comma cannot be a
        number with a separator of thousands.
        """
        texts = {cell.strip(" \t") for row in rows for cell in row}
        commas = set(filter(cells.has_decimal_comma, texts))
        has_point = self.has_point or any("." in t and cells.is_number(t) for t in texts)
        if not commas:
            return replace(self, has_point=has_point)
        is_comma = not has_point and not all(map(_MAY_BE_THOUSANDS.fullmatch, commas))
        notation = replace(self.notation, decimal="," if is_comma else ".")
        return replace(self, notation=notation, has_point=has_point, is_decided=True)
