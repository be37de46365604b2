"""Grammar of delimited text: rows and numbers, parsed fast and carefully."""

import io
import math
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.formats.cells import FLOAT32_OVERFLOW, CellError, number
from container.formats.csv_rows import as_matrix, plain_numbers, read_rows

CELLS = (
    st.text("0123456789.eE+-", max_size=6)
    | st.floats().map(repr)
    | st.text(max_size=4)
    | st.sampled_from(["", " 1", "NA", "1,5", "1_0", "inf", repr(FLOAT32_OVERFLOW), "1e999"])
)


def rows_of(content: bytes, delimiter: str = ",") -> list[tuple[int, list[str]]]:
    """Return all rows of a text."""
    return list(read_rows(io.BytesIO(content), delimiter))


def one_by_one(row: list[str]) -> list[float]:
    """Return the values of the cells of a row, read one by one."""
    return [number(cell, lambda: "") for cell in row]


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
        (b"1,2\n\xef\xbb\xbf3,4\n", [(1, ["1", "2"]), (2, ["3", "4"])]),
        (b'1\n\n\xef\xbb\xbf"3"\n', [(1, ["1"]), (3, ["3"])]),
        (b"1\r\xef\xbb\xbf2\r", [(1, ["1"]), (2, ["2"])]),
        (b"1\r\r2\r\n\r\n\n3", [(1, ["1"]), (3, ["2"]), (6, ["3"])]),
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
    """Any line ending, a byte-order mark, quotes and blank lines are parsed."""
    assert rows_of(content) == rows


def test_cell_that_is_too_long_is_refused() -> None:
    """The message names the row, and the limit of the reader."""
    with pytest.raises(CellError) as caught:
        rows_of(b"1\n" + b"2" * 200_000)

    assert str(caught.value) == "row 2 is not valid CSV (field larger than field limit (131072))"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1\r\n2\r\n\r\n\xc3", "row 4 has the byte 0xc3, which is not UTF-8"),
        (b"1,2\n" * 5000 + b"\x80", "row 5001 has the byte 0x80, which is not UTF-8"),
    ],
)
def test_rows_that_are_not_utf_8_are_refused(content: bytes, message: str) -> None:
    """The message names the byte and its row."""
    with pytest.raises(CellError) as caught:
        rows_of(content)

    assert str(caught.value) == message


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
def test_rows_are_read_with_their_delimiter(delimiter: str) -> None:
    """Only the delimiter separates, and not inside quotes."""
    content = f'"1{delimiter}2"{delimiter}:3\n'.encode()

    assert rows_of(content, delimiter) == [(1, [f"1{delimiter}2", ":3"])]


def test_rows_leave_the_file_open() -> None:
    """The caller that opened a file closes it."""
    content = io.BytesIO(b"1,2\n")

    list(read_rows(content))

    assert not content.closed


@given(st.lists(CELLS, min_size=1, max_size=4))
def test_row_is_read_quickly_as_it_is_read_carefully(row: list[str]) -> None:
    """A row of plain numbers is parsed at once, with the same values as cell by cell."""
    found = plain_numbers(row)

    if found is not None:
        assert found == one_by_one(row)


@pytest.mark.parametrize("row", [["2", "-3e1"], ["4", "+.5"]])
def test_row_of_numbers_is_read_quickly(row: list[str]) -> None:
    """Decimal notation is parsed at once."""
    assert plain_numbers(row) == [float(cell) for cell in row]


@pytest.mark.parametrize(
    "row",
    [
        *(["1", repr(FLOAT32_OVERFLOW)], [repr(-FLOAT32_OVERFLOW), "1"], ["1e999", "-1e999"]),
        *(["1", ""], ["1", "NA"], ["1", "true"], ["1", "x"], ["1", "1_0"]),
    ],
)
def test_other_row_is_not_read_quickly(row: list[str]) -> None:
    """Anything but numbers in the range of a 32-bit float is left to the parser of cells."""
    assert plain_numbers(row) is None


@given(
    st.lists(st.lists(st.floats(width=32, allow_infinity=False), min_size=2, max_size=2)),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([",", ";", "|", "\t"]),
)
def test_written_numbers_are_read_back(
    table: list[list[float]], ending: str, delimiter: str
) -> None:
    """Any delimiter and any line ending give the same numbers, bit for bit."""
    text = "".join(delimiter.join(map(repr, row)) + ending for row in table)
    numbers = array("d")

    for _, found in rows_of(text.encode(), delimiter):
        numbers.extend(plain_numbers(found) or one_by_one(found))

    expected = np.array(table, dtype=np.float32).reshape(-1, 2)
    np.testing.assert_array_equal(as_matrix(numbers, 2), expected)


def test_matrix_is_a_copy_in_float32() -> None:
    """The matrix has the numbers row by row, and does not reference the array."""
    numbers = array("d", [0.1, 2.0, 3.0, math.nan])

    matrix = as_matrix(numbers, 2)
    numbers.append(5.0)

    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, np.array([[0.1, 2], [3, np.nan]], dtype=np.float32))
