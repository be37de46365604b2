"""Decoding CSV: with or without a header, exactly, or with an error."""

import math
from operator import attrgetter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.errors import MalformedPayload
from container.payloads import decoding
from container.payloads.types import Expected, Rows
from payloads import corpus
from payloads.corpus import RejectedRequest, Request

REMEDY = "send one row a line: 2 numbers with commas between, no header, no label."
LARGEST = math.nextafter(2.0**128 - 2.0**103, 0)
DOUBLES = st.floats(min_value=-LARGEST, max_value=LARGEST) | st.just(math.nan)
REJECTED = [
    exchange
    for exchange in corpus.read(RejectedRequest)
    if exchange.request == Request(model="flowers", content_type="text/csv")
    and exchange.name != "csv_header"  # as the model has names, it is accepted
]


def decode(
    body: bytes, names: list[str] | None = None, *, mark_bad: bool = False, content_type: str = ""
) -> Rows:
    """Return the rows of a body for a model of two features."""
    return decoding.decode(body, content_type, Expected(2, names), mark_bad=mark_bad)


@st.composite
def matrices(draw: st.DrawFn) -> list[list[float]]:
    """Draw rows of doubles in the range of float32, all of one width, NaN among them."""
    width = draw(st.integers(1, 5))
    rows = st.lists(DOUBLES, min_size=width, max_size=width)
    return draw(st.lists(rows, min_size=1, max_size=8))


@given(matrices(), st.sampled_from(["nan", "NA", " "]))
def test_numbers_are_read_exactly(rows: list[list[float]], missing: str) -> None:
    """Doubles written with `repr` arrive as the float32 that numpy makes of them, bit for bit."""
    lines = [",".join(missing if math.isnan(x) else repr(x) for x in row) for row in rows]
    body = "\n".join(lines).encode()

    features = decoding.decode(body, "text/csv", Expected(len(rows[0]))).features

    expected = np.array(rows, dtype=np.float64).astype(np.float32)
    assert features.shape == expected.shape
    np.testing.assert_array_equal(features, expected)
    numbers = ~np.isnan(expected)
    assert features[numbers].tobytes() == expected[numbers].tobytes()


def test_quoted_cell_after_many_plain_rows_is_read() -> None:
    """Rows before the quoted cell are kept."""
    rows = decode(b"1,2\n" * 70_000 + b'3,"4"\n').features.tolist()

    assert rows == [[1, 2]] * 70_000 + [[3, 4]]


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        (b"a,b\n", [[1, 2]]),
        (b'"a", b \r\n', [[1, 2]]),
        (b"\xef\xbb\xbfa,b\n", [[1, 2]]),
        (b"b,a\n", [[2, 1]]),
        (b"", [[1, 2]]),
    ],
)
def test_columns_are_put_in_the_order_of_training(header: bytes, rows: list[list[float]]) -> None:
    """A header may have the names in any order; only the first of several mini-batches has one."""
    assert decode(header + b"1,2\n", ["a", "b"]).features.tolist() == rows
    assert decode(header + b'"1",2\n', ["a", "b"]).features.tolist() == rows


@pytest.mark.parametrize(
    ("body", "rows"),
    [(b"1,2\n3,4\n", [[3, 4]]), (b"2,1\n3,4\n", [[2, 1], [3, 4]]), (b"1,3\n", [[1, 3]])],
)
def test_names_that_are_numbers_are_a_header_in_their_order_alone(
    body: bytes, rows: list[list[float]]
) -> None:
    """In another order they are data, which is more likely."""
    assert decode(body, ["1", "2"]).features.tolist() == rows


def test_header_of_one_cell_is_refused() -> None:
    """A header with another delimiter is one unknown name, and lacks all names of the model."""
    with pytest.raises(MalformedPayload) as caught:
        decode(b"x y\n", ["a", "b"])

    assert str(caught.value) == (
        "In the body, row 1, a header, has the unknown name 'x y' and lacks the names 'a', 'b'; "
        "name each feature of the training once."
    )
    assert (caught.value.row, caught.value.column) == (1, None)


@pytest.mark.parametrize(
    ("body", "problem", "row", "column"),
    [
        (b"1,2\n" * 70_000 + b"x,1", "row 70001, column 1 is 'x', not a number", 70001, 1),
        (
            b"1,2\n" * 70_000 + b'1,"',
            "row 70001 is not valid CSV (unexpected end of data)",
            70001,
            None,
        ),
    ],
)
def test_body_is_refused_with_place_and_remedy(
    body: bytes, problem: str, row: int | None, column: int | None
) -> None:
    """The message names the row, what is wrong with it, and what to send."""
    with pytest.raises(MalformedPayload) as caught:
        decode(body)

    assert str(caught.value) == f"In the body, {problem}; {REMEDY}"
    assert (caught.value.row, caught.value.column) == (row, column)


@pytest.mark.parametrize("exchange", REJECTED, ids=attrgetter("name"))
def test_what_is_refused_without_names_is_refused_with_names(exchange: RejectedRequest) -> None:
    """Every payload of the corpus has its message."""
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    with pytest.raises(MalformedPayload) as caught:
        decoding.decode(exchange.body, "text/csv", Expected(4, names))

    assert str(caught.value) == exchange.message


def test_bad_rows_are_marked() -> None:
    """Each row of data keeps its place; a bad one is all NaN, and alone it is refused."""
    lines = [b"1,2", b"x,3", b"", b"4", b"5,6", b""]
    rows = decode(b"\n".join([b"b,a", *lines]), ["a", "b"], mark_bad=True)

    nan = [np.nan, np.nan]
    np.testing.assert_array_equal(rows.features, [[2, 1], nan, nan, nan, [6, 5]])
    assert list(rows.bad) == [1, 2, 3]
    problems = ["row 2, column 1 ('b') is 'x', not a number", "row 2 is blank", "row 2 has 1 cells"]
    for index, problem in zip(rows.bad, problems, strict=True):
        with pytest.raises(MalformedPayload) as caught:
            decode(b"\n".join([b"b,a", *lines[index : index + 1], b"5,6"]), ["a", "b"])
        assert str(caught.value).startswith(f"In the body, {problem};")


def test_body_that_is_not_utf_8_is_refused_even_if_rows_are_marked() -> None:
    """Only a row can be marked, not an error in the encoding."""
    with pytest.raises(MalformedPayload):
        decode(b"1,2\n\xff", ["a", "b"], mark_bad=True)


@pytest.mark.parametrize("end", [b"\n", b"\n\n"])
def test_blank_line_after_a_header_is_a_row_of_a_single_feature(end: bytes) -> None:
    """The line feed that ends the last line is no blank line, a second one is."""
    n_blank = end.count(b"\n") - 1

    rows = decoding.decode(b"a\n1" + end, None, Expected(1, ["a"]), mark_bad=True)

    assert len(rows.features) == 1 + n_blank
    assert list(rows.bad) == [1] * n_blank
