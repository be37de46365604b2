"""RecordIO-protobuf and Parquet become rows."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from container.formats.recordio_messages import Record
from container.payloads.types import Expected
from support.bodies import TWO, decode, refusal
from support.recordio import encode, encode_sparse, frame, record

NAMED = Expected(2, ["a", "b"])
ROWS = [[1.0, 2.0], [3.0, 4.0]]
RECORDIO, PARQUET = "application/x-recordio-protobuf", "application/vnd.apache.parquet"
RECORDIO_REMEDY = "send one record a row, each with 2 values in its features."
PARQUET_REMEDY = "send a file of 2 columns of numbers."


def table(columns: dict[str, Any] | pa.Table) -> bytes:
    """Return columns as Parquet."""
    content = io.BytesIO()
    parquet.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), content)
    return content.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        encode(ROWS, [0, 1]),
        encode(ROWS, [0, 1], "float64_tensor"),
        encode([[1, 2], [3, 4]], [0, 1], "int32_tensor"),
        encode_sparse([{0: 1, 1: 2}, {1: 4, 0: 3}], [0, 1]),
        encode_sparse([{0: 1, 1: 2}, {1: 4, 0: 3}], [0, 1], 2),
        frame(record(ROWS[0], [])) + encode_sparse([{0: 3, 1: 4}], [0]),
    ],
)
def test_records_are_read(body: bytes) -> None:
    """Dense or sparse, with labels or without."""
    assert decode(body, RECORDIO).features.tolist() == ROWS


def test_sparse_record_has_zeros() -> None:
    """What is not written is 0."""
    body = encode_sparse([{1: 5.0}, {}], [0, 0], 2)

    assert decode(body, RECORDIO).features.tolist() == [[0, 5], [0, 0]]


def test_answer_in_records_is_rows() -> None:
    """What a container answers, labels without features, another takes as its row."""
    message: Any = Record()
    message.label["score"].float32_tensor.values.extend([1.0, 2.0])

    assert decode(frame(message.SerializeToString()), RECORDIO).features.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("body", "problem", "row", "column"),
    [
        (b"", "there is no row; " + RECORDIO_REMEDY, None, None),
        (encode([[1], [2]], [0, 1]), "record 1 has 1 values; " + RECORDIO_REMEDY, 1, None),
        (encode_sparse([{2: 1}], [0]), "record 1 has 3 values; " + RECORDIO_REMEDY, 1, None),
        (frame(b""), "record 1 has no values; " + RECORDIO_REMEDY, 1, None),
        (
            encode([[1, 2], [3, np.inf]], [0, 1]),
            "record 2, column 2 is infinite; " + RECORDIO_REMEDY,
            2,
            2,
        ),
        (
            encode([[1, 2]], [0])[:-4],
            "record 1, at byte 0, is cut off; write it again, as RecordIO-protobuf.",
            1,
            None,
        ),
        (
            frame(record([1, 2], [], shape=[1] * 100_000)),
            "record 1 has a shape of 100000 dimensions; " + RECORDIO_REMEDY,
            1,
            None,
        ),
    ],
)
def test_records_are_refused_with_their_place(
    body: bytes, problem: str, row: int | None, column: int | None
) -> None:
    """The message names the record and the value."""
    error = refusal(body, RECORDIO)

    assert str(error) == f"In the body, {problem}"
    assert (error.row, error.column) == (row, column)


@pytest.mark.parametrize("expected", [TWO, NAMED])
def test_parquet_is_read(expected: Expected) -> None:
    """Numbers of any type are read; nulls and NaN are missing; an index of pandas is left out."""
    body = table({"a": [1, None], "b": [2.5, np.nan], "__index_level_0__": ["x", "y"]})

    np.testing.assert_array_equal(
        decode(body, PARQUET, expected).features, [[1, 2.5], [np.nan, np.nan]]
    )


def test_columns_of_parquet_are_put_in_the_order_of_training() -> None:
    """Names say which column is which, where the model has names."""
    body = table({"b": [2, 4], "a": [1, 3]})

    assert decode(body, PARQUET, NAMED).features.tolist() == ROWS
    assert decode(body, PARQUET).features.tolist() == [[2, 1], [4, 3]]


@pytest.mark.parametrize(
    ("columns", "expected", "problem"),
    [
        (
            {"a": [1], "c": [2]},
            NAMED,
            (
                "the file has the unknown name 'c' and lacks the name 'b'; name each feature of "
                "the training once."
            ),
        ),
        ({"a": [1]}, TWO, "the file has 1 column; " + PARQUET_REMEDY),
        ({"a": pa.array([], pa.int8()), "b": []}, TWO, "there is no row; " + PARQUET_REMEDY),
        (
            {"a": ["1"], "b": [2]},
            TWO,
            "column 1 ('a') holds string values, not numbers; " + PARQUET_REMEDY,
        ),
        (
            {"a": [1, 2], "b": [3, 1e39]},
            NAMED,
            "row 2, column 2 ('b') is 1e+39, beyond the range of a 32-bit float; " + PARQUET_REMEDY,
        ),
        (
            {"a": pa.nulls(2**26 + 1), "b": pa.nulls(2**26 + 1)},
            TWO,
            "there are more than 134217728 cells; send fewer rows at once.",
        ),
        (
            pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]),
            TWO,
            "the file has two columns of one name; " + PARQUET_REMEDY,
        ),
    ],
)
def test_parquet_is_refused_with_its_place(
    columns: dict[str, Any] | pa.Table, expected: Expected, problem: str
) -> None:
    """Names, types and sizes are looked at before any row is read."""
    assert str(refusal(table(columns), PARQUET, expected)) == f"In the body, {problem}"


def test_body_that_is_no_parquet_is_refused() -> None:
    """The message says why."""
    message = str(refusal(b"PAR1", PARQUET))

    assert message.startswith("In the body, the file cannot be read as Parquet (")
    assert message.endswith("); write it again: it is damaged or cut off.")
