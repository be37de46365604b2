"""Writers of response bodies: one class for each text or record format, one function for npy."""

import csv
import io
import json
import struct
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from container.formats.media_types import (
    CSV,
    JSON,
    JSON_LINES,
    LABELS,
    PROBABILITIES,
    RECORDIO,
    RECORDIO_MAGIC,
)

LIST_OUTPUTS = frozenset({LABELS, PROBABILITIES})
"""Outputs that have several values a row."""


class Writer(Protocol):
    """Writes one media type: values become outputs, outputs a row, and rows a body."""

    bad: bytes
    """A row without a prediction."""

    separator: bytes
    """Bytes between two rows."""

    def labels(self, name: str, labels: Sequence[Any]) -> bytes:
        """Return an output of labels."""

    def numbers(self, name: str, numbers: NDArray[np.float32]) -> list[bytes]:
        """Return an output of numbers for each row of shape (n_rows, n_values)."""

    def row(self, outputs: Iterable[bytes]) -> bytes:
        """Return a row made of its outputs."""

    def body(self, rows: bytes) -> bytes:
        """Return the body made of all rows, joined by the separator."""


def writer_of(media_type: str, labels: Sequence[Any]) -> Writer:
    """Return the writer of a media type, any of REPLIES except npy, for a model's labels."""
    if media_type == RECORDIO:
        return RecordIOWriter(labels)
    writers: dict[str, type[CsvWriter | JsonWriter]] = {
        CSV: CsvWriter,
        JSON: JsonWriter,
        JSON_LINES: JsonLinesWriter,
    }
    return writers[media_type]()


class CsvWriter:
    """One line a row; a list takes one column for each value."""

    bad = b"\n"
    separator = b""

    def labels(self, _name: str, labels: Sequence[Any]) -> bytes:
        """Return the labels with commas between them."""
        return b",".join(map(_csv_cell, labels))

    def numbers(self, _name: str, numbers: NDArray[np.float32]) -> list[bytes]:
        """Return the numbers of each row with commas between them."""
        return _decimals(numbers)

    def row(self, outputs: Iterable[bytes]) -> bytes:
        """Return one line."""
        return b",".join(outputs) + b"\n"

    def body(self, rows: bytes) -> bytes:
        """Return the lines."""
        return rows


class JsonWriter:
    """One ASCII object a row, all in one list under `predictions`.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html
    """

    bad = b"null"
    separator = b","

    def labels(self, name: str, labels: Sequence[Any]) -> bytes:
        """Return a member whose value is a label, or a list of labels."""
        values = ",".join(json.dumps(label, allow_nan=False) for label in labels)
        return _member(name) % values.encode()

    def numbers(self, name: str, numbers: NDArray[np.float32]) -> list[bytes]:
        """Return for each row a member whose value is a number, or a list of numbers."""
        member = _member(name)
        return [member % values for values in _decimals(numbers)]

    def row(self, outputs: Iterable[bytes]) -> bytes:
        """Return one object."""
        return b"{%s}" % b",".join(outputs)

    def body(self, rows: bytes) -> bytes:
        """Return the document."""
        return b'{"predictions":[%s]}\n' % rows


class JsonLinesWriter(JsonWriter):
    """The same objects as in JSON, one a line."""

    bad = b"null\n"
    separator = b""

    def row(self, outputs: Iterable[bytes]) -> bytes:
        """Return one object and its line feed."""
        return b"{%s}\n" % b",".join(outputs)

    def body(self, rows: bytes) -> bytes:
        """Return the lines."""
        return rows


class RecordIOWriter:
    """One record a row, whose label maps the name of each output to a tensor.

    A payload that contains the magic number is not split; only readers that seek need that.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/LL-in-formats.html
    """

    bad = RECORDIO_MAGIC + bytes(4)
    separator = b""

    def __init__(self, labels: Sequence[Any]) -> None:
        """Choose the type of tensor for the labels of a model."""
        # Imported on first use: protobuf is slow to load and few requests need it.
        from container.formats.recordio_messages import Record

        self._record = Record
        self._tensor = _tensor_of(labels)

    def labels(self, name: str, labels: Sequence[Any]) -> bytes:
        """Return a record with a tensor of labels."""
        if self._tensor == "bytes":
            return self._write(name, "bytes", "value", [label.encode() for label in labels])
        return self._write(name, self._tensor, "values", labels)

    def numbers(self, name: str, numbers: NDArray[np.float32]) -> list[bytes]:
        """Return for each row a record with a tensor of numbers."""
        return [self._write(name, "float32_tensor", "values", row) for row in numbers.tolist()]

    def row(self, outputs: Iterable[bytes]) -> bytes:
        """Return one frame; concatenated messages are merged into one when they are parsed."""
        payload = b"".join(outputs)
        return RECORDIO_MAGIC + struct.pack("<I", len(payload)) + payload + bytes(-len(payload) % 4)

    def body(self, rows: bytes) -> bytes:
        """Return the frames."""
        return rows

    def _write(self, name: str, tensor: str, field: str, values: Sequence[Any]) -> bytes:
        record = self._record()
        getattr(getattr(record.label[name], tensor), field).extend(values)
        written: bytes = record.SerializeToString()
        return written


def npy_body(columns: Sequence[NDArray[Any]], bad: Sequence[int], *, is_flat: bool) -> bytes:
    """Return an npy file of one array.

    Args:
        columns: each of shape (n_rows, n_values); they are placed side by side.
        bad: indices of rows without a prediction, which become NaN, or empty text. Integers
            become float64 then, which has a NaN.
        is_flat: whether the only column has one value a row; the shape is (n_rows,) then.

    Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
    array = np.hstack(columns)
    if bad:
        array = array.astype(np.float64) if array.dtype.kind == "i" else array
        array[bad] = "" if array.dtype.kind == "U" else np.nan
    file = io.BytesIO()
    np.save(file, array[:, 0] if is_flat else array, allow_pickle=False)
    return file.getvalue()


def _decimals(numbers: NDArray[np.float32]) -> list[bytes]:
    """Return for each row its numbers with commas between them.

    Each distinct number is formatted once: a tree has few, and formatting a NumPy number is slow.
    """
    bits = numbers.view(np.uint32).ravel().tolist()  # bits tell -0.0 from 0.0
    distinct = dict.fromkeys(bits)
    floats = np.array(list(distinct), dtype=np.uint32).view(np.float32)
    texts = dict(zip(distinct, [str(number).encode() for number in floats], strict=True))
    cells = [texts[number] for number in bits]
    width = numbers.shape[1]
    if width == 1:
        return cells
    return [b",".join(cells[start : start + width]) for start in range(0, len(cells), width)]


def _csv_cell(label: object) -> bytes:
    """Return a label as a cell of CSV, quoted if necessary."""
    line = io.StringIO()
    # With this line terminator both of its characters are quoted inside a cell.
    csv.writer(line, lineterminator="\r\n").writerow([label])
    return line.getvalue().removesuffix("\r\n").encode()


def _member(name: str) -> bytes:
    """Return a template of a member of a JSON object, with a placeholder for its value."""
    return b'"%s":%s' % (name.encode(), b"[%s]" if name in LIST_OUTPUTS else b"%s")


def _tensor_of(labels: Sequence[Any]) -> str:
    """Return the type of tensor that can hold every label, the same in each record."""
    if all(isinstance(label, str) for label in labels):
        return "bytes"
    if all(isinstance(label, int) and -(2**31) <= label < 2**31 for label in labels):
        return "int32_tensor"
    return "float64_tensor"
