"""Comma-separated text: the grammar of rows, cells and numbers."""

import io
import math
from array import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container.delimited import (
    CellError,
    append_numbers,
    as_matrix,
    is_number,
    read_rows,
    shown,
)

FLOAT32_MAX = float(np.finfo(np.float32).max)
HALFWAY = 2.0**128 - 2.0**103
"""Halfway from the largest float32 to the next that there would be; it rounds to infinity."""


def rows_of(content: bytes) -> list[tuple[int, list[str]]]:
    """Return all rows of a text."""
    return list(read_rows(io.BytesIO(content)))


def number_of(cell: str) -> float:
    """Return the number that a cell stands for."""
    numbers = array("d")
    append_numbers(numbers, [cell], row=3, first=2)
    return numbers[0]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"", []),
        (b"\xef\xbb\xbf", []),
        (b"\n\r\n", []),
        (b"1,2\n3,4\n", [(1, ["1", "2"]), (2, ["3", "4"])]),
        (b"1,2\n3,4", [(1, ["1", "2"]), (2, ["3", "4"])]),
        (b"1,2\r\n3,4\r\n", [(1, ["1", "2"]), (2, ["3", "4"])]),
        (b"1,2\r3,4\r", [(1, ["1", "2"]), (2, ["3", "4"])]),
        (b"1,2\r\n3,4\n5,6\r7,8", [(n, [str(2 * n - 1), str(2 * n)]) for n in (1, 2, 3, 4)]),
        (b"\xef\xbb\xbf1,2\n", [(1, ["1", "2"])]),
        (b'\xef\xbb\xbf"1",2\n', [(1, ["1", "2"])]),
        (b"1\n\n\n2\n\n", [(1, ["1"]), (4, ["2"])]),
        (b" \n,\n", [(1, [" "]), (2, ["", ""])]),
        (b'"a, b",1\n"c\nd",2\n', [(1, ["a, b", "1"]), (2, ["c\nd", "2"])]),
        (b'"c\r\nd",1\n', [(1, ["c\r\nd", "1"])]),
        (b'"say ""a""",1\n', [(1, ['say "a"', "1"])]),
        (b'a"b,1\n', [(1, ['a"b', "1"])]),
        ("é,1\n".encode(), [(1, ["é", "1"])]),
        (b"1;2\t3\n", [(1, ["1;2\t3"])]),
    ],
)
def test_rows_are_read(content: bytes, rows: list[tuple[int, list[str]]]) -> None:
    """Any line ending, a byte-order mark, quotes and blank lines are read as they are meant."""
    assert rows_of(content) == rows


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'1\n"2\n3\n', "row 2 is not valid CSV (unexpected end of data)"),
        (b'1\n"2"3\n', "row 2 is not valid CSV (',' expected after '\"')"),
        (
            b"1\n" + b"2" * 200_000,
            "row 2 is not valid CSV (field larger than field limit (131072))",
        ),
    ],
)
def test_rows_that_are_no_csv_are_refused(content: bytes, message: str) -> None:
    """The message names the row and what the reader says of it."""
    with pytest.raises(CellError) as caught:
        rows_of(content)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff1,2\n", "row 1 has the byte 0xff, which is not UTF-8"),
        (b"1,2\n3,\xe94\n", "row 2 has the byte 0xe9, which is not UTF-8"),
        (b"1\r\n2\r\n\r\n\xc3", "row 4 has the byte 0xc3, which is not UTF-8"),
        (b"1,2\n" * 5000 + b"\x80", "row 5001 has the byte 0x80, which is not UTF-8"),
        ("1,2\n".encode("utf-16"), "row 1 has the byte 0xff, which is not UTF-8"),
    ],
)
def test_rows_that_are_not_utf_8_are_refused(content: bytes, message: str) -> None:
    """The message names the byte, and the row that it comes after."""
    with pytest.raises(CellError) as caught:
        rows_of(content)

    assert str(caught.value) == message


