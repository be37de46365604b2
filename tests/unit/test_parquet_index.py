"""Parquet: what pandas writes as an index."""

import io
import json
import logging
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from container.data.readers import parquet_reader
from container.data.readers.batches import BatchReader
from container.hyperparameters.input_options import InputOptions


def opened(*names: Any, label: str | None = None) -> BatchReader:
    """Open a file with the first of `names` as a column, and all of them as its index."""
    table = pa.table({names[0]: ["r1", "r2"], "y": [1, 2], "x": [3, 4]})
    told = {"pandas": json.dumps({"index_columns": names})}
    file = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(told), file)
    return parquet_reader.read(file, InputOptions(label=label))


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (["__index_level_0__"], None),
        (["__index_level_0__"], "y"),
        (["id", {"kind": "range"}], "y"),
        (["id"], "0"),
    ],
    ids=str,
)
def test_index_of_pandas_is_left_out(
    names: list[Any], label: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """An index is no feature, and one line of the log says so."""
    with caplog.at_level(logging.INFO):
        reader = opened(*names, label=label)

    assert reader.columns is not None
    assert reader.columns.names == ("y", "x")
    assert reader.columns.label == 0
    assert caplog.messages == [f"left out the index that pandas wrote: {names[0]}"]
