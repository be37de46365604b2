"""RecordIO-protobuf: frames, each of which holds one row as a protobuf message.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html
"""

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO, cast

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from container.blocks import BLOCK_VALUES, Block, Part, Sparse
from container.cells import FLOAT32_OVERFLOW, CellError
from container.formats.aialgs import Record
from container.media import RECORDIO_MAGIC
from container.options import InputOptions

_HEADER_BYTES = 8
_LENGTH_BITS = 29
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_MAX_FEATURES = 2**31
_MAX_DIMENSIONS = 32
_REMEDY = "write it again, as RecordIO-protobuf"


def read(stream: BinaryIO, options: InputOptions) -> Part:
    """Open a RecordIO-protobuf file; it is read once, from its beginning.

    Blocks are dense if records have values without keys, else sparse; NaN is missing. A class is
    written as an integer where its label is a whole number, whatever its type: labels are float32
    by custom.

    Args:
        stream: the file; a pipe will do, and may return less than it is asked for.
        options: whether labels are numbers.

    Raises:
        HyperparameterError: a hyperparameter names the column of the label or the weight.
    """
    options.refuse_columns("RecordIO-protobuf")
    return Part("RecordIO-protobuf", None, _blocks(stream, options.labels_are_numbers))


def frames(stream: BinaryIO) -> Iterator[bytes]:
    """Yield what the frames of a RecordIO stream hold, one by one.

    Raises:
        CellError: the stream is not RecordIO, or ends within a frame.
    """
    return (payload for _, payload in _located_frames(stream))


def _located_frames(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield where each frame begins and what it holds; parts of a frame are joined.

    A writer splits a payload wherever it holds the magic number, and leaves that out.

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
    """Return `size` bytes, less only at the end of the stream."""
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


def records(stream: BinaryIO) -> Iterator[tuple[int, Any]]:
    """Yield the number of each record, from 1, and the record.

    Raises:
        CellError: the stream is not RecordIO, or holds anything but records.
    """
    for number, (start, payload) in enumerate(_located_frames(stream), start=1):
        try:
            record = Record.FromString(payload)
        except DecodeError as error:
            problem = "is not the protobuf message aialgs.data.Record"
            raise _unreadable((number, start), problem) from error
        yield number, record


@dataclass(frozen=True)
class Row:
    """The numbers of one record."""

    values: list[float]
    keys: list[int]
    """The feature of each value, from 0; empty when all values are there, in their order."""

    width: int
    """How many features there are; when some are not written, at least."""

    is_sparse: bool


def row_of(named: Any, number: int, what: str = "values") -> Row:
    """Return the numbers under the one key of `named`, a map of a record; raises CellError."""
    _, tensor = _tensor(named, number, what)
    values, keys, shape = tensor.values[:], tensor.keys[:], tensor.shape[:]
    if len(shape) > _MAX_DIMENSIONS:
        raise CellError(f"record {number} has a shape of {len(shape)} dimensions")
    is_sparse = bool(keys) or (not values and bool(shape))
    width = _sparse_width(number, values, keys, shape) if keys else _width(number, values, shape)
    return Row(values, keys, width, is_sparse)


def _blocks(stream: BinaryIO, labels_are_numbers: bool) -> Iterator[Block]:
    """Yield the rows, about BLOCK_VALUES values and labels at a time."""
    rows = _Rows(labels_are_numbers)
    for number, record in records(stream):
        rows.add(number, record)
        if rows.size >= BLOCK_VALUES:
            yield rows.take()
    if rows.size:
        yield rows.take()


class _Rows:
    """Collects the rows of a file, block after block."""

    def __init__(self, labels_are_numbers: bool) -> None:
        self._labels_are_numbers = labels_are_numbers
        self._is_sparse: bool | None = None
        self._width = 0
        self._first = 1
        self._classes: dict[tuple[str, float], str] = {}
        self._clear()

    def _clear(self) -> None:
        self._values, self._keys, self._ends = array("d"), array("q"), array("q")
        self._labels: list[str | float] = []

    @property
    def size(self) -> int:
        """How many values and labels wait for a block."""
        return len(self._values) + len(self._labels)

    def add(self, number: int, record: Any) -> None:
        """Append one record; raises CellError."""
        row = row_of(record.features, number)
        if self._is_sparse is None:
            self._is_sparse = row.is_sparse
        if self._is_sparse != row.is_sparse:
            found, before = ("sparse", "dense") if row.is_sparse else ("dense", "sparse")
            raise CellError(f"record {number} is {found}, the records before are {before}")
        self._check_width(number, row.width)
        self._labels.append(self._label(number, record))
        self._values.extend(row.values)
        self._keys.extend(row.keys)
        self._ends.append(len(self._values))

    def take(self) -> Block:
        """Return the rows that wait, and wait for others."""
        features = self._features()
        labels = self._labels
        self._first += len(labels)
        self._clear()
        if self._labels_are_numbers:
            return Block(features, np.array(labels, dtype=np.float64))
        return Block(features, cast("list[str]", labels))

    def _features(self) -> NDArray[np.float32] | Sparse:
        values = np.frombuffer(self._values, dtype=np.float64)
        wrong = np.abs(values) >= FLOAT32_OVERFLOW
        if wrong.any():
            at = int(wrong.argmax())
            raise CellError(f"{self._place(at)} is {_problem(float(values[at]))}")
        numbers = values.astype(np.float32)
        if not self._is_sparse:
            return numbers.reshape(-1, self._width)
        keys = np.frombuffer(self._keys, dtype=np.int64)
        return Sparse(numbers, keys, np.frombuffer(self._ends, dtype=np.int64), self._width)

    def _place(self, at: int) -> str:
        """Return where a value is, by its index among those that wait."""
        row = int(np.searchsorted(np.frombuffer(self._ends, dtype=np.int64), at, side="right"))
        number = self._first + row
        if self._is_sparse:
            return f"record {number}, key {self._keys[at]}"
        return f"record {number}, value {at % self._width + 1}"

    def _check_width(self, number: int, width: int) -> None:
        if self._is_sparse:
            self._width = max(self._width, width)
        elif self._width in (0, width):
            self._width = width
        else:
            raise CellError(f"record {number} has {width} values, the records before {self._width}")

    def _label(self, number: int, record: Any) -> str | float:
        kind, tensor = _tensor(record.label, number, "label")
        values = tensor.values[:]
        if len(values) != 1:
            raise CellError(
                f"record {number} has {len(values)} labels", "give each record one label"
            )
        value = float(values[0])
        if math.isnan(value):
            raise CellError(f"record {number} has no label: it is NaN")
        if math.isinf(value) or (self._labels_are_numbers and abs(value) >= FLOAT32_OVERFLOW):
            raise CellError(f"record {number}, the label is {_problem(value)}")
        if self._labels_are_numbers:
            return value
        known = self._classes.get((kind, value))
        return known or self._classes.setdefault((kind, value), _written(kind, value))


def _tensor(named: Any, number: int, what: str) -> tuple[str, Any]:
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
    """Return how many features a record with keys has at least."""
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


def _problem(value: float) -> str:
    return "infinite" if math.isinf(value) else f"{value!r}, beyond the range of a 32-bit float"


def _written(kind: str, value: float) -> str:
    """Return a class: an integer if it is one, else with the digits that its type needs."""
    if value.is_integer():
        return str(int(value))
    return str(np.float32(value)) if kind == "float32_tensor" else repr(value)
