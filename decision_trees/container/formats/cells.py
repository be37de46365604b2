"""Grammar of a cell, the same in every format: a number, a boolean, missing, or an error."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

MISSING = frozenset(
    {"", "#n/a", "#n/a n/a", "#na", "-1.#ind", "-1.#qnan", "-nan", "1.#ind", "1.#qnan", "<na>"}
    | {"n/a", "na", "nan", "none", "null"}
)
"""Texts that represent a missing cell, in lower case: those that pandas takes by default.

Source: https://pandas.pydata.org/docs/reference/api/pandas.read_csv.html
"""

BOOLEANS = {"true": 1.0, "false": 0.0}
"""Values of booleans, by their texts in lower case."""

_BLANKS = (
    " \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u200c\u200d\u200e\u200f"
)
"""Blanks of Unicode, and the characters without width that programs leave at the ends of text."""

FLOAT32_OVERFLOW = 2.0**128 - 2.0**103
"""Smallest value that a 32-bit float rounds to infinity."""

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
DECIMAL_POINT = "write decimals with a point"
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)


@dataclass(frozen=True)
class Notation:
    """Notation of the cells of a table, in addition to the one that every table may have."""

    na_values: frozenset[str] = frozenset()
    """Texts that represent a missing cell, in lower case."""

    decimal: str = "."
    """Character before the decimals of a number: a point or a comma."""

    @cached_property
    def na_numbers(self) -> NDArray[np.float32]:
        """Numbers that represent a missing cell, in every format."""
        return np.array([float(text) for text in self.na_values if is_number(text)], np.float32)

    def with_missing(self, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return numbers with NaN for those that represent a missing cell."""
        if not len(self.na_numbers):
            return numbers
        return np.where(np.isin(numbers, self.na_numbers), np.float32(np.nan), numbers)


PLAIN = Notation()


class CellError(ValueError):
    """A table that cannot be used; the message has the place and the problem, and no full stop.

    `remedy` is what to do, if that is not simply to correct the cell. `row` and `column` are the
    place, if it is known: they count from 1, or a column has a name.
    """

    def __init__(
        self,
        problem: str,
        remedy: str = "",
        row: int | None = None,
        column: int | str | None = None,
    ) -> None:
        super().__init__(problem)
        self.remedy = remedy
        self.row = row
        self.column = column


def is_number(text: str) -> bool:
    """Return whether a text is a number in decimal notation, without blanks."""
    return _NUMBER.fullmatch(text) is not None


def is_boolean(text: str) -> bool:
    """Return whether a text is `true` or `false`, in upper or lower case."""
    return text.strip(" \t").lower() in BOOLEANS


def is_value(text: str, notation: Notation = PLAIN) -> bool:
    """Return whether a cell of text is a number, a boolean or missing."""
    is_written = is_number(_with_point(text.strip(" \t"), notation.decimal))
    return is_written or is_boolean(text) or is_missing(text, notation)


def has_decimal_comma(text: str) -> bool:
    """Return whether a text is a number with a decimal comma."""
    return _DECIMAL_COMMA.fullmatch(text) is not None


def stripped(text: str) -> str:
    """Return a name or a class label without blanks at its ends, which distinguish no names."""
    return text.strip(_BLANKS)


def is_missing(text: str, notation: Notation = PLAIN) -> bool:
    """Return whether a text represents a missing cell."""
    found = stripped(text).lower()
    return found in MISSING or found in notation.na_values


def _with_point(text: str, decimal: str) -> str:
    """Return a number with a decimal point; one that has another decimal is no number then."""
    return text if decimal == "." else text.replace(".", "?").replace(decimal, ".")


def number(cell: str, where: Callable[[], str], notation: Notation = PLAIN) -> float:
    """Return the value of a cell of text: 1 or 0 for a boolean, NaN if it is missing.

    `where` returns the place of the cell for the message, such as "row 3, column 2".

    Raises:
        CellError: the cell is not a number, infinite, or too large for a 32-bit float.
    """
    text = cell.strip(" \t")
    written = _with_point(text, notation.decimal)
    if is_number(written):
        value = float(written)
        if abs(value) >= FLOAT32_OVERFLOW:
            raise CellError(f"{where()} is {shown(cell)}, beyond the range of a 32-bit float")
        return value
    if text.lower() in MISSING or text.lower() in notation.na_values:
        return float("nan")
    if text.lower() in BOOLEANS:
        return BOOLEANS[text.lower()]
    problem = "an infinite value" if _INFINITE.fullmatch(text) else "not a number"
    remedy = DECIMAL_POINT if has_decimal_comma(text) else ""
    raise CellError(f"{where()} is {shown(cell)}, {problem}", remedy)


def as_float32(
    values: NDArray[np.float64], first_row: int, name: Callable[[int], str]
) -> NDArray[np.float32]:
    """Return a matrix as float32, NaN where it is NaN.

    Args:
        values: shape (n_rows, n_columns).
        first_row: number of the first row in its file, for the message.
        name: returns the name of a column by its index, for the message, such as "column 2".

    Raises:
        CellError: a value is infinite, or too large for a 32-bit float.
    """
    wrong = np.abs(values) >= FLOAT32_OVERFLOW
    if wrong.any():
        row, column = (int(i) for i in np.unravel_index(wrong.argmax(), wrong.shape))
        value = float(values[row, column])
        problem = (
            "infinite" if np.isinf(value) else f"{value!r}, beyond the range of a 32-bit float"
        )
        raise CellError(f"row {first_row + row}, {name(column)} is {problem}")
    with np.errstate(invalid="ignore"):  # a signaling NaN is missing like any other
        return values.astype(np.float32)


def shown(cell: str, most: int = 40) -> str:
    """Return a cell as it is shown in a message: quoted, and cut to `most` characters."""
    return repr(cell if len(cell) <= most else f"{cell[:most]}...")
