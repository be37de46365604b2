"""Decode Parquet: columns by name if the features have names, otherwise by position."""

from collections.abc import Set
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from container.formats.cells import FLOAT32_OVERFLOW, CellError
from container.formats.parquet_columns import (
    is_number,
    numbers,
    page_sizes,
    pandas_index,
    readable,
    value_type,
)
from container.payloads.decoders import naming
from container.payloads.decoders.collector import RowError, column, out_of_range, refuse_rows
from container.payloads.types import Expected, Rows

_FOOTER_BYTES = 2**20
_COLUMN_BYTES = 1024
"""Maximum size of the metadata, in total and for each column; parsed it takes 50 times that."""

_PAGE_BYTES = 8 * 2**20
_VALUE_BYTES = 16
"""Maximum size of a decompressed page, in total and for each row of the file; most have 1 MB."""

_FEW_PAGES = 1000
_MIN_PAGE_BYTES = 64

_BATCH_ROWS = 64 * 1024


def remedy(expected: Expected) -> str:
    """Return what to send in place of a body that cannot be read."""
    return (
        f"send a file of {expected.n_features} column{'s' * (expected.n_features != 1)} of numbers"
    )


def decode(body: bytes, expected: Expected, _mark_bad: bool) -> Rows:
    """Return the rows of a file; nulls and NaN are missing, an index of pandas is ignored.

    Raises:
        CellError: the body is not Parquet, or does not have this model's features.
    """
    _refuse_footer(body, expected)
    with readable("the file"):
        file = pq.ParquetFile(pa.BufferReader(body), page_checksum_verification=True)
        schema = file.schema_arrow
        names: list[str] = schema.names  # pyarrow makes them anew each time
        indices = _columns(names, pandas_index(schema), expected)
    _refuse_large(body, file.metadata, expected)
    for index in indices:
        found = schema.field(index).type
        if not is_number(value_type(found)):
            where = column(index, names)[0]
            raise CellError(f"{where} holds {found} values, not numbers")
    return Rows(_features(file, indices, names))


def _refuse_footer(body: bytes, expected: Expected) -> None:
    """Refuse metadata that are far larger than the columns need, before they are parsed."""
    length = int.from_bytes(body[-8:-4], "little")
    most = _FOOTER_BYTES + _COLUMN_BYTES * expected.n_features
    if most < length < len(body) and body.endswith(b"PAR1"):
        raise CellError(f"the file has {length} bytes of metadata, and {most} are enough")


def _columns(names: list[str], left_out: Set[str], expected: Expected) -> list[int]:
    """Return the index of the column of each feature."""
    kept = [
        index
        for index, name in enumerate(names)
        if name not in left_out and not name.startswith("__index_level_")
    ]
    found = [names[index] for index in kept]
    if expected.names is not None:
        kept = [index for index in kept if not expected.is_ignored(names[index])]
        found = [names[index] for index in kept]
        places = naming.order(found, expected.names, "the file")
        return kept if places is None else [kept[place] for place in places]
    if len(set(found)) < len(found):
        raise CellError("the file has two columns of one name")
    kept = naming.part(kept, expected.used(len(kept)))
    if len(kept) != expected.n_features:
        raise CellError(f"the file has {len(kept)} column{'s' * (len(kept) != 1)}")
    return kept


def _refuse_large(body: bytes, metadata: Any, expected: Expected) -> None:
    """Refuse a file that is small but decompresses to many cells, before reading any.

    The sizes in the metadata are not used when pages are read; those in front of each page are.
    """
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    counts = [group.num_rows for group in groups]
    if min(counts, default=0) < 0 or sum(counts) != metadata.num_rows:
        raise CellError(
            "the file has another number of rows than its metadata says", "write it again"
        )
    if metadata.num_rows == 0:
        raise CellError("there is no row")
    refuse_rows(metadata.num_rows, len(body), expected)
    max_page = _PAGE_BYTES + _VALUE_BYTES * metadata.num_rows
    chunks = (group.column(index) for group in groups for index in range(metadata.num_columns))
    for number, size in enumerate(page_sizes(body, chunks)):
        if number > _FEW_PAGES + len(body) // _MIN_PAGE_BYTES:
            raise CellError("the file has more pages than fit into it", "write it again")
        if size > max_page:
            raise CellError(
                f"the file has a page of {size} bytes, and {max_page} are enough for its "
                f"{metadata.num_rows} rows",
                "write it again, with smaller pages",
            )


def _features(file: Any, indices: list[int], names: list[str]) -> NDArray[np.float32]:
    """Return the columns as a matrix; one column is read at a time."""
    features = np.empty((file.metadata.num_rows, len(indices)), dtype=np.float32)
    for position, index in enumerate(indices):
        _read(file, names[index], column(index, names)[0], features[:, position])
    return features


def _read(file: Any, name: str, where: str, target: NDArray[np.float32]) -> None:
    """Fill `target`, shape (n_rows,), with the column `name`, which messages call `where`."""
    end = 0
    with readable(where):
        for batch in file.iter_batches(_BATCH_ROWS, columns=[name], use_threads=False):
            start, end = end, end + len(batch)
            if end > len(target):
                break
            target[start:end] = _float32(numbers(batch.column(name)), start + 1, where, name)
    if end != len(target):
        raise CellError(
            f"{where} has another number of rows than its metadata says", "write it again"
        )


def _float32(
    values: NDArray[np.float64], first_row: int, where: str, name: str
) -> NDArray[np.float32]:
    wrong = np.abs(values) >= FLOAT32_OVERFLOW
    if wrong.any():
        at = int(wrong.argmax())
        problem = f"row {first_row + at}, {where} is {out_of_range(float(values[at]))}"
        raise RowError(problem, first_row + at, name)
    with np.errstate(invalid="ignore"):  # a signaling NaN is missing like any other
        return values.astype(np.float32)
