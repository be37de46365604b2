"""Tables of four flowers, and functions that write them to files."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

LABELS = ["setosa", "setosa", "virginica", "virginica"]
LENGTHS = [5.1, 4.9, 6.3, 5.8]
WIDTHS = [3.5, 3.0, 3.3, 2.7]
TEXT = b"setosa,5.1,3.5\nsetosa,4.9,3.0\nvirginica,6.3,3.3\nvirginica,5.8,2.7\n"


def table(
    labels: Sequence[Any] | pa.Array = LABELS, lengths: Sequence[Any] | pa.Array = LENGTHS
) -> pa.Table:
    """Return four flowers with their label first."""
    return pa.table({"species": labels, "length": lengths, "width": WIDTHS})


def parquet(rows: pa.Table, **options: Any) -> bytes:
    """Return a table as a Parquet file."""
    file = io.BytesIO()
    pq.write_table(rows, file, **options)
    return file.getvalue()


def gzip(content: bytes) -> bytes:
    """Return an uncompressed gzip member without a time: the same bytes from every zlib."""
    deflate = zlib.compressobj(0, wbits=-zlib.MAX_WBITS)
    stored = deflate.compress(content) + deflate.flush()
    header = bytes.fromhex("1f8b08000000000000ff")
    return header + stored + struct.pack("<II", zlib.crc32(content), len(content))


def zstd(content: bytes) -> bytes:
    """Return a zstd frame."""
    file = pa.BufferOutputStream()
    with pa.CompressedOutputStream(file, "zstd") as stream:
        stream.write(content)
    written: bytes = file.getvalue().to_pybytes()
    return written


def of_pandas(rows: pa.Table, index: object) -> pa.Table:
    """Return the table with the metadata in which pandas stores its index."""
    return rows.replace_schema_metadata({"pandas": json.dumps({"index_columns": [index]})})


def zipped(name: str) -> bytes:
    """Return a zip archive of one file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), TEXT)  # a ZipInfo has the time 1980-01-01
    return file.getvalue()
