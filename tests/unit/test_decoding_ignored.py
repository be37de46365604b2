"""Decoding requests that have the columns which the model does not use."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from container.payloads.types import Expected
from support.bodies import decode, refusal

NAMED = Expected(2, ["a", "b"], ignored=[(0, "ring"), (2, "day")])
UNNAMED = Expected(2, ignored=[(0, None), (2, None)])
ONE = Expected(1, ["a"], ignored=[(1, "day")])
CSV, JSON, LINES = "text/csv", "application/json", "application/jsonlines"
NPY, PARQUET = "application/x-npy", "application/vnd.apache.parquet"
TABLE = [[1.0, 2.0], [np.nan, 4.0]]


def npy(rows: list[list[float]]) -> bytes:
    """Return rows as numpy.save writes them."""
    content = io.BytesIO()
    np.save(content, np.array(rows))
    return content.getvalue()


def columns(**found: list[Any]) -> bytes:
    """Return columns as Parquet."""
    content = io.BytesIO()
    parquet.write_table(pa.table(found), content)
    return content.getvalue()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"1,2\n,4\n", CSV),
        (b"R1,1,2018-04-10,2\n R2,,x,4\n", CSV),
        (b"7,1,8,2\n9,,7,4\n", CSV),
        (b"R1,1,,2\n,4\n", CSV),
        (b"ring,a,day,b\nR1,1,x,2\nR2,,y,4\n", CSV),
        (b"day ,b,a\nx,2,1\ny,4,\n", CSV),
        (b"b,a,ring\n2,1,R1\n4,,\n", CSV),
        (b"a,b\n1,2\n,4\n", CSV),
        (b"[[1, 2], [null, 4]]", JSON),
        (b'[["R1", 1, "x", 2], ["R2", null, null, 4]]', JSON),
        (b"[[7, 1, 8, 2], [9, null, 7, 4]]", JSON),
        (b'[{"day": "x", "b": 2, "ring": "R1", "a": 1}, {"b": 4, "a": null}]', JSON),
        (b'{"columns": ["b", "day", "a"], "data": [[2, "x", 1], [4, "y", null]]}', JSON),
        (b'[{"features": ["R1", 1, "x", 2]}, {"features": [null, 4]}]', JSON),
        (b'["R1", 1, "x", 2]\n{"b": 4, "a": null, "ring": 7}\n', LINES),
        (npy([[7, 1, 8, 2], [9, np.nan, 7, 4]]), NPY),
        (npy(TABLE), NPY),
        (columns(ring=["R1", "R2"], b=[2, 4], a=[1, None]), PARQUET),
        (columns(a=[1, None], b=[2, 4]), PARQUET),
    ],
)
def test_request_may_have_ignored_columns_or_not(body: bytes, content_type: str) -> None:
    """Columns that the job left out are left out of requests, by name or by position."""
    np.testing.assert_array_equal(decode(body, content_type, NAMED).features, TABLE)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"R1,1,2018-04-10,2\nR2,,x,4\n", CSV),
        (b'[["R1", 1, "x", 2], ["R2", null, null, 4]]', JSON),
        (npy([[7, 1, 8, 2], [9, np.nan, 7, 4]]), NPY),
        (columns(w=["R1", "R2"], x=[1, None], y=["", ""], z=[2, 4]), PARQUET),
    ],
)
def test_ignored_columns_without_names_are_found_by_position(
    body: bytes, content_type: str
) -> None:
    """Rows that have all columns are accepted, even if columns have no names."""
    np.testing.assert_array_equal(decode(body, content_type, UNNAMED).features, TABLE)


def test_record_with_an_ignored_column_of_a_single_feature() -> None:
    """One object is one row, with its ignored columns too."""
    found = decode(b'{"a": 5, "day": "x"}', JSON, ONE)

    np.testing.assert_array_equal(found.features, [[5]])


@pytest.mark.parametrize(
    ("body", "content_type", "problem", "place"),
    [
        (b"R1,1,2\n", CSV, "row 1 has 3 cells", (1, None)),
        (b"ring,a,b\nR1,1,2\n1,2\n", CSV, "row 3 has 2 cells", (3, None)),
        (b"ring,a,b\nR1,1,x\n", CSV, "row 2, column 3 ('b') is 'x', not a number", (2, "b")),
        (b"R1,1,y,x\n", CSV, "row 1, column 4 is 'x', not a number", (1, 4)),
        (b"ring,a,b,c\nR1,1,2,3\n", CSV, "row 1, a header, has the unknown name 'c'", (1, None)),
        (b'[["R1", 1, 2]]', JSON, "row 1 has 3 values", (1, None)),
        (b'[{"ring": 1, "a": 2}]', JSON, "row 1 lacks the name 'b'", (1, None)),
        (npy([[1, 2, 3]]), NPY, "the array has the shape (1, 3)", (None, None)),
        (columns(ring=["R1"], a=[1]), PARQUET, "the file lacks the name 'b'", (None, None)),
    ],
)
def test_request_with_some_other_columns_is_refused(
    body: bytes, content_type: str, problem: str, place: tuple[int | None, int | str | None]
) -> None:
    """All other columns must be those of the model, and rows without names have all or none."""
    error = refusal(body, content_type, NAMED)

    assert str(error).startswith(f"In the body, {problem}; ")
    assert (error.row, error.column) == place
