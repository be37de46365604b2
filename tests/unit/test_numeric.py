"""Plain numbers: parsed at once with the same values as cell by cell, or rejected."""

import io
import json
import math
from array import array
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from container.formats import cells, csv_rows, numeric
from container.formats.cells import FLOAT32_OVERFLOW, CellError
from support.processes import python

Matrix = NDArray[np.float32]

CELLS = (
    st.text("0123456789.eE+-", min_size=1, max_size=6)
    | st.floats().map(repr)
    | st.integers(-(2**70), 2**70).map(str)
    | st.sampled_from(["", "-0", "0", "-0.0", "007", "+1", ".5", "5.", "1_000", "nan", "inf"])
    | st.sampled_from(["0x10", "1e999", "1e-999", "9e99", "-9e99", "[1]", "{}", " 1", "2\t", " "])
    | st.sampled_from(['"1"', "null", "true", repr(FLOAT32_OVERFLOW), "3.4028235e38", "1e38"])
)
PIECES = [b",", b"\n", b",,", b"[", b"]", b"-", b"null", b" ", b"\r", b"0", b'"', b"\xff", b"\0"]


@st.composite
def mutilated(draw: st.DrawFn, text: bytes) -> bytes:
    """Draw a text in which some bytes may be replaced, inserted or removed."""
    for _ in range(draw(st.integers(0, 2))):
        start = draw(st.integers(0, len(text)))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=2))
        text = text[:start] + piece + text[start + draw(st.integers(0, 2)) :]
    return text


@st.composite
def tables(draw: st.DrawFn, cells: st.SearchStrategy[str] = CELLS) -> tuple[list[list[str]], int]:
    """Draw rows of cells, and the number of cells that all or most of them have."""
    width = draw(st.integers(1, 4))
    size = st.just(width) | st.integers(1, 4)
    rows = st.lists(size.flatmap(lambda n: st.lists(cells, min_size=n, max_size=n)), min_size=1)
    return draw(rows), width


def carefully_by_lines(text: bytes, n_columns: int) -> Matrix | None:
    """Return the rows of a text, parsed cell by cell; None if a cell is invalid."""
    values = array("d")
    try:
        rows = list(csv_rows.read_rows(io.BytesIO(text)))
        for _, found in rows:
            values.extend(cells.number(cell, str) for cell in found)
    except CellError:
        return None
    if len(rows) != text.count(b"\n") + 1 or {len(found) for _, found in rows} != {n_columns}:
        return None
    return csv_rows.as_matrix(values, n_columns)


def carefully_by_lists(text: bytes, n_columns: int) -> Matrix | None:
    """Return the rows of lists as the standard library parses them; None if one is invalid."""
    try:
        rows: Any = json.loads(b"[%b]" % text, parse_int=float, parse_constant=str)
    except ValueError:
        return None
    cells = [cell for row in rows for cell in (row if isinstance(row, list) else [""])]
    if not rows or {len(row) if isinstance(row, list) else 0 for row in rows} != {n_columns}:
        return None
    if not {type(cell) for cell in cells} <= {float, type(None)}:
        return None
    values = [math.nan if cell is None else float(cell) for cell in cells]
    if any(abs(value) >= FLOAT32_OVERFLOW for value in values):
        return None
    return np.array(values, dtype=np.float32).reshape(-1, n_columns)


def assert_equal(found: Matrix, expected: Matrix | None) -> None:
    """Compare two matrices, including the sign of each zero."""
    assert expected is not None
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    there = ~np.isnan(expected)
    assert found[there].tobytes() == expected[there].tobytes()


@given(st.data())
def test_lines_are_read_at_once_as_they_are_read_cell_by_cell(data: st.DataObject) -> None:
    """Accepted text has the value of each cell; text with an error is never accepted."""
    rows, width = data.draw(tables())
    text = data.draw(mutilated("\n".join(map(",".join, rows)).encode()))

    found = numeric.of_lines(text, width)

    if found is not None:
        assert_equal(found, carefully_by_lines(text, width))


@given(st.data())
def test_lists_are_read_at_once_as_the_standard_library_reads_them(data: st.DataObject) -> None:
    """Accepted text has the value of each number; text that is not JSON is never accepted."""
    rows, width = data.draw(tables())
    text = data.draw(mutilated(",".join(f"[{','.join(row)}]" for row in rows).encode()))

    found = numeric.of_lists(text, width)

    if found is not None:
        assert_equal(found, carefully_by_lists(text, width))


@given(tables(st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr) | st.just("")))
def test_numbers_and_missing_cells_are_taken(table: tuple[list[list[str]], int]) -> None:
    """Text that `repr` writes is accepted, with missing cells anywhere."""
    rows, width = table
    rows = [[*row, *["1"] * width][:width] for row in rows]
    lists = ",".join(f"[{','.join(cell or 'null' for cell in row)}]" for row in rows).encode()
    expected = np.array([[cell or "nan" for cell in row] for row in rows], dtype=np.float64)

    of_lists = numeric.of_lists(lists, width)
    assert of_lists is not None
    assert_equal(of_lists, expected.astype(np.float32))
    of_lines = numeric.of_lines("\n".join(map(",".join, rows)).encode(), width)
    if width > 1 or not np.isnan(expected).any():
        assert of_lines is not None
        assert_equal(of_lines, expected.astype(np.float32))


