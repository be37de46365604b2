"""The bytes of a request become a table, predictions the bytes of a reply."""

import csv
import io
import math
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container import content
from container.errors import ContainerError, MalformedPayload, UnsupportedMediaType

REMEDY = "send one row a line: 2 numbers with commas between, no header, no label."

# Beyond this a double rounds to an infinite float32.
LARGEST = math.nextafter(2.0**128 - 2.0**103, 0)
DOUBLES = st.floats(min_value=-LARGEST, max_value=LARGEST) | st.just(math.nan)


@st.composite
def matrices(draw: st.DrawFn) -> list[list[float]]:
    """Draw rows of doubles in the range of float32, all of one width, NaN among them."""
    width = draw(st.integers(1, 5))
    rows = st.lists(DOUBLES, min_size=width, max_size=width)
    return draw(st.lists(rows, min_size=1, max_size=8))


@given(matrices())
@settings(deadline=None, max_examples=300)
def test_numbers_are_read_exactly(rows: list[list[float]]) -> None:
    """Doubles written with `repr` arrive as the float32 that numpy makes of them, bit for bit."""
    body = "".join(",".join(map(repr, row)) + "\n" for row in rows).encode()

    features = content.decode(body, "text/csv", len(rows[0]))

    expected = np.array(rows, dtype=np.float64).astype(np.float32)
    assert features.dtype == np.float32
    assert features.shape == expected.shape
    np.testing.assert_array_equal(features, expected)
    numbers = ~np.isnan(expected)
    assert features[numbers].tobytes() == expected[numbers].tobytes()


ALPHABET = '0123456789.-+e,\n\r"nax_ \t\0\ufeff\u0661'


@given(st.binary(max_size=60) | st.text(ALPHABET, max_size=60).map(str.encode), st.integers(1, 3))
@settings(deadline=None, max_examples=500)
def test_any_bytes_are_an_array_or_the_callers_error(body: bytes, n_features: int) -> None:
    """No body makes the decoder fail in another way."""
    with suppress(MalformedPayload):
        features = content.decode(body, "text/csv", n_features)

        assert features.dtype == np.float32
        assert features.shape[1:] == (n_features,)
        assert not np.isinf(features).any()


@given(st.text(max_size=40) | st.text(max_size=20).map("text/csv;charset={}".format))
@settings(deadline=None, max_examples=300)
def test_any_content_type_is_read_or_refused(content_type: str) -> None:
    """No content type makes the decoder fail in another way than 415."""
    with suppress(UnsupportedMediaType):
        features = content.decode(b"1\n", content_type, 1)

        assert features.tolist() == [[1.0]]


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/csv",
        "TEXT/CSV",
        " text/csv ",
        "text/csv; header=absent",
        "text/csv;charset=utf-8",
        "text/csv; charset=UTF-8",
        'text/csv; charset="utf-8"',
        "text/csv; Charset=utf8",
        "text/csv; charset=us-ascii",
        "text/csv;",
    ],
)
def test_csv_in_utf_8_is_read(content_type: str | None) -> None:
    """CSV is read whatever the letter case and parameters; without a type CSV is meant."""
    assert content.decode(b"1,2\n", content_type, 2).tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "text/plain",
        "text/csv2",
        "text",
        "*/*",
        "text/*",
        "application/x-npy",
        " ",
    ],
)
def test_other_media_types_are_refused(content_type: str) -> None:
    """The message names what was sent and what to send."""
    with pytest.raises(UnsupportedMediaType) as caught:
        content.decode(b"1,2\n", content_type, 2)

    assert str(caught.value) == f"The content type is {content_type!r}; send text/csv."


