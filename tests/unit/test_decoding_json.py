"""Decoding JSON and JSON Lines, in every shape that clients send."""

import json
from typing import Any

import numpy as np
import pytest

from container.errors import MalformedPayload
from container.payloads import decoding
from container.payloads.types import Expected, Rows

JSON, LINES = "application/json", "application/jsonlines"
NAMED, UNNAMED = Expected(2, ["a", "b"]), Expected(2)
ONE = Expected(1, ["a"])
REMEDY = 'send [[...], ...] or {"instances": [[...], ...]} with 2 numbers a row.'
LINES_REMEDY = 'send one row a line: [...] or {"features": [...]} with 2 numbers.'
ROWS = [[1.0, 2.0], [3.0, 4.0]]
SPARSE = {"data": {"features": {"keys": [1], "shape": [2], "values": [5]}}}


def decode(
    document: Any, expected: Expected = NAMED, content_type: str = JSON, *, mark_bad: bool = False
) -> Rows:
    """Return the rows of a document, or of bytes."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return decoding.decode(body, content_type, expected, mark_bad=mark_bad)


@pytest.mark.parametrize(
    "document",
    [
        {"predictions": ROWS},
        {"instances": [{"features": {"values": row}} for row in ROWS]},
        {"instances": [{"data": {"features": {"values": row, "keys": []}}} for row in ROWS]},
        {"dataframe_split": {"columns": [0, 1], "data": ROWS}},
    ],
)
def test_other_shapes_are_read(document: object) -> None:
    """Less common shapes than those of the corpus are decoded to the same rows."""
    assert decode(document).features.tolist() == ROWS


@pytest.mark.parametrize("expected", [NAMED, UNNAMED])
@pytest.mark.parametrize(
    "document",
    [
        [1, 2],
        {"instances": [1, 2]},
        {"features": [1, 2]},
        {"data": {"features": {"values": [1, 2]}}},
        {"probabilities": [1, 2]},
    ],
)
def test_one_row_needs_no_list_of_rows(document: object, expected: Expected) -> None:
    """A list of as many numbers as there are features is one row, and so is one object."""
    assert decode(document, expected).features.tolist() == [[1, 2]]


def test_record_by_name_is_one_row() -> None:
    """Its keys may have any order, and be called like a list of rows."""
    assert decode({"b": 2, "a": 1}).features.tolist() == [[1, 2]]
    named = Expected(2, ["data", "columns"])
    assert decode({"columns": 2, "data": 1}, named).features.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "document",
    [
        [5, 6],
        [[5], [6]],
        {"predictions": [5, 6]},
        {"predictions": [{"score": 5}, {"score": 6}]},
        {"predictions": [{"predicted_label": 5}, {"predicted_score": 6}]},
        {"instances": [{"a": 5}, [6]]},
    ],
)
def test_numbers_are_rows_of_one_feature(document: object) -> None:
    """If a model has one feature, an output of another container is a row."""
    assert decode(document, ONE).features.tolist() == [[5], [6]]


def test_sparse_row_has_zeros() -> None:
    """Features that a sparse row of the built-in algorithms omits are 0."""
    empty = {"features": {"keys": [], "shape": [2], "values": []}}

    assert decode([SPARSE, empty]).features.tolist() == [[0, 5], [0, 0]]


def test_numbers_are_read_exactly() -> None:
    """A number is a double first, then a 32-bit float, as in training."""
    texts = ["0.1", "16777217", "1e-50", "-0", "123456789012345678901234567890", "3.4028235e38"]

    rows = decode(f"[{','.join(texts)}]".encode(), Expected(len(texts)))

    expected = np.array([list(map(float, texts))]).astype(np.float32)
    assert rows.features.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("document", "problem", "row", "column"),
    [
        ([[1, 2], 3], "row 2 is a number, not a row", 2, None),
        (5, "row 1 is a number, not a row", 1, None),
        ([{"a": 1, "b": {}}], "row 1, column 2 ('b') is an object", 1, "b"),
        (b"[[1," + b"9" * 5000 + b"]]", "row 1, column 2 is infinite", 1, 2),
        ({"instances": 5}, "'instances' is a number", None, None),
    ],
)
def test_document_is_refused_with_place_and_remedy(
    document: object, problem: str, row: int | None, column: int | str | None
) -> None:
    """The message names the row, what is wrong with it, and what to send."""
    with pytest.raises(MalformedPayload) as caught:
        decode(document)

    assert str(caught.value) == f"In the body, {problem}; {REMEDY}"
    assert (caught.value.row, caught.value.column) == (row, column)


def test_object_of_one_unknown_name_is_no_row_of_one_feature() -> None:
    """Only the keys of predictions can replace the name of a single feature."""
    with pytest.raises(MalformedPayload) as caught:
        decode({"x": 1}, ONE)

    assert str(caught.value) == (
        "In the body, row 1 has the unknown name 'x' and lacks the name 'a'; name each feature "
        "of the training once."
    )


@pytest.mark.parametrize(
    ("features", "problem"),
    [
        ({"keys": [0.5], "values": [1]}, 'has 0.5 in "keys", which are 0 to 1'),
        ({"keys": [0]}, 'has no list of "values" in "features"'),
    ],
)
def test_sparse_row_is_refused_where_it_does_not_fit(features: object, problem: str) -> None:
    """Keys are the places of features, each once."""
    with pytest.raises(MalformedPayload) as caught:
        decode([{"features": features}])

    assert str(caught.value) == f"In the body, row 1 {problem}; {REMEDY}"


@pytest.mark.parametrize(
    ("body", "problem", "row"),
    [
        (b"\n", "there is no row", None),
        (b"[1,2]\n[3,\n4]\n", "row 2, character 4 is not valid JSON (Expecting value)", 2),
        (b"[1,2],[3,4]\n", "row 1, character 6 is not valid JSON (Extra data)", 1),
    ],
)
def test_line_that_is_no_row_is_refused(body: bytes, problem: str, row: int | None) -> None:
    """The message names the line."""
    with pytest.raises(MalformedPayload) as caught:
        decode(body, content_type=LINES)

    assert str(caught.value) == f"In the body, {problem}; {LINES_REMEDY}"
    assert caught.value.row == row


def test_bad_rows_are_marked() -> None:
    """Good rows stay where they are, in a document as in lines."""
    nan = [np.nan, np.nan]
    document = decode({"instances": [[1, 2], [1], {"a": "x", "b": 1}, [3, 4]]}, mark_bad=True)
    lines = decode(b"[1,2]\n\n[3\n[3,4]\n", content_type=LINES, mark_bad=True)

    for rows in (document, lines):
        np.testing.assert_array_equal(rows.features, [[1, 2], nan, nan, [3, 4]])
    assert list(document.bad) == list(lines.bad) == [1, 2]


@pytest.mark.parametrize(
    ("body", "content_type", "problem"),
    [
        ([[1, 2], [1]], JSON, "row 2 has 1 values"),
        ([{"a": "x", "b": 1}], JSON, "row 1, column 1 ('a') is 'x', a string, not a number"),
        (b"[1,2]\n\n[3,4]\n", LINES, "row 2 is blank"),
        (b"[1,2]\n[3\n", LINES, "row 2, character 3 is not valid JSON (Expecting ',' delimiter)"),
    ],
)
def test_bad_row_is_refused_if_rows_are_not_marked(
    body: object, content_type: str, problem: str
) -> None:
    """The message has the place and the problem."""
    with pytest.raises(MalformedPayload) as caught:
        decode(body, content_type=content_type)

    assert str(caught.value).startswith(f"In the body, {problem};")


@pytest.mark.parametrize("n_rows", [1, 40_000])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"[1,2],[3,4]\n[5,6]", LINES),
        (b"[1,2]\n[3\n4]", LINES),
        (b"[1,2]\n\n[3,4]", LINES),
        (b'{"instances":[[1,2]],"instances":[[3,4]]}', JSON),
        (b'{"instances":[[1,2]]', JSON),
        (b"[[1,2]]}", JSON),
        (b"[[1,2]", JSON),
        (b"[[1,2],]", JSON),
        (b"[[1,2]] []", JSON),
        (b"[[1,2],[3,4,5],[6]]", JSON),
        (b"[[1,2],[007,1]]", JSON),
    ],
)
def test_lists_that_are_nearly_plain_are_refused(
    body: bytes, content_type: str, n_rows: int
) -> None:
    """An error is reported even if almost all of the body is plain."""
    separator = b"\n" if content_type == LINES else b","
    body = body.replace(b"[1,2]", separator.join([b"[1,2]"] * n_rows), 1)

    with pytest.raises(MalformedPayload):
        decode(body, content_type=content_type)


@pytest.mark.parametrize("wrapper", [b"%b", b' {"instances" :\n%b } ', b"\r\n%b\t"])
def test_many_lists_are_read(wrapper: bytes) -> None:
    """Rows of a large document keep their order, in any notation; null is missing."""
    lists = b"[" + b" ,\n".join(b"[ %d, null]" % index for index in range(40_000)) + b"]"

    features = decode(wrapper % lists).features

    assert features[:, 0].tolist() == list(range(40_000))
    assert np.isnan(features[:, 1]).all()