@pytest.mark.parametrize("n_rows", [1, 2, 100, 20_000])
@pytest.mark.parametrize(
    ("row", "values"),
    [
        (b"1,2", [1, 2]),
        (b"-0,-0.0", [-0.0, -0.0]),
        (b",1", [math.nan, 1]),
        (b"1,", [1, math.nan]),
        (b",", [math.nan, math.nan]),
        (b"007,+1", [7, 1]),
        (b".5,5.", [0.5, 5]),
        (b" 1,2\t", [1, 2]),
        (b"1E3,1e-3", [1000, 0.001]),
        (b"9007199254740993,123456789012345678901234567890", [2.0**53, 123456789012345678e12]),
        (b"18446744073709551615,-9223372036854775808", [2.0**64, -(2.0**63)]),
        (b"1e-999,-1e-999", [0.0, -0.0]),
        (b"16777217.0000000000000000000000000000001,0.1", [16777216, 0.1]),
    ],
)
def test_line_of_plain_numbers_is_read(row: bytes, values: list[float], n_rows: int) -> None:
    """One row or many, each number is rounded to a double and then to a 32-bit float."""
    found = numeric.of_lines(b"\n".join([row] * n_rows), 2)

    assert found is not None
    assert_equal(found, np.array([values] * n_rows, dtype=np.float64).astype(np.float32))


@pytest.mark.parametrize("n_rows", [1, 20_000])
@pytest.mark.parametrize(
    "text",
    [
        *(b"1,2,3", b"1", b"1,2\n", b"\n1,2", b"1,2\n\n3,4", b"1,2,3\n4", b"1\n2,3,4", b""),
        *(b"a,b\n1,2", b"nan,1", b"NA,1", b"inf,1", b"1_000,1", b"0x10,1", b"null,1", b"true,1"),
        *(b"[1],2", b"[1,2]", b"1],[2", b"{},1", b'{"a":1},2', b'{"a":1,"b":2}', b'"1",2', b"1;2"),
        *(b"1 2,3", b" ,1", b"1e39,1", b"1,-1e39", b"9e99,1", b"9e99,", b"1e999,1", b"-,1"),
        *(b"1,2\r\n3,4", b"1,\0", b"1,\xff", "\u0661,1".encode(), b"\xef\xbb\xbf1,2", b"--1,2"),
    ],
)
def test_line_of_anything_else_is_not_read(text: bytes, n_rows: int) -> None:
    """An error is left to the careful parser, even if it is in the last of many rows."""
    assert numeric.of_lines(b"5,6\n" * (n_rows - 1) + text, 2) is None


@pytest.mark.parametrize("text", [b"", b"\n", b"1\n\n2", b"[]", b"1,2"])
def test_blank_line_is_no_missing_cell(text: bytes) -> None:
    """With one column, a line without a number may be an error."""
    assert numeric.of_lines(text, 1) is None


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"[1]", b"[1,2,3]", b"[1,2],", b",[1,2]", b"[1,2][3,4]", b"[[1,2]]", b"1,2"),
        *(b"[1,2],[3],[4,5,6]", b"[1,,2]", b"[,]", b"[1,]", b"[1,[2]]", b"[1[,]2]", b"[007,1]"),
        *(b"[+1,2]", b"[.5,5.]", b"[NaN,1]", b"[Infinity,1]", b"[1e39,1]", b"[null,9e99]"),
        *(b"[1null,2]", b"[null1,2]", b"[-null,2]", b'["null",2]', b"[true,1]", b'[{"a":1},2]'),
        *(b'["1,2"],[3,4]', b"[1,2]\n[3,4]", b"[1,2] 3", b"[1,2],{}", b"[-0,1]", b"[1 2,3]"),
    ],
)
def test_lists_of_anything_else_are_not_read(text: bytes) -> None:
    """Text that is not JSON, or has another shape, is left to the careful parser."""
    assert numeric.of_lists(text, 2) is None


@pytest.mark.parametrize("between", [b",", b", ", b"\n ,\r\n\t"])
def test_lists_are_cut_between_rows(between: bytes) -> None:
    """Pieces are whole lists in order, and none is much larger than the others."""
    lists = [b"[%d, null]" % index for index in range(40_000)]

    pieces = list(numeric.lists_in_pieces(between.join(lists)))

    assert len(pieces) > 1
    assert max(map(len, pieces)) < numeric.PIECE_BYTES + 20
    assert between.join(pieces) == between.join(lists)


@pytest.mark.parametrize("end", [b",", b"]", b"[", b",[1, 2", b"x"])
def test_lists_with_another_end_lose_nothing_of_it(end: bytes) -> None:
    """Text after the last list is part of a piece that is rejected."""
    text = b",".join([b"[1, 2]"] * 40_000) + end

    read = [numeric.of_lists(piece, 2) for piece in numeric.lists_in_pieces(text)]

    assert read.pop() is None
    assert all(matrix is not None for matrix in read)


THREADS = """
from gevent import monkey
monkey.patch_all()
import gevent
from container.formats import numeric

def read(digit):
    text = b"\\n".join([b"%d,%d.5" % (digit, digit)] * 2_000)
    for _ in range(20):
        matrix = numeric.of_lines(text, 2)
        assert matrix.shape == (2_000, 2) and (matrix == [digit, digit + 0.5]).all()
        gevent.sleep(0)

pool = gevent.get_hub().threadpool
pool.maxsize = 4
large = [pool.spawn(read, digit) for digit in range(1, 9)]
small = [gevent.spawn(read, digit) for digit in range(1, 9)]
for work in large + small:
    work.get()
"""


def test_threads_and_greenlets_read_side_by_side() -> None:
    """Concurrent callers, in threads of a pool or in greenlets, receive their own rows."""
    ended = python(THREADS)

    assert (ended.returncode, ended.stderr) == (0, "")
