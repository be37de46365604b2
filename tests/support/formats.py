"""The Iris table in every training format."""

import gzip
import io
from collections.abc import Callable

import pyarrow as pa
from pyarrow import parquet

from support.material import as_csv
from support.recordio import encode, encode_sparse

Table = list[list[float]]
"""Rows with an integer label first."""

NAMES = ["species", "sepal_length", "sepal_width", "petal_length", "petal_width"]


def with_header(table: Table) -> str:
    """Return the table as CSV with the names of its columns."""
    return as_csv([NAMES, *table])


def as_parquet(table: Table) -> bytes:
    """Return the table as Parquet, with integer labels and several row groups."""
    columns = list(zip(*table, strict=True))
    arrays = [pa.array(columns[0], pa.int64()), *[pa.array(c, pa.float64()) for c in columns[1:]]]
    content = io.BytesIO()
    parquet.write_table(pa.table(arrays, names=NAMES), content, row_group_size=40)
    return content.getvalue()


def as_zstd(content: bytes) -> bytes:
    """Return the content compressed by zstd."""
    target = pa.BufferOutputStream()
    with pa.CompressedOutputStream(target, "zstd") as stream:
        stream.write(content)
    compressed: bytes = target.getvalue().to_pybytes()
    return compressed


def as_libsvm(table: Table) -> str:
    """Return the table as libsvm, with features counted from 1."""
    return "".join(
        f"{row[0]} {' '.join(f'{i}:{value!r}' for i, value in enumerate(row[1:], 1))}\n"
        for row in table
    )


def as_records(table: Table) -> bytes:
    """Return the table as dense RecordIO-protobuf."""
    return encode([row[1:] for row in table], [row[0] for row in table])


def as_sparse_records(table: Table) -> bytes:
    """Return the table as sparse RecordIO-protobuf."""
    return encode_sparse([dict(enumerate(row[1:])) for row in table], [row[0] for row in table], 4)


FORMATS: dict[str, Callable[[Table], str | bytes]] = {
    "table.csv": as_csv,
    "with_header.csv": with_header,
    "table.tsv": lambda table: as_csv(table).replace(",", "\t"),
    "semicolons": lambda table: as_csv(table).replace(",", ";"),
    "no_suffix": as_csv,
    "windows.csv": lambda table: "\ufeff" + with_header(table).replace("\n", "\r\n"),
    "table.csv.gz": lambda table: gzip.compress(as_csv(table).encode()),
    "table.csv.zst": lambda table: as_zstd(as_csv(table).encode()),
    "table.parquet": as_parquet,
    "table.libsvm": as_libsvm,
    "libsvm": as_libsvm,
    "table.recordio": as_records,
    "records": as_records,
    "sparse.recordio": as_sparse_records,
    "table.recordio.gz": lambda table: gzip.compress(as_records(table)),
}
