"""Bodies of few bytes that describe, or seem to describe, far more than they hold."""

import io
import struct
from collections.abc import Iterator
from random import Random

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from container.formats.media_types import CSV, JSON, JSON_LINES, NPY, RECORDIO, RECORDIO_MAGIC
from container.formats.recordio_messages import Record

LIBSVM, PARQUET = "text/libsvm", "application/x-parquet"
FORMATS = (CSV, JSON, JSON_LINES, LIBSVM, NPY, RECORDIO, PARQUET)

_TOKENS = {
    CSV: [b"1", b"12", b",", b",,,", b"\n", b'"', b'"1"', b"\r", b"na", b" ", b"1,1,1,1\n", b"a"],
    JSON: [b"[", b"]", b"[]", b"{}", b",", b"1", b"12", b'"a"', b'{"a":1}', b"null", b"[1,1,1,1]"],
    LIBSVM: [b"0", b"1:1", b" ", b"\n", b"\r", b"#", b"2:2", b"1000000000:1", b"0 1:1\n", b"a"],
}
_TOKENS[JSON_LINES] = [*_TOKENS[JSON], b"\n", b"[1,1,1,1]\n", b"[]\n"]
_ENDS = {
    JSON: [
        (b"", b""),
        (b"[", b"1]"),
        (b"[", b"[]]"),
        (b'{"instances":[', b"1]}"),
        (b'{"columns":["a","b","c","d"],"data":[', b"[1]]}"),
        (b'{"a":[', b"1]}"),
        (b'{"a":', b"}"),
        ('["\U0001f600",'.encode(), b"1]"),
    ],
}


def repeated(content_type: str, chance: Random, n_bytes: int) -> bytes:
    """Return a text of `n_bytes` in which a few tokens are repeated."""
    tokens = _TOKENS[content_type]
    unit = b"".join(chance.choices(tokens, k=chance.randrange(1, 5)))
    start, end = chance.choice(_ENDS.get(content_type, [(b"", b"")]))
    separator = chance.choice([b",", b", ", b""]) if content_type == JSON else b""
    return start + (unit + separator) * (n_bytes // len(unit + separator)) + end


def binaries(content_type: str, n_bytes: int) -> Iterator[bytes]:
    """Yield bodies of at most about `n_bytes` in a format that is not text."""
    if content_type == NPY:
        for shape in ((n_bytes // 4, 4), (n_bytes, 1), (n_bytes // 1000, 1000), (n_bytes,)):
            for kind in ("u1", "b1", "S1"):
                yield _npy(np.zeros(shape, kind))
                yield _npy(np.zeros(shape, kind, "F"))
        yield _npy(np.zeros((1, 1), "u1")).replace(b"(1, 1)", b"(9999999999999, 1)")
        yield _npy(np.zeros((1, 1), "u1")).replace(b"(1, 1)", b"(999999999, 0)")
    elif content_type == RECORDIO:
        yield _frame(bytes(4)) * (n_bytes // 12)
        yield _tensor(shape=[1000]) * (n_bytes // 28)
        yield _tensor(shape=[2**30, 2**30])
        yield _tensor(values=[1] * (n_bytes // 2), keys=[1] * (n_bytes // 2))
        yield _tensor(values=[1] * n_bytes)
        yield RECORDIO_MAGIC + struct.pack("<I", 2**29 - 1) + bytes(100)
        yield (RECORDIO_MAGIC + struct.pack("<I", 1 << 29)) * (n_bytes // 8)
    else:
        yield _table(np.ones(2**25, np.int8), "snappy")
        yield _table(np.zeros(2**20), "zstd")
        yield with_large_page(2**30)
        yield _parquet(pa.table({f"c{i}": [1] for i in range(20_000)}))
        yield _parquet(pa.table({"c": np.zeros(20_000)}), row_group_size=1)


def with_large_page(n_bytes: int) -> bytes:
    """Return a Parquet file whose first page claims to have `n_bytes` when it is decompressed."""
    file = _table(np.random.default_rng(0).random(16_000), "zstd")
    assert file[4:7] == b"\x15\x00\x15", "the header of a data page"
    end = next(at for at in range(7, 20) if file[at] < 128) + 1
    size = _varint(2 * n_bytes)
    surplus = len(size) - (end - 7)
    return file[:7] + size + file[end:40] + file[40 + surplus :]


def _varint(number: int) -> bytes:
    groups = [number >> shift & 127 for shift in range(0, number.bit_length(), 7)]
    return bytes([*(group | 128 for group in groups[:-1]), groups[-1]])


def _table(column: np.ndarray, compression: str) -> bytes:
    table = pa.table(dict.fromkeys("abcd", column))
    return _parquet(table, compression=compression, row_group_size=len(column))


def _parquet(table: pa.Table, **options: object) -> bytes:
    file = io.BytesIO()
    options = {"data_page_size": 2**30, "use_dictionary": table.num_rows > 2**24, **options}
    parquet.write_table(table, file, **options)
    return file.getvalue()


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _tensor(**fields: list[int]) -> bytes:
    record = Record()
    tensor = record.features["values"].int32_tensor
    for name, values in fields.items():
        getattr(tensor, name).extend(values)
    return _frame(record.SerializeToString())


def _frame(payload: bytes) -> bytes:
    return RECORDIO_MAGIC + struct.pack("<I", len(payload)) + payload + bytes(-len(payload) % 4)
