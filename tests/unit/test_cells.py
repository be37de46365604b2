"""Grammar of a cell: numbers, missing values, errors."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.formats.cells import (
    DECIMAL_POINT,
    FLOAT32_OVERFLOW,
    CellError,
    as_float32,
    is_boolean,
    is_missing,
    is_number,
    number,
    shown,
)

FLOAT32_MAX = float(np.finfo(np.float32).max)
LARGEST = math.nextafter(FLOAT32_OVERFLOW, 0)
NUMBERS = st.text("0123456789.eE+-", max_size=12) | st.floats().map(repr)


def value_of(cell: str) -> float:
    """Return the value of a cell in row 3, column 2."""
    return number(cell, lambda: "row 3, column 2")


def refusal_of(cell: str) -> str:
    """Return the message about a cell that is refused."""
    with pytest.raises(CellError) as caught:
        value_of(cell)
    return str(caught.value)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1", 1.0),
        ("-1", -1.0),
        ("+1", 1.0),
        (" 5 ", 5.0),
        ("\t1\t", 1.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("007", 7.0),
        ("1e3", 1000.0),
        ("1E+3", 1000.0),
        ("1e-50", 1e-50),
        ("1e-999", 0.0),
        ("0.1", 0.1),
        ("1" + "0" * 30, 1e30),
        (repr(FLOAT32_MAX), FLOAT32_MAX),
        (repr(LARGEST), LARGEST),
        (repr(-LARGEST), -LARGEST),
    ],
)
def test_number_is_read(cell: str, value: float) -> None:
    """Decimal notation is parsed as Python does, ignoring blanks around it."""
    assert value_of(cell) == value


@pytest.mark.parametrize(
    "cell",
    [
        *("", " ", "\t", "NA", "na", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", " nan\t"),
        *("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
        *("<NA>", "#n/a"),
    ],
)
def test_missing_cell_is_read(cell: str) -> None:
    """An empty cell, and the usual words for one, are NaN."""
    assert is_missing(cell)
    assert math.isnan(value_of(cell))


@pytest.mark.parametrize(
    ("cell", "value"),
    [("true", 1), ("TRUE", 1), ("True", 1), ("false", 0), ("FALSE", 0), ("False ", 0)],
)
def test_boolean_is_1_or_0(cell: str, value: float) -> None:
    """Booleans are numbers, in any case."""
    assert is_boolean(cell)
    assert value_of(cell) == value


@pytest.mark.parametrize(
    "cell",
    [
        *("1_000", "0x10", "1e", "e5", ".", "+", "--1", "1 0", "1,5", "?", "1f", "truee", "yes"),
        *("\u0661", "\uff11", "½", "1\0", "\0", "1\n", "\xa01", "\u20091", "\u22121", "t"),
        *("1.2.3", "1e1.5", "1e+", "1'000", "$1", "5%", '"1"', "infinit", "\ufeff1", "-"),
    ],
)
def test_cell_that_is_no_number_is_refused(cell: str) -> None:
    """The message names the place and the cell."""
    assert not is_missing(cell)
    assert refusal_of(cell) == f"row 3, column 2 is {cell!r}, not a number"


@pytest.mark.parametrize("cell", ["inf", "-inf", "+Inf", "Infinity", "-Infinity", " INF "])
def test_infinite_cell_is_refused(cell: str) -> None:
    """Infinity in words is refused."""
    assert refusal_of(cell) == f"row 3, column 2 is {cell!r}, an infinite value"


@pytest.mark.parametrize(
    ("cell", "remedy"),
    [
        *((cell, DECIMAL_POINT) for cell in ("1,5", "-0,25", " +1234,5\t")),
        *((cell, "") for cell in ("1,234.5", "1,", ",5", "1,5,5", "1,5 cm", "x")),
    ],
)
def test_decimal_comma_has_a_remedy(cell: str, remedy: str) -> None:
    """The message about a number with one comma says how to write decimals."""
    with pytest.raises(CellError) as caught:
        number(cell, lambda: "row 3, column 2")

    assert str(caught.value) == f"row 3, column 2 is {cell!r}, not a number"
    assert caught.value.remedy == remedy


@pytest.mark.parametrize(
    "cell", [repr(FLOAT32_OVERFLOW), repr(-FLOAT32_OVERFLOW), "1e39", "-1e999", "9" * 40]
)
def test_number_beyond_float32_is_refused(cell: str) -> None:
    """A value that a 32-bit float rounds to infinity is refused."""
    assert refusal_of(cell) == f"row 3, column 2 is {cell!r}, beyond the range of a 32-bit float"


def test_overflow_begins_where_rounding_gives_infinity() -> None:
    """The largest accepted number is the last that a 32-bit float does not round to infinity."""
    with np.errstate(over="ignore"):
        overflowed = np.float64(FLOAT32_OVERFLOW).astype(np.float32)

    assert np.isinf(overflowed)
    assert np.float64(LARGEST).astype(np.float32) == np.float32(FLOAT32_MAX)


@given(st.text() | NUMBERS)
def test_number_is_what_float_gives_or_missing_or_refused(text: str) -> None:
    """No text has a value other than Python's own."""
    try:
        value = value_of(text)
    except CellError:
        return

    assert math.isnan(value) == is_missing(text)
    if not is_missing(text) and not is_boolean(text):
        assert value == float(text)
        assert is_number(text.strip(" \t"))
    assert not math.isinf(value)


@given(NUMBERS)
def test_number_in_plain_notation_is_never_refused_in_range(text: str) -> None:
    """Any number that Python parses from digits, signs, points and exponents is accepted."""
    try:
        expected = float(text)
    except ValueError:
        expected = math.nan
    if abs(expected) < FLOAT32_OVERFLOW:
        assert value_of(text) == expected


def test_matrix_becomes_float32() -> None:
    """Values are rounded as numpy rounds them, and NaN stays."""
    values = np.array([[0.1, math.nan], [LARGEST, -1e-50]])

    found = as_float32(values, 1, str)

    assert found.dtype == np.float32
    np.testing.assert_array_equal(
        found, np.array([[np.float32(0.1), np.nan], [FLOAT32_MAX, 0]], dtype=np.float32)
    )


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (math.inf, "infinite"),
        (-math.inf, "infinite"),
        (1e39, "1e+39, beyond the range of a 32-bit float"),
        (-FLOAT32_OVERFLOW, f"{-FLOAT32_OVERFLOW!r}, beyond the range of a 32-bit float"),
    ],
)
def test_matrix_beyond_float32_is_refused(value: float, problem: str) -> None:
    """The message names row and column of the first such value."""
    values = np.array([[1.0, math.nan], [2.0, value], [value, 3.0]])

    with pytest.raises(CellError) as caught:
        as_float32(values, 10, lambda index: f"column {index + 1} ('b')")

    assert str(caught.value) == f"row 11, column 2 ('b') is {problem}"


@pytest.mark.parametrize(
    ("cell", "text"),
    [("a", "'a'"), ("it's", '"it\'s"'), ("\0", "'\\x00'"), ("x" * 40, repr("x" * 40))],
)
def test_cell_is_shown_quoted(cell: str, text: str) -> None:
    """A cell in a message is the Python text of it."""
    assert shown(cell) == text


def test_long_cell_is_shown_short() -> None:
    """A cell of more than 40 characters is cut."""
    assert shown("x" * 41) == repr("x" * 40 + "...")