def test_rows_leave_the_file_open() -> None:
    """Whoever opened a file closes it."""
    content = io.BytesIO(b"1,2\n")

    list(read_rows(content))

    assert not content.closed


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1", 1.0),
        ("-1", -1.0),
        ("+1", 1.0),
        (" 1 ", 1.0),
        ("\t1\t", 1.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("007", 7.0),
        ("1e3", 1000.0),
        ("1E+3", 1000.0),
        ("1e-50", 1e-50),
        ("0.1", 0.1),
        ("1" + "0" * 30, 1e30),
        (repr(FLOAT32_MAX), FLOAT32_MAX),
        (repr(-FLOAT32_MAX), -FLOAT32_MAX),
        (repr(math.nextafter(HALFWAY, 0)), math.nextafter(HALFWAY, 0)),
    ],
)
def test_number_is_read(cell: str, number: float) -> None:
    """Decimal notation is read as Python reads it, blanks around it do not count."""
    assert number_of(cell) == number


@pytest.mark.parametrize(
    "cell", ["", " ", "\t", "NA", "na", "N/A", "NaN", "nan", "null", "NULL", "None", " nan "]
)
def test_missing_cell_is_read(cell: str) -> None:
    """An empty cell, and the words that are in use for one, are NaN."""
    assert math.isnan(number_of(cell))


@pytest.mark.parametrize(
    "cell",
    [
        *("inf", "-inf", "Infinity", "1_000", "0x10", "1e", "e5", ".", "+", "--1", "1 0", "1,5"),
        *(
            "\u0661",
            "\uff11",
            "½",
            "1\0",
            "\0",
            "1\n",
            "\xa01",
            "\u20091",
            "-nan",
            "+",
            "#N/A",
            "?",
            "1f",
        ),
        *("true", "1.2.3", "1e1.5", "1e+", "1'000", "$1", "5%", "\u22121", '"1"'),
    ],
)
def test_cell_that_is_no_number_is_refused(cell: str) -> None:
    """The message names row, column and cell."""
    with pytest.raises(CellError) as caught:
        number_of(cell)

    assert str(caught.value) == f"row 3, column 2 is {cell!r}, not a number"


@pytest.mark.parametrize(
    "cell", [repr(HALFWAY), repr(-HALFWAY), "1e39", "1e999", "-1e999", "9" * 40]
)
def test_number_beyond_float32_is_refused(cell: str) -> None:
    """What a 32-bit float can only hold as infinity is refused."""
    with pytest.raises(CellError) as caught:
        number_of(cell)

    assert str(caught.value) == f"row 3, column 2 is {cell!r}, beyond the range of a 32-bit float"


def test_numbers_of_a_row_are_appended_in_order() -> None:
    """What was there before stays."""
    numbers = array("d", [1.0])

    append_numbers(numbers, ["2", "3"], row=1, first=1)

    assert numbers.tolist() == [1.0, 2.0, 3.0]


def test_column_counts_from_the_first() -> None:
    """The column in a message is that of the file."""
    with pytest.raises(CellError, match=r"^row 9, column 4 is 'x', not a number$"):
        append_numbers(array("d"), ["1", "2", "x"], row=9, first=2)


@given(st.text())
@settings(deadline=None, max_examples=300)
def test_number_is_what_float_reads_too(text: str) -> None:
    """Whatever the grammar takes, Python takes, and it is ASCII without blanks."""
    if is_number(text):
        assert not math.isnan(float(text))
        assert text.isascii()
        assert text == text.strip()


def test_matrix_is_a_copy_in_float32() -> None:
    """The matrix has the numbers row by row, and does not keep the array."""
    numbers = array("d", [0.1, 2.0, 3.0, math.nan])

    matrix = as_matrix(numbers, 2)
    numbers.append(5.0)

    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, np.array([[0.1, 2], [3, np.nan]], dtype=np.float32))


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