@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-16", "utf-8-sig", "x"])
def test_other_charsets_are_refused(charset: str) -> None:
    """A charset that is no UTF-8 is refused before the body is read."""
    with pytest.raises(UnsupportedMediaType) as caught:
        content.decode(b"\xff", f"text/csv; charset={charset}", 2)

    assert str(caught.value) == f"The charset is {charset!r}; send text/csv in UTF-8."


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (b"1,2", [[1.0, 2.0]]),
        (b"1,2\r\n3,4\r\n", [[1.0, 2.0], [3.0, 4.0]]),
        (b"1,2\r3,4", [[1.0, 2.0], [3.0, 4.0]]),
        (b"\xef\xbb\xbf1,2\n", [[1.0, 2.0]]),
        (b'"1","2"\n', [[1.0, 2.0]]),
        (b"1,2\n\n\n", [[1.0, 2.0]]),
    ],
)
def test_rows_are_read_in_every_notation(body: bytes, rows: list[list[float]]) -> None:
    """Line endings, a byte-order mark, quotes and blank lines at the end do not count."""
    assert content.decode(body, "text/csv", 2).tolist() == rows


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "there is no row"),
        (b"\n\n", "there is no row"),
        (b"\n1,2\n", "row 1 is blank"),
        (b"1,2\n\n\n3,4\n", "row 2 is blank"),
        (b"1,2,3\n", "row 1 has 3 cells"),
        (b"1,2\n3\n", "row 2 has 1 cells"),
        (b"1,2\n3,x\n", "row 2, column 2 is 'x', not a number"),
        (b"1,\0\n", "row 1 is not valid CSV (a NUL byte, as UTF-16 has them)"),
        (b"1e39,1\n", "row 1, column 1 is '1e39', beyond the range of a 32-bit float"),
        (b'1,"2\n', "row 1 is not valid CSV (unexpected end of data)"),
        (b"\xff", "row 1 has the byte 0xff, which is not UTF-8"),
    ],
)
def test_body_is_refused_with_place_and_remedy(body: bytes, problem: str) -> None:
    """The message names the row, what is wrong with it, and what to send."""
    with pytest.raises(MalformedPayload) as caught:
        content.decode(body, "text/csv", 2)

    assert str(caught.value) == f"In the body, {problem}; {REMEDY}"


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        ([[1, 2]], (0, 0)),
        ([[np.nan, 2]], (1, 1)),
        ([[1, 2], [3, 4], [5, np.nan]], (3, 2)),
        ([[1, np.nan], [np.nan, 2]], (1, 2)),
    ],
)
def test_first_missing_is_found(rows: list[list[float]], place: tuple[int, int]) -> None:
    """Row and column count from 1; none is (0, 0)."""
    assert content.first_missing(np.array(rows, dtype=np.float32)) == place


@pytest.mark.parametrize(
    ("label", "line"),
    [
        (1, b"1\n"),
        (-1.5, b"-1.5\n"),
        (1.0, b"1.0\n"),
        ("setosa", b"setosa\n"),
        ("007", b"007\n"),
        ("a, b", b'"a, b"\n'),
        ('say "a"', b'"say ""a"""\n'),
        ("c\nd", b'"c\nd"\n'),
        ("é", "é\n".encode()),
    ],
)
def test_label_is_one_line_of_csv(label: object, line: bytes) -> None:
    """A label is quoted only where it must be."""
    assert content.encode_labels([label]) == [line]


@given(st.lists(st.text(min_size=1), min_size=1, unique=True))
@settings(deadline=None, max_examples=200)
def test_labels_are_read_back_as_they_are(labels: list[str]) -> None:
    """Whatever text a label is, a CSV reader gets it back from the reply."""
    reply = content.encode(np.arange(len(labels)), content.encode_labels(labels))

    text = io.StringIO(reply.decode(), newline="")
    assert list(csv.reader(text, strict=True)) == [[label] for label in labels]


def test_reply_has_one_line_for_each_row_in_order() -> None:
    """Each index becomes the line of its label."""
    assert content.encode(np.array([1, 0, 1, 1]), [b"a\n", b"b\n"]) == b"b\na\nb\nb\n"


def test_reply_to_no_rows_is_empty() -> None:
    """Without a row there is no line."""
    assert content.encode(np.array([], dtype=np.intp), [b"a\n"]) == b""


@pytest.mark.parametrize(
    ("score", "line"),
    [
        (0.1, b"0.1\n"),
        (3.0, b"3.0\n"),
        (-0.0, b"-0.0\n"),
        (1e-5, b"1e-05\n"),
        (1e-45, b"1e-45\n"),
        (16777217.0, b"1.6777216e+07\n"),
        (3.4028235e38, b"3.4028235e+38\n"),
    ],
)
def test_score_is_the_shortest_text(score: float, line: bytes) -> None:
    """No digit is written that a float32 does not need."""
    assert content.encode_scores(np.array([score], dtype=np.float32)) == line


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
@settings(max_examples=500)
def test_scores_are_read_back_bit_for_bit(scores: list[float]) -> None:
    """A reader who parses doubles gets the same float32, smallest numbers and -0.0 included."""
    sent = np.array(scores + scores[:1], dtype=np.float32)

    reply = content.encode_scores(sent)

    read = np.array([float(line) for line in reply.split()], dtype=np.float64).astype(np.float32)
    assert reply.count(b"\n") == len(sent)
    assert read.tobytes() == sent.tobytes()


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_score_that_is_no_finite_number_is_no_reply(score: float) -> None:
    """It is the model's fault, and the message names the row."""
    with pytest.raises(ContainerError) as caught:
        content.encode_scores(np.array([1.0, score, score], dtype=np.float32))

    assert caught.value.status == 500
    assert str(caught.value) == (
        f"The model gives row 2 the score {score}, which is no finite number; look for values in "
        "the row that are far from those of the training data."
    )
