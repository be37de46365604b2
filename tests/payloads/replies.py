"""Readers of the replies of the model server, independent of the code that writes them."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from container.formats.recordio_frames import frames
from container.formats.recordio_messages import Record

Cell = float | str


def cell_of(value: object) -> Cell:
    """Return a number rounded to 32 bits, as in all replies, or a text unchanged."""
    try:
        return float(np.float32(value))  # type: ignore[arg-type]
    except ValueError:
        return value.decode() if isinstance(value, bytes) else str(value)


def rows_of_csv(body: bytes) -> list[list[Any]]:
    """Return the cells of each line."""
    return list(csv.reader(io.StringIO(body.decode(), newline="")))


def rows_of_json(body: bytes) -> list[list[Any]]:
    """Return the values of each object."""
    return [values_of(item) for item in json.loads(body)["predictions"]]


def rows_of_json_lines(body: bytes) -> list[list[Any]]:
    """Return the values of each line's object."""
    return [values_of(json.loads(line)) for line in body.splitlines()]


def values_of(item: dict[str, Any] | None) -> list[Any]:
    """Return the values of an object, with lists flattened."""
    values = (item or {}).values()
    return [cell for value in values for cell in (value if isinstance(value, list) else [value])]


def rows_of_npy(body: bytes) -> list[list[Any]]:
    """Return the rows of an array; NaN and empty text stand for a marked row."""
    array = np.load(io.BytesIO(body))
    rows = array.reshape(len(array), -1).tolist()
    return [[] if row[0] == "" or row[0] != row[0] else row for row in rows]


def rows_of_recordio(body: bytes) -> list[list[Any]]:
    """Return the labels of each record, in the order in which they are written."""
    return [values_of_record(payload) for payload in frames(io.BytesIO(body))]


def values_of_record(payload: bytes) -> list[Any]:
    """Return the labels of a record in the order of its bytes; a protobuf map has no order."""
    label = Record.FromString(payload).label
    values: list[Any] = []
    for name in sorted(label, key=lambda name: payload.index(name.encode())):
        kind = label[name].WhichOneof("value")
        tensor = getattr(label[name], kind)
        values += tensor.value if kind == "bytes" else tensor.values
    return values


READERS: dict[str, Callable[[bytes], list[list[Any]]]] = {
    "text/csv": rows_of_csv,
    "application/json": rows_of_json,
    "application/jsonlines": rows_of_json_lines,
    "application/x-npy": rows_of_npy,
    "application/x-recordio-protobuf": rows_of_recordio,
}


def rows_of(media_type: str, body: bytes) -> list[list[Cell] | None]:
    """Return the rows of a reply; None stands for a marked row."""
    return [[cell_of(cell) for cell in row] or None for row in READERS[media_type](body)]
