"""Fast path of the CSV reader: equal to the row-by-row parser, or not used."""

import io
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.data.columns import Columns
from container.data.readers.text import csv_columns
from container.formats import cells, csv_rows
from support.csv_texts import reader_of, refusal_of

NUMBERS = st.integers(-99, 99).map(str) | st.floats(-1e9, 1e9).map(repr)
RARE = st.sampled_from(["", ".5", "-0", "007", "NA", "1e39", "x", '"1"', " 2", "[1]", "1,5", "é"])
LABELS = st.sampled_from(["a", "007", "1.0", "é", "two words", " c ", '"d"', "e[", "-1", "{"])
STRANGE = st.sampled_from(["", "NA", '"', '""', '"f,g"', '"h\ni"', 'j"k', ' "l"', "\ufeffm", "n,o"])
PIECES = ["\r", "\r\n", '"', ",", ";", "\n", "\n\n", "\0", "\ufeff", " ", "[", "1"]
LABEL_FIRST = Columns(3, None, 0, None)


@st.composite
def texts(draw: st.DrawFn, delimiter: str) -> str:
    """Draw rows of a label and two numbers, in any order of columns, most of them plain."""
    numbers = draw(st.sampled_from([NUMBERS, NUMBERS | RARE]))
    labels = draw(st.sampled_from([NUMBERS, LABELS, LABELS | STRANGE]))
    columns = draw(st.permutations([labels, numbers, numbers]))
    rows = draw(st.lists(st.tuples(*columns), min_size=1, max_size=6))
    ending = draw(st.sampled_from(["\n", "\r\n"]))
    text = ending.join(map(delimiter.join, rows)) + draw(st.sampled_from(["", ending]))
    start = draw(st.none() | st.integers(0, len(text)))
    return text if start is None else text[:start] + draw(st.sampled_from(PIECES)) + text[start:]


@given(st.data())
def test_fast_path_equals_the_row_by_row_parser(data: st.DataObject) -> None:
    """Rows that the fast path accepts have the same labels, weights and numbers."""
    delimiter = data.draw(st.sampled_from([",", ";", "\t"]))
    text = data.draw(texts(delimiter)).encode()
    label, weight = data.draw(st.permutations([0, 1, 2]))[:2]
    columns = Columns(3, None, label, data.draw(st.sampled_from([None, weight])))
    are_numbers = data.draw(st.booleans())

    batch = csv_columns.read(text, delimiter, columns, labels_are_numbers=are_numbers)

    if batch is not None:
        rows = [row for _, row in csv_rows.read_rows(io.BytesIO(text), delimiter)]
        labels = [row[label].strip(" \t") for row in rows]
        assert len(rows) == len(text.splitlines())
        assert not any(map(cells.is_missing, labels))
        assert list(batch.labels) == ([float(cell) for cell in labels] if are_numbers else labels)
        if batch.weights is not None:
            assert batch.weights.tolist() == [float(row[weight]) for row in rows]
        found = [cells.number(row[index], str) for row in rows for index in columns.features]
        expected = csv_rows.as_matrix(array("d", found), len(columns.features))
        np.testing.assert_array_equal(np.asarray(batch.features), expected)


@pytest.mark.parametrize(
    ("text", "labels", "features"),
    [
        (b"a,1,2\nb,3,4\n", ["a", "b"], [[1, 2], [3, 4]]),
        (b"a,1,2\r\nb,3,4", ["a", "b"], [[1, 2], [3, 4]]),
        (b'007,1,\n"1.0",,4\n', ["007", "1.0"], [[1, np.nan], [np.nan, 4]]),
        (b" a b ,-0,.5\n\xc3\xa9[{,1e3,4\n", ["a b", "é[{"], [[0, 0.5], [1000, 4]]),
    ],
)
def test_plain_rows_are_accepted(
    text: bytes, labels: list[str], features: list[list[float]]
) -> None:
    """Labels are kept as written, and a missing number is NaN."""
    batch = csv_columns.read(text, ",", LABEL_FIRST, labels_are_numbers=False)

    assert batch is not None
    assert batch.labels == labels
    np.testing.assert_array_equal(np.asarray(batch.features), features)


@pytest.mark.parametrize(
    "text",
    [
        *(b"a,1\n", b"a,1,2,3\n", b"a,1,2\n\nb,3,4\n", b"a,1,2,b\n3,4\n", b"a,1,2\rb,3,4\n"),
        *(b",1,2\n", b"NA,1,2\n", b'"",1,2\n', b'"a,1,2\n', b'a"b,1,2\n', b'"a""b",1,2\n'),
        *(
            b"\xff,1,2\n",
            b"a\0,1,2\n",
            b"\xef\xbb\xbfa,1,2\n",
            b"a,x,2\n",
            b"a,[1],2\n",
            b"a,1e39,2",
        ),
        *(b"a,1," + b"0" * 200_000, b"", b"\n"),
    ],
)
def test_other_rows_are_not_accepted(text: bytes) -> None:
    """Rows that may be wrong or ambiguous are left to the row-by-row parser."""
    assert csv_columns.read(text, ",", LABEL_FIRST, labels_are_numbers=False) is None


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("header", ["", "y,x,z"])
def test_row_number_counts_all_rows(header: str, ending: str) -> None:
    """A message has the right row number, however the rows before were parsed."""
    lines = [header] * bool(header) + ["a,0.123456,1"] * 60_000
    for other in ("b,NA,1", "", '"c",1,2', "d,oops,2"):
        lines += [other] + ["a,0.123456,1"] * 60_000

    message = refusal_of(ending.join(lines), header="present" if header else "absent")

    row = lines.index("d,oops,2") + 1
    name = " ('x')" if header else ""
    assert message == f"row {row}, column 2{name} is 'oops', not a number"


def test_quote_may_span_pieces() -> None:
    """A label in quotes may have line breaks, and end in a later piece of the text."""
    text = "a,1\n" * 65_000 + '"b\n' + "c,1\n" * 20_000 + 'd",2\ne,3\n'

    labels = [label for batch in reader_of(text).batches for label in batch.labels]

    assert len(labels) == 65_002
    assert labels[-2:] == ["b\n" + "c,1\n" * 20_000 + "d", "e"]


@pytest.mark.parametrize("header", ["y,1,2", "y,x1,x2"])
def test_repeated_header_is_not_a_row(header: str) -> None:
    """A repeated header is skipped even if its feature names look like numbers."""
    text = (header + "\n" + "a,3,4\n" * 60_000) * 3

    batches = list(reader_of(text, header="present").batches)

    assert sum(len(batch.labels) for batch in batches) == 180_000
    assert {label for batch in batches for label in batch.labels} == {"a"}
