"""Decode RecordIO-protobuf: one record a row, dense or sparse; labels are ignored."""

import io
from typing import Any

import numpy as np

from container.formats.cells import FLOAT32_OVERFLOW, CellError
from container.formats.recordio_frames import records, row_of
from container.payloads.decoders.collector import RowCollector, RowError, column, out_of_range
from container.payloads.types import Expected, Rows


def remedy(expected: Expected) -> str:
    """Return what to send in place of a body that cannot be read."""
    count = f"{expected.n_features} value{'s' * (expected.n_features != 1)}"
    return f"send one record a row, each with {count} in its features"


def decode(body: bytes, expected: Expected, _mark_bad: bool) -> Rows:
    """Return the rows of a body; NaN is missing, and a feature that a sparse record omits is 0.

    A record with labels only is the output of another container, as the built-in algorithms
    return it: its labels are the row.

    Raises:
        CellError: the body is not RecordIO-protobuf, or does not have this model's features.
    """
    collected = RowCollector(expected, len(body))
    try:
        for number, record in records(io.BytesIO(body), expected.max_row_bytes):
            collected.append(_row(number, record, expected.n_features))
    except RowError:
        raise
    except CellError as error:
        raise RowError(str(error), collected.n_rows + 1, remedy=error.remedy) from error
    return collected.rows()


def _row(number: int, record: Any, n_features: int) -> list[float]:
    """Return the numbers of one record; raise CellError."""
    is_output = not record.features and record.label
    row = row_of(record.label if is_output else record.features, number)
    if row.width > n_features or (row.width < n_features and not row.is_sparse):
        raise CellError(f"record {number} has {row.width} values")
    for index, value in enumerate(row.values):
        if abs(value) >= FLOAT32_OVERFLOW:
            where, name = column(row.keys[index] if row.keys else index, None)
            problem = f"record {number}, {where} is {out_of_range(value)}"
            raise RowError(problem, number, name)
    if not row.is_sparse:
        return row.values
    values = np.zeros(n_features)
    values[row.keys] = row.values
    found: list[float] = values.tolist()
    return found
