"""Functions that write rows of digits, and replies, in binary formats."""

import io
from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

import numpy as np

from container.formats.recordio_messages import Record
from support import recordio

ROWS: list[list[float]] = [[1, 2, 3], [4, 5, 6]]
GAPS: list[list[float]] = [[1, nan, 3], [4, 5, 6]]
TABLE = {"hundreds": [1, 4], "tens": [2, 5], "ones": [3, 6]}


def npy(values: Any, dtype: str = "<f8", version: tuple[int, int] = (1, 0)) -> bytes:
    """Return an array as numpy.save writes it."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(values, dtype), version)
    return file.getvalue()


def dense(rows: Sequence[Sequence[float]], tensor: str = "float32_tensor") -> bytes:
    """Return records without a label."""
    return b"".join(recordio.frame(recordio.record(row, [], tensor=tensor)) for row in rows)


def sparse(rows: Sequence[Mapping[int, float]], shape: Sequence[int] = ()) -> bytes:
    """Return sparse records without a label."""
    return b"".join(
        recordio.frame(recordio.record(list(row.values()), [], keys=list(row), shape=shape))
        for row in rows
    )


def answer(**outputs: tuple[str, Sequence[Any]]) -> bytes:
    """Return the record of a reply: for each output the type of its tensor, and the values."""
    payload = b""
    for name, (kind, values) in outputs.items():
        message: Any = Record()
        tensor = getattr(message.label[name], kind)
        (tensor.value if kind == "bytes" else tensor.values).extend(values)
        payload += message.SerializeToString()
    return recordio.frame(payload)
