"""Decoding RecordIO-protobuf and Parquet."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from container.payloads.types import Expected
from support.bodies import TWO, decode, refusal
from support.recordio import frame, record

NAMED = Expected(2, ["a", "b"])
RECORDIO, PARQUET = "application/x-recordio-protobuf", "application/vnd.apache.parquet"
RECORDIO_REMEDY = "send one record a row, each with 2 values in its features."
PARQUET_REMEDY = "send a file of 2 columns of numbers."


def table(columns: dict[str, Any] | pa.Table) -> bytes:
    """Return columns as Parquet."""
    content = io.BytesIO()
    parquet.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), content)
    return content.getvalue()


def test_record_of_many_dimensions_is_refused() -> None:
    """The size of a shape is limited before it is computed."""
    error = refusal(frame(record([1, 2], [], shape=[1] * 100_000)), RECORDIO)

    assert str(error) == (
        f"In the body, record 1 has a shape of 100000 dimensions; {RECORDIO_REMEDY}"
    )
    assert (error.row, error.column) == (1, None)


@pytest.mark.parametrize("expected", [TWO, NAMED])
def test_parquet_is_read(expected: Expected) -> None:
    """Numbers of any type are read; nulls and NaN are missing; an index of pandas is ignored."""
    body = table({"a": [1, None], "b": [2.5, np.nan], "__index_level_0__": ["x", "y"]})

    np.testing.assert_array_equal(
        decode(body, PARQUET, expected).features, [[1, 2.5], [np.nan, np.nan]]
    )


@pytest.mark.parametrize(
    ("columns", "expected", "problem"),
    [
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
    """Names and types are checked before any row is read."""
    assert str(refusal(table(columns), PARQUET, expected)) == f"In the body, {problem}"
