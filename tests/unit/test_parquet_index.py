"""Parquet reader: an index that pandas wrote."""

import io
import json
import logging
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from container.data.readers.batches import BatchReader
from container.data.readers.detection import PARQUET
from container.data.reading import open_reader
from container.hyperparameters.input_options import InputOptions


def opened(*names: Any, label: str | None = None) -> BatchReader:
    """Return a reader of a file with `names[0]` as a column, and all names as its index."""
    table = pa.table({names[0]: ["r1", "r2"], "y": [1, 2], "x": [3, 4]})
    metadata = {"pandas": json.dumps({"index_columns": names})}
    file = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), file)
    return open_reader(PARQUET, file, InputOptions(label=label))


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
    """An index is not a feature, and a log line names it."""
    with caplog.at_level(logging.INFO):
        reader = opened(*names, label=label)

    assert reader.columns is not None
    assert reader.columns.names == ("y", "x")
    assert reader.columns.label == 0
    assert caplog.messages == [f"left out the index that pandas wrote: {names[0]}"]
