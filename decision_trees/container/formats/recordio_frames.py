"""RecordIO frames, and the numbers of the protobuf message in each of them.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO

from google.protobuf.message import DecodeError

from container.formats.cells import CellError
from container.formats.media_types import RECORDIO_MAGIC
from container.formats.recordio_messages import Record

_HEADER_BYTES = 8


_LENGTH_BITS = 29


_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)


_MAX_FEATURES = 2**31


_MAX_DIMENSIONS = 32


_REMEDY = "write it again, as RecordIO-protobuf"


def frames(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the payload of each frame of a RecordIO stream.

    Raises:
        CellError: the stream is not RecordIO, or ends within a frame.
    """
    return (payload for _, payload in _located_frames(stream))


def _located_frames(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield position and payload of each frame; the parts of a split frame are joined.

    A writer splits a payload at each magic number in it, and omits the magic number.

    Source: https://github.com/dmlc/dmlc-core/blob/main/include/dmlc/recordio.h
    """
    start, end, record = 0, 0, 1
    parts: list[bytes] = []
    while header := _take(stream, _HEADER_BYTES):
        place = (record, end)
        flag, length = _flag_and_length(header, place)
        if flag > _LAST or (flag in (_MIDDLE, _LAST)) != bool(parts):
            raise _unreadable(place, "is a part of a record whose other parts are not there")
        padded = _take(stream, length + -length % 4)
        if len(padded) < length + -length % 4:
            raise _unreadable(place, "is cut off")
        parts.append(padded[:length])
        end += _HEADER_BYTES + len(padded)
        if flag in (_WHOLE, _LAST):
            yield start, RECORDIO_MAGIC.join(parts)
            start, record, parts = end, record + 1, []
    if parts:
        raise _unreadable((record, start), "is cut off")


def _take(stream: BinaryIO, size: int) -> bytes:
    """Return `size` bytes, or fewer at the end of the stream."""
    data = stream.read(size)
    if not 0 < len(data) < size:
        return data
    pieces = [data]
    while data := stream.read(size - sum(map(len, pieces))):
        pieces.append(data)
    return b"".join(pieces)


def _flag_and_length(header: bytes, place: tuple[int, int]) -> tuple[int, int]:
    if not RECORDIO_MAGIC.startswith(header[:4]):
        raise _unreadable(place, "does not begin with the magic number of RecordIO")
    if len(header) < _HEADER_BYTES:
        raise _unreadable(place, "is cut off")
    found = int.from_bytes(header[4:], "little")
    return divmod(found, 1 << _LENGTH_BITS)


def _unreadable(place: tuple[int, int], problem: str) -> CellError:
    record, byte = place
    return CellError(f"record {record}, at byte {byte}, {problem}", _REMEDY)


def records(stream: BinaryIO, max_bytes: int | None = None) -> Iterator[tuple[int, Any]]:
    """Yield the number of each record, from 1, and the record.

    Raises:
        CellError: the stream is not RecordIO, holds anything but records, or a record has more
            than `max_bytes`, if that is given.
    """
    for number, (start, payload) in enumerate(_located_frames(stream), start=1):
        if max_bytes is not None and len(payload) > max_bytes:
            raise CellError(f"record {number}, at byte {start}, has more than {max_bytes} bytes")
        try:
            record = Record.FromString(payload)
        except DecodeError as error:
            problem = "is not the protobuf message aialgs.data.Record"
            raise _unreadable((number, start), problem) from error
        yield number, record


@dataclass(frozen=True)
class RecordRow:
    """Numbers of one record."""

    values: list[float]
    keys: list[int]
    """Feature of each value, from 0; empty if all features have a value, in order."""

    width: int
    """Number of features; a minimum if the record is sparse."""

    is_sparse: bool


def row_of(named: Any, number: int, what: str = "values") -> RecordRow:
    """Return the numbers under the one key of `named`, a map of a record; raises CellError."""
    _, tensor = tensor_of(named, number, what)
    values, keys, shape = tensor.values[:], tensor.keys[:], tensor.shape[:]
    if len(shape) > _MAX_DIMENSIONS:
        raise CellError(f"record {number} has a shape of {len(shape)} dimensions")
    is_sparse = bool(keys) or (not values and bool(shape))
    width = _sparse_width(number, values, keys, shape) if keys else _width(number, values, shape)
    return RecordRow(values, keys, width, is_sparse)


def tensor_of(named: Any, number: int, what: str) -> tuple[str, Any]:
    """Return the type and the tensor of the features or the label of a record; there is one."""
    if len(named) > 1:
        names = ", ".join(map(repr, sorted(named, key=str)))
        raise CellError(f"record {number} has {what} under the keys {names}", "use one key")
    for name in named:
        if isinstance(name, bytes):
            raise CellError(f"record {number} has {what} under a key that is not UTF-8")
        kind = named[name].WhichOneof("value")
        if kind == "bytes":
            raise CellError(f"record {number} has bytes as {what}", "write numbers")
        if kind is not None:
            return kind, getattr(named[name], kind)
    raise CellError(f"record {number} has no {what}")


def _width(number: int, values: list[float], shape: list[int]) -> int:
    """Return how many features a record without keys has."""
    width = math.prod(shape) if shape else len(values)
    if width > _MAX_FEATURES:
        raise CellError(f"record {number} has a shape of more than {_MAX_FEATURES} values")
    if width == 0:
        raise CellError(f"record {number} has no values")
    if values and len(values) != width:
        raise CellError(f"record {number} has {len(values)} values, but its shape holds {width}")
    return width


def _sparse_width(number: int, values: list[float], keys: list[int], shape: list[int]) -> int:
    """Return the minimum number of features of a record with keys."""
    if len(keys) != len(values):
        raise CellError(f"record {number} has {len(values)} values and {len(keys)} keys")
    if len(set(keys)) != len(keys):
        ordered = sorted(keys)
        twice = next(key for key, after in pairwise(ordered) if key == after)
        raise CellError(f"record {number} has the key {twice} twice")
    width = math.prod(shape) if shape else max(keys) + 1
    if width > _MAX_FEATURES:
        raise CellError(f"record {number} has keys or a shape beyond {_MAX_FEATURES} values")
    if max(keys) >= width:
        raise CellError(f"record {number} has the key {max(keys)}, but its shape holds {width}")
    return width
